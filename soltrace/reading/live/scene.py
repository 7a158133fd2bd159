"""What there is to be shown at a moment, made from the records so far and what their reader wants to see. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from soltrace.reading.live.endings import Endings, Item, Rest, Tally
from soltrace.reading.live.order import Choice
from soltrace.reading.live.runs import Runs
from soltrace.reading.live.state import OpenPass, Table
from soltrace.reading.parse import Parsed
from soltrace.wire.records import LogOpened, TelemetryDropped

_BRIEF_S: Final = 1.0
"""A younger pass is not shown while others of its kind stream by, or the frame would flicker."""
_FORGOTTEN_S: Final = 600.0
"""A pass silent for longer is counted and has no row: most likely its run was killed."""


@dataclass
class Scene:
    """What there is to be shown, at a moment."""

    now: datetime
    tallies: Sequence[Tally] = ()
    passes: Sequence[OpenPass] = ()
    """Those that are looked for, in the order in which they are wanted."""
    open: int = 0
    """How many are, looked for or not."""
    runs: int = 0
    """How many they belong to."""
    experiments: int = 0
    ended: int = 0
    failed: int = 0
    forgotten: int = 0
    """Open, as far as is known, and silent for too long."""
    lost: int = 0
    """Records that the writers report as dropped."""


class Stage:
    """Take records, and say what is on.

    Args:
        runs: Is told of the runs, and names them.
    """

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._table = Table()
        self._endings = Endings()

    def feed(self, records: Sequence[Parsed], now_s: float) -> None:
        """Take records, in time order.

        Args:
            records: What was read.
            now_s: When, on a monotonic clock.
        """
        for record in records:
            if isinstance(record, LogOpened):
                self._runs.opened(record)
        self._table.feed(records)
        self._endings.feed(records, now_s)

    def due(self, now_s: float, choice: Choice, *, last: bool = False) -> list[Item]:
        """Take what is to be said now of what is over, as far as it is looked for.

        Args:
            now_s: On the clock that `feed` was told.
            choice: What is looked for.
            last: Whether nothing will follow: then nothing is held back.
        """
        return [item for item in self._endings.due(now_s, last=last) if self._wanted(item, choice)]

    def scene(self, now: datetime, choice: Choice) -> Scene:
        """Say what is on."""
        heard, forgotten = self._heard(now)
        ended = reversed(self._table.failures) if choice.failed_only else ()
        return Scene(
            now,
            tallies=[tally for tally in self._endings.tallies if self._wanted(tally, choice)],
            passes=choice.arrange([*heard, *ended], self._runs),
            open=len(heard),
            runs=len({at.first.run_id for at in heard}),
            experiments=len({at.first.experiment for at in heard}),
            ended=self._table.ended,
            failed=self._table.failed,
            forgotten=forgotten,
            lost=self._table.lost,
        )

    def _wanted(self, item: Item, choice: Choice) -> bool:
        if isinstance(item, Rest | TelemetryDropped):
            return True  # It says what was lost, whoever's that was.
        record = item.newest if isinstance(item, Tally) else item
        failed = item.failed > 0 if isinstance(item, Tally) else getattr(item, "status", "ok") == "error"
        return (failed or not choice.failed_only) and choice.admits(record, self._runs)

    def _heard(self, now: datetime) -> tuple[list[OpenPass], int]:
        """Choose the open passes that may have a row, and count those that were heard of too long ago."""
        heard: list[OpenPass] = []
        forgotten = 0
        for at in self._table.open:
            brief = (now - at.first.timestamp).total_seconds() < _BRIEF_S
            if (now - at.latest).total_seconds() > _FORGOTTEN_S:
                forgotten += 1
            elif not (brief and self._endings.streaming(at.first, at.first.phase)):
                heard.append(at)
        return heard, forgotten
