"""Puts the verdict on the last line of a pass.

Host side, on the worker thread alone.
"""

from collections.abc import Sequence

from msgspec import structs

from soltrace.verdict.evidence import Gatherings
from soltrace.verdict.judge import findings
from soltrace.wire.losses import Losses, What
from soltrace.wire.records import AnyRecord


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
                found = None if evidence is None else findings(evidence)
            except Exception as error:  # noqa: BLE001 - the pass is told without
                self._losses.failed(What.RECORD, error)
                continue
            if evidence is not None and found:
                ended = structs.replace(evidence.ended, verdict=found[0].verdict)
                told = [*told[:position], ended, *told[position + 1 :]]
        return told
