"""Puts the verdict on the last line of a pass.

Host side, on the worker thread alone.
"""

from collections.abc import Sequence

from msgspec import structs

from soltrace.verdict.evidence import Evidence, Gatherings
from soltrace.verdict.judge import findings
from soltrace.wire.losses import Losses, What
from soltrace.wire.records import AnyRecord, PassEnded


class Judge:
    """Sees every record of a run that is of a pass, and says what is wrong with a pass when it ends."""

    def __init__(self, losses: Losses) -> None:
        """Make it for one run."""
        self._losses = losses
        self._gatherings = Gatherings()

    def __call__(self, records: Sequence[AnyRecord]) -> Sequence[AnyRecord]:
        """The same records; the last one of a pass has its verdict, if there is one."""
        try:
            return [self._judged(record) for record in records]
        except Exception as error:  # noqa: BLE001 - the pass is told without
            self._losses.failed(What.RECORD, error)
            return records

    def _judged(self, record: AnyRecord) -> AnyRecord:
        evidence = self._gatherings.add(record)
        return record if evidence is None else _with_verdict(evidence)


def _with_verdict(evidence: Evidence) -> PassEnded:
    found = findings(evidence)
    return structs.replace(evidence.ended, verdict=found[0].verdict) if found else evidence.ended
