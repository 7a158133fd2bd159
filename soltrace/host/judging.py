"""Puts the verdict on the last line of a pass.

Host side, on the worker thread alone.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import structs

from soltrace.verdict.evidence import Evidence, Gatherings
from soltrace.verdict.judge import findings
from soltrace.wire.losses import Losses, What
from soltrace.wire.records import AnyRecord

_LONG_S: Final = 1.0
"""A pass that has arrived sooner is not looked at step by step here: that takes longer than many a solve."""


class Judge:
    """Sees every record of a run that is of a pass, and says what is wrong with a pass when it ends."""

    def __init__(self, losses: Losses) -> None:
        """Make it for one run."""
        self._losses = losses
        self._gatherings = Gatherings()

    def __call__(self, records: Sequence[AnyRecord]) -> Sequence[AnyRecord]:
        """The same records; the last one of a pass has its verdict, if there is one."""
        told = records
        for position, record in enumerate(records):
            try:
                evidence = self._gatherings.add(record)
                found = None if evidence is None else findings(_worth_it(evidence))
            except Exception as error:  # noqa: BLE001 - the pass is told without
                self._losses.failed(What.RECORD, error)
                continue
            if evidence is not None and found:
                ended = structs.replace(evidence.ended, verdict=found[0].verdict)
                told = [*told[:position], ended, *told[position + 1 :]]
        return told


def _worth_it(evidence: Evidence) -> Evidence:
    if evidence.recorded and evidence.ended.status == "ok" and evidence.ended.duration_s < _LONG_S:
        evidence.recorded = ()
    return evidence
