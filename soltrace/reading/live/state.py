"""The table of open passes, made from records alone: where each is, how fast it goes, when it will be over."""

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NamedTuple, TypeAlias

from msgspec import UNSET, UnsetType

from soltrace.reading.live.estimate import Estimate, Sample, estimate, likely_s
from soltrace.reading.live.history import History, Point
from soltrace.reading.parse import Parsed
from soltrace.wire.records import (
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
_FEWEST_SAMPLES: Final = 6
"""They stay, however old: of steps that take longer than the window the rate is known too, and how it varies."""
_CLOSEST_S: Final = WINDOW_S / 40
"""Samples are no closer than this: more of them say no more, and of a thousand passes they take their room."""
_MOST_SAMPLES: Final = 256
_MOST_OPEN: Final = 10_000
"""A killed run's passes never end. More than this many are not shown either; those silent for longest go."""
_MOST_FAILURES: Final = 100
_MOST_STEPS: Final = 1 << 62
"""JSON's integers have no end, and a float, which a rate is, has one."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
Key: TypeAlias = tuple[str, str]
"""Run and pass."""


class LaneAt(NamedTuple):
    """Where a lane is."""

    batch_index: tuple[int, ...]
    progress: float


@dataclass(eq=False)
class OpenPass:
    """A pass that has started and not ended, or has just ended and is still looked at."""

    first: PassRecord
    """The record by which it is known: its start, unless the log lacks that."""
    latest: datetime
    """The last record about it, a heartbeat's too."""
    moved: datetime
    """The last that says where it is."""
    step: int = 0
    """Steps attempted: of a batch the sum over its lanes, where that is known."""
    rejected: int | None = None
    """Of these; None where that is not known: a backward pass under way."""
    progress: float = 0.0
    t: Number | None = None
    lanes: Lanes | None = None
    stalled: bool = False
    """By its last heartbeat."""
    slowest: tuple[LaneAt, ...] = ()
    """Lanes of the last report, slowest first."""
    end: PassEnded | None = None
    history: History = field(default_factory=History)
    _report: dict[tuple[int, ...], LaneAt] = field(default_factory=dict[tuple[int, ...], LaneAt])
    _samples: deque[Sample] = field(default_factory=lambda: deque[Sample](maxlen=_MOST_SAMPLES))
    _heartbeat: PassHeartbeat | None = None

    @property
    def key(self) -> Key:
        """What it is known by."""
        return self.first.run_id, self.first.pass_id

    @property
    def failing(self) -> bool:
        """Whether it, or a lane of it, has failed."""
        return (self.end is not None and self.end.status == "error") or (
            self.lanes is not None and self.lanes.failed > 0
        )

    @property
    def rate(self) -> float | None:
        """Steps per second lately; None before two moments are known."""
        if not self._samples:
            return None
        oldest, newest = self._samples[0], self._samples[-1]
        elapsed = newest.time_s - oldest.time_s
        return max(0.0, (newest.steps - oldest.steps) / elapsed) if elapsed > 0 else None

    @property
    def estimate(self) -> Estimate | None:
        """When it will be over, from the latest report on; None if nothing can be said."""
        found = estimate(self._samples)
        beat = self._heartbeat
        if found is not None or len(self._samples) > 1 or beat is None or isinstance(beat.eta_s, UnsetType):
            return found
        return Estimate(beat.eta_s, beat.eta_s, beat.eta_s, rough=True)

    @property
    def eta_s(self) -> float | None:
        """Seconds from the latest report to the end, most likely."""
        likely = likely_s(self._samples)
        if likely is not None or self._heartbeat is None:
            return likely
        found = self.estimate
        return None if found is None else found.likely_s

    def start(self, record: PassStarted) -> None:
        """Take its start, from which the rates count."""
        start = record.t1 if record.phase == "backward" else record.t0
        self.t = None if isinstance(start, UnsetType) else start
        self._sample(record.timestamp, 0)

    def move(self, record: PassProgress) -> None:
        """Take a report, of a lane or of the whole."""
        self.latest = self.moved = record.timestamp
        self.stalled = False
        if record.batch_index is not UNSET:
            index = tuple(record.batch_index)
            self._report[index] = LaneAt(index, _share(record.progress))
            return
        steps = record.steps
        self.step = min(record.step if steps is UNSET else steps.accepted + steps.rejected, _MOST_STEPS)
        self.rejected = None if steps is UNSET else min(steps.rejected, _MOST_STEPS)
        self.progress = _share(record.progress)
        self.t = None if isinstance(record.t, UnsetType) else record.t
        if record.lanes is not UNSET:
            # The whole comes last of its report, so the lanes since the one before are this report's.
            self.lanes = record.lanes
            self.slowest = tuple(sorted(self._report.values(), key=lambda lane: (lane.progress, lane.batch_index)))
            self._report = {}
        # Of a batch `t` is its slowest lane's, and so is `step`, but not `steps`.
        taken = record.step if steps is UNSET or record.lanes is not UNSET else steps.accepted
        self._sample(record.timestamp, min(taken, _MOST_STEPS))

    def beat(self, record: PassHeartbeat) -> None:
        """Take a heartbeat: it is alive, or stalled. Where it is, is news only if no report has said it."""
        self.latest, self.stalled, self._heartbeat = record.timestamp, record.stalled, record
        if _share(record.progress) > self.progress:
            self.step, self.progress = min(record.step, _MOST_STEPS), _share(record.progress)
            self.t = None if isinstance(record.t, UnsetType) else record.t

    def finish(self, record: PassEnded) -> None:
        """Take its end."""
        self.latest, self.stalled, self.end = record.timestamp, False, record
        self.progress, self.t = _share(record.progress), None if isinstance(record.t, UnsetType) else record.t
        if record.lanes is not UNSET:
            self.lanes = record.lanes
        if record.steps is not UNSET:
            self.step = min(record.steps.accepted + record.steps.rejected, _MOST_STEPS)
            self.rejected = min(record.steps.rejected, _MOST_STEPS)

    def _sample(self, moment: datetime, taken: int) -> None:
        now = (moment - _EPOCH).total_seconds()
        if len(self._samples) > 1 and now - self._samples[-2].time_s < _CLOSEST_S:
            self._samples.pop()
        self._samples.append(Sample(now, self.step, self.progress))
        while len(self._samples) > _FEWEST_SAMPLES and now - self._samples[1].time_s >= WINDOW_S:
            self._samples.popleft()
        t = math.nan if self.t is None else float(self.t)
        # Of a pass that begins no step was rejected yet, also where later nothing is known.
        rejected = math.nan if self.rejected is None and self.step else float(self.rejected or 0)
        self.history.add(Point(now, t, taken, self.step, rejected))


def _share(progress: float) -> float:
    """Whatever a log says, in [0, 1]."""
    return min(max(progress, 0.0), 1.0)


class Table:
    """Keep the open passes of all runs, in the order in which they started."""

    def __init__(self) -> None:
        self._open: dict[Key, OpenPass] = {}
        self.failures: deque[OpenPass] = deque(maxlen=_MOST_FAILURES)
        """The latest that failed, the newest last."""
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
                self._end(record)
            elif isinstance(record, PassRecord):
                self._move(record)
            elif isinstance(record, TelemetryDropped):
                self.lost += record.dropped

    def _end(self, record: PassEnded) -> None:
        self.ended += 1
        failed = record.status == "error"
        self.failed += failed
        at = self._open.pop((record.run_id, record.pass_id), None)
        if at is None and failed:
            at = OpenPass(record, record.timestamp, record.timestamp)
        if at is not None:
            at.finish(record)
        if at is not None and failed:
            self.failures.append(at)

    def _move(self, record: PassRecord) -> None:
        key = (record.run_id, record.pass_id)
        at = self._open.get(key)
        if at is None:
            self._make_room()
            at = self._open[key] = OpenPass(record, record.timestamp, record.timestamp)
        if isinstance(record, PassProgress):
            at.move(record)
        elif isinstance(record, PassStarted):
            at.start(record)
        elif isinstance(record, PassHeartbeat):
            at.beat(record)
        elif isinstance(record, LaneEnded):
            at.latest = at.moved = record.timestamp

    def _make_room(self) -> None:
        if len(self._open) >= _MOST_OPEN:
            del self._open[min(self._open, key=lambda key: self._open[key].latest)]
