"""What scrolls above the live view, and how little of it: a fit makes thousands of passes, a person reads few lines.

Passes that end are gathered by run, experiment and phase, and are said when nothing more of their kind has come for a
moment, or their experiment is over: up to three each on a line of its own, more as one `Tally`. And no more than a few
lines a second: what is too much becomes one `Rest`. Times here are the reader's own (monotonic), because a log that is
read from its beginning brings the work of days within a second.
"""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias

from msgspec import UNSET

from soltrace.reading.parse import Parsed
from soltrace.wire.records import (
    ExperimentEnded,
    ExperimentStarted,
    PassEnded,
    ProgramCompiled,
    Record,
    TelemetryDropped,
)

QUIET_S: Final = 2.0
"""Passes of one kind that end further apart than this have a line each."""
SINGLE: Final = 3
LINES_PER_S: Final = 3.0
BURST: Final = 24
"""Lines at once, after a calm: a screenful."""
_MOST_WAITING: Final = 200
_MEDIAN_OF: Final = 999
"""The median is that of the latest passes, lest a tally grows."""
_MOST_RESULTS: Final = 8


@dataclass
class Tally:
    """Passes of one run, experiment and phase that ended one soon after the other."""

    newest: PassEnded
    since: datetime
    heard_s: float
    """When the newest was read."""
    ok: int = 0
    failed: int = 0
    steps: int = 0
    results: Counter[str] = field(default_factory=Counter[str])
    """How those that failed did."""
    singles: list[PassEnded] = field(default_factory=list[PassEnded])
    """All of them, while they are few enough to be said one by one."""
    _durations: deque[float] = field(default_factory=lambda: deque[float](maxlen=_MEDIAN_OF))

    @property
    def count(self) -> int:
        """How many passes ended."""
        return self.ok + self.failed

    @property
    def median_s(self) -> float:
        """Median of their durations."""
        return sorted(self._durations)[len(self._durations) // 2]

    @property
    def rate(self) -> float | None:
        """Passes per second; None if all ended in one moment."""
        elapsed = (self.newest.timestamp - self.since).total_seconds()
        return (self.count - 1) / elapsed if elapsed > 0 else None

    def add(self, record: PassEnded, now: float) -> None:
        """Count one more."""
        self.newest = record
        self.heard_s = now
        if record.steps is not UNSET:
            self.steps += record.steps.accepted + record.steps.rejected
        self._durations.append(record.duration_s)
        if record.status == "ok":
            self.ok += 1
        else:
            self.failed += 1
            known = record.result in self.results or len(self.results) < _MOST_RESULTS
            self.results[record.result if known else "others"] += 1
        if self.count <= SINGLE:
            self.singles.append(record)


@dataclass
class Rest:
    """What was too much to be said line by line."""

    passes: int = 0
    experiments: int = 0
    failed: int = 0
    """Of the passes."""
    dropped: int = 0
    """Records that the writers lost."""
    compiled: int = 0
    """Programs."""

    def add(self, item: "Item") -> None:
        """Count an item that will not have a line of its own."""
        match item:
            case PassEnded():
                self.passes += 1
                self.failed += item.status == "error"
            case Tally():
                self.passes += item.count
                self.failed += item.failed
            case Rest():
                self.passes += item.passes
                self.failed += item.failed
                self.experiments += item.experiments
                self.dropped += item.dropped
                self.compiled += item.compiled
            case ExperimentEnded():
                self.experiments += 1
            case ProgramCompiled():
                self.compiled += 1
            case TelemetryDropped():
                self.dropped += item.dropped
            case ExperimentStarted():
                pass


Item: TypeAlias = PassEnded | Tally | Rest | ExperimentStarted | ExperimentEnded | ProgramCompiled | TelemetryDropped
"""What is said on one line."""
_Key: TypeAlias = tuple[str, str | None, str]


class Endings:
    """Gather what ended, and give it out in few lines."""

    def __init__(self) -> None:
        self._tallies: dict[_Key, Tally] = {}
        self._waiting: list[Item] = []
        self._allowance = float(BURST)
        self._asked_s: float | None = None

    @property
    def tallies(self) -> list[Tally]:
        """What is being gathered, and is not said yet."""
        return list(self._tallies.values())

    def streaming(self, record: Record, phase: str) -> bool:
        """Tell whether passes like this one are being gathered."""
        return (record.run_id, record.experiment, phase) in self._tallies

    def feed(self, records: Iterable[Parsed], now: float) -> None:
        """Take records, in time order."""
        for record in records:
            match record:
                case PassEnded():
                    self._count(record, now)
                case ExperimentEnded():
                    for phase in ("forward", "backward"):
                        self._release((record.run_id, record.experiment, phase))
                    self._wait(record)
                case ExperimentStarted() | ProgramCompiled() | TelemetryDropped():
                    self._wait(record)
                case _:
                    pass

    def due(self, now: float, *, last: bool = False) -> list[Item]:
        """Take what is to be said now.

        Args:
            now: Seconds, on the clock that `feed` was told.
            last: Whether nothing will follow: then nothing is held back.
        """
        for key in [key for key, tally in self._tallies.items() if last or now - tally.heard_s >= QUIET_S]:
            self._release(key)
        elapsed = 0.0 if self._asked_s is None else max(0.0, now - self._asked_s)
        self._asked_s = now
        self._allowance = float(BURST) if last else min(BURST, self._allowance + elapsed * LINES_PER_S)
        allowed = int(self._allowance)
        if allowed < 1 or not self._waiting:
            return []
        if len(self._waiting) > allowed:
            self._merge(allowed - 1)
        items, self._waiting = self._waiting, []
        self._allowance -= len(items)
        return items

    def _count(self, record: PassEnded, now: float) -> None:
        key = (record.run_id, record.experiment, record.phase)
        tally = self._tallies.get(key)
        if tally is None:
            tally = self._tallies[key] = Tally(record, record.timestamp, now)
        tally.add(record, now)
        if len(self._tallies) > _MOST_WAITING:
            self._release(next(iter(self._tallies)))

    def _release(self, key: _Key) -> None:
        tally = self._tallies.pop(key, None)
        if tally is None:
            return
        for item in tally.singles if tally.count <= SINGLE else [tally]:
            self._wait(item)

    def _wait(self, item: Item) -> None:
        self._waiting.append(item)
        if len(self._waiting) > _MOST_WAITING:
            self._merge(BURST)

    def _merge(self, keep: int) -> None:
        rest = Rest()
        for item in self._waiting[keep:]:
            rest.add(item)
        self._waiting[keep:] = [rest]
