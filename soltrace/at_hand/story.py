"""What has happened as far as it is shown: the passes that are open, and what the others have come to. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from soltrace.at_hand.feed import Fed
from soltrace.reading.live.endings import PassTally
from soltrace.reading.live.state import OpenPass, PassTable, Runs
from soltrace.reading.live.totals import Totals
from soltrace.wire.records import LogOpened, LogResource, PassEnded, PassRecord

_BRIEF_S: Final = 0.5
"""A younger pass is not shown while others of its kind stream by, or the picture would flicker."""
_STREAMING_S: Final = 2.0
"""So long after the end of one of its kind."""


class Story:
    """Takes records in, and tells what there is to be shown."""

    def __init__(self) -> None:
        self.runs = Runs()
        self.totals = Totals()
        self.lost = 0
        """Records that did not get here, and those that the run reports as lost."""
        self.dropped = 0
        """Those of them that the feed has dropped."""
        self.began = False
        """Whether anything but the run itself has been heard of."""
        self._table = PassTable()

    def feed(self, records: Sequence[Fed], now_s: float, dropped: int = 0) -> None:
        """Take in records, in the order of time.

        Args:
            records: What happened, as a feed tells it.
            now_s: The present, on a monotonic clock.
            dropped: How many records have been dropped so far.
        """
        ended = {record.pass_id for record in records if isinstance(record, PassEnded)}
        # Of a pass whose end is there already, the rest says nothing: a loop makes thousands in a second.
        kept = [record for record in records if not _is_told_by_an_end(record, ended)]
        self._table.feed(record for record in kept if not isinstance(record, PassTally))
        self.totals.feed(kept, now_s)
        for record in kept:
            if isinstance(record, LogOpened | LogResource):
                self.runs.opened(record)
            else:
                self.began = True
        self.dropped, self.lost = dropped, dropped + self._table.lost

    @property
    def open(self) -> Sequence[OpenPass]:
        """All passes that are open, in the order in which they started."""
        return self._table.open

    def holds(self, record: PassRecord) -> bool:
        """Say whether a record is about a pass that is open here."""
        return (record.run_id, record.pass_id) in self._table

    def passes(self, now: datetime, now_s: float) -> list[OpenPass]:
        """The open passes that are worth a row.

        Args:
            now: The present.
            now_s: The same on the monotonic clock that `feed` was told.
        """
        return [shown for shown in self._table.open if not self._is_brief(shown, now, now_s)]

    def _is_brief(self, shown: OpenPass, now: datetime, now_s: float) -> bool:
        if (now - shown.first.timestamp).total_seconds() >= _BRIEF_S:
            return False
        heard_s = self.totals.heard_s(shown.first, shown.first.phase)
        return heard_s is not None and now_s - heard_s < _STREAMING_S


def _is_told_by_an_end(record: Fed, ended: set[str]) -> bool:
    if not isinstance(record, PassRecord) or isinstance(record, PassEnded):
        return False
    return record.pass_id in ended
