"""What is announced above the live view when it is over: a fit makes thousands of passes, a person reads few lines.

Pure. Passes that end are gathered by run, experiment and phase. They are announced when nothing more of their kind has
come for a moment, or when their experiment is over: up to three on a line each, more of them as one `PassTally`. There
are no more than a few lines a second; what is too much becomes one `Remainder`. Times are the reader's own (monotonic),
because a log that is read from its beginning brings the work of days within a second.
"""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias

from msgspec import UNSET

from soltrace.reading.parse import Parsed
from soltrace.reading.runs.run_watch import LostRun
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
class PassTally:
    """Passes of one run, experiment and phase that ended soon after one another."""

    newest: PassEnded
    since: datetime
    heard_s: float
    """When the newest was read."""
    ok: int = 0
    failed: int = 0
    steps: int = 0
    rejected: int = 0
    """Of the steps."""
    recomputed: int = 0
    """Forward steps that backward passes evaluated again."""
    total_s: float = 0.0
    """The sum of their durations."""
    results: Counter[str] = field(default_factory=Counter[str])
    """The results of those that failed."""
    singles: list[PassEnded] = field(default_factory=list[PassEnded])
    """All of them, as long as they are few enough to be announced one by one."""
    durations: deque[float] = field(default_factory=lambda: deque[float](maxlen=_MEDIAN_OF))
    """Of the latest of them, in seconds."""

    @property
    def count(self) -> int:
        """How many passes ended."""
        return self.ok + self.failed

    @property
    def median_s(self) -> float:
        """The median of their durations."""
        return sorted(self.durations)[len(self.durations) // 2]

    @property
    def passes_per_s(self) -> float | None:
        """Passes per second; None if all ended at the same moment."""
        elapsed = (self.newest.timestamp - self.since).total_seconds()
        return (self.count - 1) / elapsed if elapsed > 0 else None

    def add(self, record: PassEnded, now: float) -> None:
        """Count one more pass."""
        self.newest = record
        self.heard_s = now
        if record.steps is not UNSET:
            self.steps += record.steps.accepted + record.steps.rejected
            self.rejected += record.steps.rejected
            self.recomputed += 0 if record.steps.recomputed is UNSET else record.steps.recomputed
        self.total_s += record.duration_s
        self.durations.append(record.duration_s)
        if record.status == "ok":
            self.ok += 1
        else:
            self.failed += 1
            self.results[self._known(record.result)] += 1
        if self.count <= SINGLE:
            self.singles.append(record)

    def merge(self, later: "PassTally", now: float) -> None:
        """Count passes that were counted elsewhere."""
        self.newest, self.heard_s = later.newest, now
        self.ok += later.ok
        self.failed += later.failed
        self.steps += later.steps
        self.rejected += later.rejected
        self.recomputed += later.recomputed
        self.total_s += later.total_s
        for result, count in later.results.items():
            self.results[self._known(result)] += count
        self.singles += later.singles[: max(0, SINGLE - len(self.singles))]
        self.durations.extend(later.durations)

    def _known(self, result: str) -> str:
        return result if result in self.results or len(self.results) < _MOST_RESULTS else "others"


@dataclass
class Remainder:
    """What was too much to be announced line by line."""

    passes: int = 0
    experiments: int = 0
    failed: int = 0
    """Of the passes."""
    dropped: int = 0
    """Records that the writers lost."""
    compiled: int = 0
    """Programs."""
    lost: int = 0
    """Runs."""

    def add(self, item: "NewsItem") -> None:
        """Count something that will not get a line of its own."""
        match item:
            case PassEnded():
                self.passes += 1
                self.failed += item.status == "error"
            case PassTally():
                self.passes += item.count
                self.failed += item.failed
            case Remainder():
                self.passes += item.passes
                self.failed += item.failed
                self.experiments += item.experiments
                self.dropped += item.dropped
                self.compiled += item.compiled
                self.lost += item.lost
            case ExperimentEnded():
                self.experiments += 1
            case ProgramCompiled():
                self.compiled += 1
            case TelemetryDropped():
                self.dropped += item.dropped
            case LostRun():
                self.lost += 1
            case ExperimentStarted():
                pass


NewsItem: TypeAlias = (
    PassEnded
    | PassTally
    | Remainder
    | ExperimentStarted
    | ExperimentEnded
    | ProgramCompiled
    | TelemetryDropped
    | LostRun
)
"""What is said on one line."""
_Key: TypeAlias = tuple[str, str | None, str]


class Endings:
    """Gathers what is over, and gives it out in few lines."""

    def __init__(self) -> None:
        self._tallies: dict[_Key, PassTally] = {}
        self._waiting: list[NewsItem] = []
        self._allowance = float(BURST)
        self._asked_s: float | None = None

    @property
    def tallies(self) -> list[PassTally]:
        """What is being gathered, and is not announced yet."""
        return list(self._tallies.values())

    def streaming(self, record: Record, phase: str) -> bool:
        """Return whether passes like this one are being gathered."""
        return (record.run_id, record.experiment, phase) in self._tallies

    def feed(self, records: Iterable[Parsed], now: float) -> None:
        """Take in records, in the order of time."""
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

    def lose(self, runs: Iterable[LostRun]) -> None:
        """Take in runs that are lost."""
        for lost in runs:
            self._wait(lost)

    def due(self, now: float, *, last: bool = False) -> list[NewsItem]:
        """Take out what is to be announced now.

        Args:
            now: The present in seconds, on the clock that `feed` was told.
            last: Whether nothing will follow, so that nothing is held back.
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
            tally = self._tallies[key] = PassTally(record, record.timestamp, now)
        tally.add(record, now)
        if len(self._tallies) > _MOST_WAITING:
            self._release(next(iter(self._tallies)))

    def _release(self, key: _Key) -> None:
        tally = self._tallies.pop(key, None)
        if tally is None:
            return
        for item in tally.singles if tally.count <= SINGLE else [tally]:
            self._wait(item)

    def _wait(self, item: NewsItem) -> None:
        self._waiting.append(item)
        if len(self._waiting) > _MOST_WAITING:
            self._merge(BURST)

    def _merge(self, keep: int) -> None:
        rest = Remainder()
        for item in self._waiting[keep:]:
            rest.add(item)
        self._waiting[keep:] = [rest]
