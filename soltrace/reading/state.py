"""The table of open passes, made from records alone: where each is, how fast it goes, when it will be over."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NamedTuple

from msgspec import UNSET, UnsetType

from soltrace.reading.parse import Parsed
from soltrace.records import (
    LaneEnded,
    Lanes,
    Number,
    PassEnded,
    PassHeartbeat,
    PassProgress,
    PassRecord,
    PassStarted,
    TelemetryDropped,
)

WINDOW_S: Final = 10.0
"""Rates are those of the last so many seconds of the pass, for its steps may get slower."""
_FEWEST_SAMPLES: Final = 2
"""They stay, however old: of steps that take longer than the window the rate is known too."""
_MOST_SAMPLES: Final = 256
_MOST_OPEN: Final = 10_000
"""A killed run's passes never end. More than this many are not shown either; those silent for longest go."""
_MOST_STEPS: Final = 1 << 62
"""JSON's integers have no end, and a float, which a rate is, has one."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Sample(NamedTuple):
    """Where a pass was at a moment."""

    time_s: float
    steps: int
    progress: float


class LaneAt(NamedTuple):
    """Where a lane is."""

    batch_index: tuple[int, ...]
    progress: float


@dataclass
class OpenPass:
    """A pass that has started and not ended."""

    first: PassRecord
    """The record by which it is known: its start, unless the log lacks that."""
    latest: datetime
    """The last record about it, a heartbeat's too."""
    moved: datetime
    """The last that says where it is."""
    step: int = 0
    """Steps attempted: of a batch the sum over its lanes, where that is known."""
    progress: float = 0.0
    t: Number | None = None
    lanes: Lanes | None = None
    stalled: bool = False
    """By its last heartbeat."""
    slowest: tuple[LaneAt, ...] = ()
    """Lanes of the last report, slowest first."""
    _report: dict[tuple[int, ...], LaneAt] = field(default_factory=dict[tuple[int, ...], LaneAt])
    _samples: deque[Sample] = field(default_factory=lambda: deque[Sample](maxlen=_MOST_SAMPLES))

    @property
    def rate(self) -> float | None:
        """Steps per second lately; None before two moments are known."""
        return self._slope(0)

    @property
    def eta_s(self) -> float | None:
        """Seconds from the latest record to the end, if it goes on as lately; None if nothing can be said."""
        slope = self._slope(1)
        return None if not slope else max(0.0, 1.0 - self.progress) / slope

    def _slope(self, axis: int) -> float | None:
        if not self._samples:
            return None
        oldest, newest = self._samples[0], self._samples[-1]
        elapsed = newest.time_s - oldest.time_s
        if elapsed <= 0:
            return None
        return max(0.0, (newest[axis + 1] - oldest[axis + 1]) / elapsed)

    def start(self, record: PassStarted) -> None:
        """Take its start, from which the rates count."""
        self.t = None if isinstance(record.t0, UnsetType) else record.t0
        self._sample(record.timestamp)

    def move(self, record: PassProgress) -> None:
        """Take a report, of a lane or of the whole."""
        self.latest = self.moved = record.timestamp
        self.stalled = False
        if record.batch_index is not UNSET:
            index = tuple(record.batch_index)
            self._report[index] = LaneAt(index, record.progress)
            return
        steps = record.steps
        self.step = min(record.step if steps is UNSET else steps.accepted + steps.rejected, _MOST_STEPS)
        self.progress = record.progress
        self.t = None if isinstance(record.t, UnsetType) else record.t
        if record.lanes is not UNSET:
            # The whole comes last of its report, so the lanes since the one before are this report's.
            self.lanes = record.lanes
            self.slowest = tuple(sorted(self._report.values(), key=lambda lane: (lane.progress, lane.batch_index)))
            self._report = {}
        self._sample(record.timestamp)

    def _sample(self, moment: datetime) -> None:
        now = (moment - _EPOCH).total_seconds()
        self._samples.append(Sample(now, self.step, self.progress))
        while len(self._samples) > _FEWEST_SAMPLES and now - self._samples[1].time_s >= WINDOW_S:
            self._samples.popleft()


class Table:
    """Keep the open passes of all runs, in the order in which they started."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], OpenPass] = {}
        self.ended = 0
        self.failed = 0
        self.lost = 0
        """Records that the writers report as dropped."""

    @property
    def open(self) -> list[OpenPass]:
        """The open passes."""
        return list(self._open.values())

    def feed(self, records: Iterable[Parsed]) -> None:
        """Take records, in time order."""
        for record in records:
            if isinstance(record, PassEnded):
                self._open.pop((record.run_id, record.pass_id), None)
                self.ended += 1
                self.failed += record.status == "error"
            elif isinstance(record, PassRecord):
                self._move(record)
            elif isinstance(record, TelemetryDropped):
                self.lost += record.dropped

    def _move(self, record: PassRecord) -> None:
        key = (record.run_id, record.pass_id)
        at = self._open.get(key)
        if at is None:
            self._make_room()
            at = self._open[key] = OpenPass(record, record.timestamp, record.timestamp)
        if isinstance(record, PassStarted):
            at.start(record)
        elif isinstance(record, PassProgress):
            at.move(record)
        elif isinstance(record, PassHeartbeat):
            at.latest, at.stalled = record.timestamp, record.stalled
        elif isinstance(record, LaneEnded):
            at.latest = at.moved = record.timestamp

    def _make_room(self) -> None:
        if len(self._open) >= _MOST_OPEN:
            del self._open[min(self._open, key=lambda key: self._open[key].latest)]
