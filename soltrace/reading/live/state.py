"""The state of what is followed, made from records alone: which passes are open, where they are, and who runs them."""

import math
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from msgspec import UNSET, UnsetType

from soltrace.reading.attempts import Attempts
from soltrace.reading.live.history import Estimate, History, Point, estimate
from soltrace.reading.live.step_course import StepCourse
from soltrace.reading.live.watched_course import WatchedCourse
from soltrace.reading.parse import Parsed
from soltrace.reading.runs.run_watch import LostRun
from soltrace.reading.text import clean, clean_end
from soltrace.wire.line_values import Watched
from soltrace.wire.progress import RecentProgress
from soltrace.wire.record_parts import Lanes, Usage
from soltrace.wire.records import (
    Attribute,
    LaneEnded,
    LaneNonfinite,
    LogOpened,
    LogResource,
    Number,
    PassEnded,
    PassHeartbeat,
    PassProgress,
    PassRecord,
    PassStarted,
    PassSteps,
    Record,
    TelemetryDropped,
)

_MOST_OPEN: Final = 10_000
"""The passes of a killed run never end. When there are more than this, the one that has been silent longest goes."""
_MOST_FAILURES: Final = 100
_MOST_RUNS: Final = 10_000
_LONGEST_NAME: Final = 24
_MOST_STEPS: Final = 1 << 62
"""JSON's integers have no end, and a float, which a rate is, has one."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING: Final[Watched] = MappingProxyType({})
PassKey: TypeAlias = tuple[str, str]
"""Run and pass."""


class LaneProgress(NamedTuple):
    """Where a lane is."""

    batch_index: tuple[int, ...]
    progress: float
    watched: Watched = _NOTHING


@dataclass(eq=False)
class OpenPass:
    """A pass that has started and not ended, or has just ended and is still looked at."""

    first: PassRecord
    """The record by which the pass is known: its start, unless the log lacks that."""
    latest: datetime
    """The time of the last record about it, heartbeats included."""
    moved: datetime
    """The time of the last record that says where it is."""
    step: int = 0
    """Steps attempted; of a batch, the sum over its lanes where that is known."""
    rejected: int | None = None
    """Those that were rejected; None where that is not known: of a backward pass under way."""
    progress: float = 0.0
    t: Number | None = None
    lanes: Lanes | None = None
    stalled: bool = False
    """Whether its last heartbeat says so."""
    slowest: tuple[LaneProgress, ...] = ()
    """The lanes of the last report, slowest first."""
    end: PassEnded | None = None
    lost: LostRun | None = None
    """Its run, if that has stopped without a word."""
    nonfinite: LaneNonfinite | None = None
    """The first value that was not finite, where that is watched for."""
    history: History = field(default_factory=History)
    attempts: StepCourse | None = None
    """Its steps, where they are recorded one by one."""
    watched: WatchedCourse | None = None
    """The quantities that its user watches."""
    _report: dict[tuple[int, ...], LaneProgress] = field(default_factory=dict[tuple[int, ...], LaneProgress])
    _recent: RecentProgress = field(default_factory=RecentProgress)
    _heartbeat: PassHeartbeat | None = None

    @property
    def key(self) -> PassKey:
        """What tells this pass apart from all others."""
        return self.first.run_id, self.first.pass_id

    @property
    def failing(self) -> bool:
        """Whether the pass, or a lane of it, has failed."""
        return (self.end is not None and self.end.status == "error") or (
            self.lanes is not None and self.lanes.failed > 0
        )

    @property
    def usage(self) -> Usage | None:
        """What its process took at its last heartbeat."""
        beat = self._heartbeat
        return None if beat is None or isinstance(beat.usage, UnsetType) else beat.usage

    @property
    def steps_per_s(self) -> float | None:
        """Recent steps per second; None before they are known at two moments."""
        samples = self._recent.samples
        if not samples:
            return None
        elapsed_s = samples[-1].time_s - samples[0].time_s
        return max(0.0, (samples[-1].steps - samples[0].steps) / elapsed_s) if elapsed_s > 0 else None

    @property
    def estimate(self) -> Estimate | None:
        """When the pass will be over, counted from its latest report; None if nothing can be said."""
        beat = self._heartbeat
        if len(self._recent.samples) > 1 or beat is None or isinstance(beat.eta_s, UnsetType):
            return estimate(self._recent)
        # Of a log that is read from the middle, heartbeats may be all there is.
        return Estimate(beat.eta_s, beat.eta_s, beat.eta_s, rough=True)

    @property
    def eta_s(self) -> float | None:
        """Seconds from the latest report to the most likely end."""
        # Not by `estimate`, which takes longer: a list in this order asks thousands of passes.
        if len(self._recent.samples) > 1:
            return self._recent.eta_s
        found = self.estimate
        return None if found is None else found.likely_s

    def start(self, record: PassStarted) -> None:
        """Take in its start, from which rates count."""
        start = record.t1 if record.phase == "backward" else record.t0
        self.t = None if isinstance(start, UnsetType) else start
        self._sample(record.timestamp, 0)

    def move(self, record: PassProgress) -> None:
        """Take in a report, of a lane or of the whole pass."""
        self.latest = self.moved = record.timestamp
        self.stalled = False
        if record.batch_index is not UNSET:
            index = tuple(record.batch_index)
            watched = _NOTHING if record.watched is UNSET else record.watched
            self._report[index] = LaneProgress(index, _share(record.progress), watched)
            return
        self._watch(record.watched)
        steps = record.steps
        self.step = min(record.step if steps is UNSET else steps.accepted + steps.rejected, _MOST_STEPS)
        self.rejected = None if steps is UNSET else min(steps.rejected, _MOST_STEPS)
        self.progress = _share(record.progress)
        self.t = None if isinstance(record.t, UnsetType) else record.t
        if record.lanes is not UNSET:
            # The line about the whole is the last of a report, so the lanes since the one before belong to this one.
            self.lanes = record.lanes
            self.slowest = tuple(sorted(self._report.values(), key=lambda lane: (lane.progress, lane.batch_index)))
            self._report = {}
        # Of a batch, `t` is its slowest lane's, and so is `step`, but not `steps`.
        taken = record.step if steps is UNSET or record.lanes is not UNSET else steps.accepted
        self._sample(record.timestamp, min(taken, _MOST_STEPS))

    def beat(self, record: PassHeartbeat) -> None:
        """Take in a heartbeat. Where it says the pass is counts only if no report has said more."""
        self.latest, self.stalled, self._heartbeat = record.timestamp, record.stalled, record
        if _share(record.progress) > self.progress:
            self.step, self.progress = min(record.step, _MOST_STEPS), _share(record.progress)
            self.t = None if isinstance(record.t, UnsetType) else record.t

    def finish(self, record: PassEnded) -> None:
        """Take in its end."""
        self.latest, self.stalled, self.end = record.timestamp, False, record
        self.progress, self.t = _share(record.progress), None if isinstance(record.t, UnsetType) else record.t
        if record.lanes is not UNSET:
            self.lanes = record.lanes
        if record.steps is not UNSET:
            self.step = min(record.steps.accepted + record.steps.rejected, _MOST_STEPS)
            self.rejected = min(record.steps.rejected, _MOST_STEPS)
        self._watch(record.watched)

    def attempt(self, record: PassSteps) -> None:
        """Take in steps, one by one."""
        if self.attempts is None:
            self.attempts = StepCourse()
        self.attempts.add(record.attempts)

    def _watch(self, watched: Watched | UnsetType) -> None:
        if watched is UNSET:
            return
        if self.watched is None:
            self.watched = WatchedCourse()
        self.watched.add(watched)

    def _sample(self, moment: datetime, taken: int) -> None:
        time_s = (moment - _EPOCH).total_seconds()
        self._recent.add(time_s, self.progress, self.step)
        t = math.nan if self.t is None else float(self.t)
        # Of a pass that begins, no step has been rejected yet, even where later nothing is known.
        rejected = math.nan if self.rejected is None and self.step else float(self.rejected or 0)
        self.history.add(Point(time_s, t, taken, self.step, rejected))


def _share(progress: float) -> float:
    """Put whatever a log says into [0, 1]."""
    return min(max(progress, 0.0), 1.0)


class PassTable:
    """Keeps the open passes of all runs, in the order in which they started."""

    def __init__(self) -> None:
        self._open: dict[PassKey, OpenPass] = {}
        self.failures: deque[OpenPass] = deque(maxlen=_MOST_FAILURES)
        """The latest passes that failed, the newest last."""
        self.ended = 0
        self.failed = 0
        self.lost = 0
        """Records that the writers report as dropped."""

    @property
    def open(self) -> list[OpenPass]:
        """The open passes."""
        return list(self._open.values())

    def __contains__(self, key: object) -> bool:
        """Say whether a pass is open."""
        return key in self._open

    def feed(self, records: Iterable[Parsed]) -> None:
        """Take in records, in the order of time."""
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
        ended = self._open.pop((record.run_id, record.pass_id), None)
        if ended is None and failed:
            ended = OpenPass(record, record.timestamp, record.timestamp)
        if ended is not None:
            ended.finish(record)
        if ended is not None and failed:
            self.failures.append(ended)

    def _move(self, record: PassRecord) -> None:
        key = (record.run_id, record.pass_id)
        open_pass = self._open.get(key)
        if open_pass is None:
            self._make_room()
            open_pass = self._open[key] = OpenPass(record, record.timestamp, record.timestamp)
        if isinstance(record, PassProgress):
            open_pass.move(record)
        elif isinstance(record, PassStarted):
            open_pass.start(record)
        elif isinstance(record, PassHeartbeat):
            open_pass.beat(record)
        elif isinstance(record, LaneEnded):
            open_pass.latest = open_pass.moved = record.timestamp
        elif isinstance(record, PassSteps):
            open_pass.attempt(record)
        elif isinstance(record, LaneNonfinite):
            open_pass.nonfinite = open_pass.nonfinite or record

    def _make_room(self) -> None:
        if len(self._open) >= _MOST_OPEN:
            del self._open[min(self._open, key=lambda key: self._open[key].latest)]


class Runs:
    """Names runs by their place in their job: `task 12`, `rank 3`, `node07 4295`.

    The place stands in the first line of a log. A run whose first line was not read is called by its id, and as long
    as there is only one run, it needs no name.
    """

    def __init__(self) -> None:
        self._resources: OrderedDict[str, Mapping[str, Attribute]] = OrderedDict()
        self._attempts = Attempts()
        self._names: OrderedDict[str, str] = OrderedDict()
        self._taken: set[str] = set()
        self._first: str | None = None
        self._several = False

    def opened(self, record: LogOpened | LogResource) -> None:
        """Take in the first line of a log, or what completes it."""
        if isinstance(record, LogOpened):  # which says when this attempt at its job began
            self._attempts.opened(record)
        self._resources[record.run_id] = record.resource
        self._see(record.run_id)
        if len(self._resources) > _MOST_RUNS:
            self._resources.popitem(last=False)

    def resource(self, run_id: str) -> Mapping[str, Attribute]:
        """Return what is known of where a run lives."""
        return self._resources.get(run_id, {})

    def replaced(self, run_id: str) -> bool:
        """Say whether a retry of a run's job has taken its place: what is open of it never ends."""
        return self._attempts.replaced(run_id)

    def column(self, record: Record) -> str:
        """Return the name of a record's run if there is more than one run, else nothing."""
        self._see(record.run_id)
        return self.name(record) if self._several else ""

    def _see(self, run_id: str) -> None:
        self._first = run_id if self._first is None else self._first
        self._several = self._several or run_id != self._first

    def name(self, record: Record) -> str:
        """Return the name of a record's run.

        As long as it is remembered it stays the same, and no other run gets it.
        """
        found = self._names.get(record.run_id)
        if found is not None:
            return found
        return self._given(record.run_id, _place(self.resource(record.run_id), record))

    def name_of(self, run_id: str) -> str:
        """Return the name of a run of which nothing but its id is at hand."""
        return self._names.get(run_id) or self._given(run_id, _place(self.resource(run_id), None))

    def _given(self, run_id: str, name: str) -> str:
        if not name or name in self._taken:
            # Ranks of two jobs may be called the same.
            name = clean_end(run_id, _LONGEST_NAME)
        self._names[run_id] = name
        self._taken.add(name)
        if len(self._names) > _MOST_RUNS:
            _, forgotten = self._names.popitem(last=False)
            self._taken.discard(forgotten)
        return name


def _place(resource: Mapping[str, Attribute], record: Record | None) -> str:
    task = _word(resource.get("array_task"))
    alone = resource.get("process_count") == 1
    rank = _word(resource.get("rank", None if alone else resource.get("process_index")))
    if not rank and record is not None and record.process_index is not UNSET:
        rank = str(record.process_index)
    parts = [f"task {task}"] if task else []
    if rank and not (task and rank == "0"):  # each task of an array is rank 0 of itself
        parts.append(f"rank {rank}")
    if not parts and "host" in resource and "pid" in resource:
        parts = [_word(resource["host"]).partition(".")[0], _word(resource["pid"])]
    return clean(" ".join(parts), _LONGEST_NAME)


def _word(value: Attribute | None) -> str:
    return "" if value is None else clean(str(value), _LONGEST_NAME)
