"""What there is to be shown at one moment, made from the records so far and from what the reader asks for. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import Any, Final, NamedTuple

from soltrace.reading.live.controls import Query
from soltrace.reading.live.endings import Endings, NewsItem, PassTally, Remainder
from soltrace.reading.live.state import OpenPass, PassTable, Runs
from soltrace.reading.parse import Parsed
from soltrace.reading.runs.array import tasks_by_state, tasks_left_s
from soltrace.reading.runs.run_watch import LostRun, RunWatch
from soltrace.wire.records import LogOpened, LogResource, Record, RunHeartbeat, TelemetryDropped

_BRIEF_S: Final = 1.0
"""A younger pass is not shown while others of its kind stream by, or the frame would flicker."""
_LOOK_S: Final = 1.0
_LEAST_RUNS: Final = 3
"""Of fewer, none is the slowest."""
_BEHIND: Final = 0.05
"""In progress: who is nearer to the median is not behind."""
_FORGOTTEN_S: Final = 600.0
"""A pass that has been silent for longer is counted and gets no row: most likely its run was killed."""


class Slowest(NamedTuple):
    """Of runs that do the same, the one that is behind."""

    name: str
    progress: float
    median: float


@dataclass
class Snapshot:
    """What there is to be shown at one moment."""

    now: datetime
    tallies: Sequence[PassTally] = ()
    passes: Sequence[OpenPass] = ()
    """The passes that the reader asks for, in the order that they ask for."""
    open: int = 0
    """How many passes are open, whether asked for or not."""
    runs: int = 0
    """How many runs those belong to."""
    experiments: int = 0
    ended: int = 0
    failed: int = 0
    lost_passes: int = 0
    """Those that are open in runs that are lost; not counted as open."""
    lost_runs: int = 0
    compiling: int = 0
    """Runs that trace or compile a program, and have no pass open."""
    slowest: Slowest | None = None
    tasks: Mapping[str, int] = field(default_factory=dict[str, int])
    """Tasks of the scheduler's by their states, those among them that have written nothing yet."""
    tasks_left_s: float | None = None
    """What all of them will still take."""
    forgotten: int = 0
    """Passes that are open as far as is known, and have been silent for too long."""
    lost: int = 0
    """Records that the writers report as dropped."""


class Tracker:
    """Takes in records, and tells what there is to be shown.

    Args:
        runs: Is told of the runs, and names them.
        watch: Is told of all records, and knows which runs are lost; None where nobody is to ask.
    """

    def __init__(self, runs: Runs, watch: RunWatch | None = None) -> None:
        self._runs = runs
        self._watch = watch
        self._lost: dict[str, LostRun] = {}
        self._compiling: set[str] = set()
        self._look_s = 0.0
        self._table = PassTable()
        self._endings = Endings()

    def feed(self, records: Sequence[Parsed], now_s: float) -> None:
        """Take in records, in the order of time.

        Args:
            records: What was read.
            now_s: When it was read, on a monotonic clock.
        """
        for record in records:
            if isinstance(record, LogOpened | LogResource):
                self._runs.opened(record)
            elif isinstance(record, RunHeartbeat) and record.doing in {"compiling", "tracing"}:
                self._compiling.add(record.run_id)
            elif self._compiling and isinstance(record, Record):
                self._compiling.discard(record.run_id)
            if self._watch is not None:
                self._watch.feed(record)
        self._table.feed(records)
        self._endings.feed(records, now_s)

    def due(self, now_s: float, query: Query, *, last: bool = False) -> list[NewsItem]:
        """Take out what is to be announced now, as far as it is asked for.

        Args:
            now_s: The present, on the clock that `feed` was told.
            query: What is asked for.
            last: Whether nothing will follow, so that nothing is held back.
        """
        self._look_for_lost(now_s)
        return [item for item in self._endings.due(now_s, last=last) if self._wanted(item, query)]

    def _look_for_lost(self, now_s: float) -> None:
        """Find runs that are lost, and those that are heard of again, once a second: there may be thousands."""
        if self._watch is None or now_s < self._look_s:
            return
        self._look_s = now_s + _LOOK_S
        former, self._lost = self._lost, {lost.run_id: lost for lost in self._watch.lost()}
        self._endings.lose(lost for run_id, lost in self._lost.items() if run_id not in former)

    def snapshot(self, now: datetime, query: Query) -> Snapshot:
        """Return what there is to be shown, without taking anything out."""
        heard, forgotten, lost_passes = self._heard(now)
        ended = reversed(self._table.failures) if query.failed_only else ()
        return Snapshot(
            now,
            tallies=[tally for tally in self._endings.tallies if self._wanted(tally, query)],
            passes=query.arrange([*heard, *ended], self._runs),
            open=sum(shown.lost is None for shown in heard),
            runs=len({shown.first.run_id for shown in heard}),
            experiments=len({shown.first.experiment for shown in heard}),
            compiling=len(self._compiling - self._lost.keys()),
            slowest=self._slowest(heard),
            **self._tasks(now),
            lost_passes=lost_passes,
            lost_runs=len(self._lost),
            ended=self._table.ended,
            failed=self._table.failed,
            forgotten=forgotten,
            lost=self._table.lost,
        )

    def _tasks(self, now: datetime) -> dict[str, Any]:
        jobs = None if self._watch is None else self._watch.jobs
        tasks = [] if jobs is None else jobs.tasks()
        return {"tasks": tasks_by_state(tasks), "tasks_left_s": tasks_left_s(tasks, now)} if tasks else {}

    def _slowest(self, heard: Sequence[OpenPass]) -> Slowest | None:
        """Find the run that is furthest behind, where several do the same: of the largest group of open passes."""
        groups: dict[tuple[str | None, str], dict[str, OpenPass]] = {}
        for shown in heard:
            if shown.lost is None:
                groups.setdefault((shown.first.experiment, shown.first.phase), {})[shown.first.run_id] = shown
        passes = list(max(groups.values(), key=len).values()) if groups else []
        if len(passes) < _LEAST_RUNS:
            return None
        last, middle = min(passes, key=lambda one: one.progress), median(one.progress for one in passes)
        behind = middle - last.progress >= _BEHIND
        return Slowest(self._runs.name(last.first), last.progress, middle) if behind else None

    def _wanted(self, item: NewsItem, query: Query) -> bool:
        if isinstance(item, Remainder | TelemetryDropped | LostRun):
            return True  # It says what was lost, whoever's that was.
        record = item.newest if isinstance(item, PassTally) else item
        failed = item.failed > 0 if isinstance(item, PassTally) else getattr(item, "status", "ok") == "error"
        return (failed or not query.failed_only) and query.matches(record, self._runs)

    def _heard(self, now: datetime) -> tuple[list[OpenPass], int, int]:
        """Pick the open passes that may get a row, and count those that were last heard of too long ago, and lost."""
        heard: list[OpenPass] = []
        forgotten = lost = 0
        # Times are compared, and not subtracted: there may be ten thousand passes, and a frame is drawn twice a second.
        young, old = now - timedelta(seconds=_BRIEF_S), now - timedelta(seconds=_FORGOTTEN_S)
        for open_pass in self._table.open:
            if self._runs.replaced(open_pass.first.run_id):
                continue
            open_pass.lost = self._lost.get(open_pass.first.run_id)
            lost += open_pass.lost is not None
            if open_pass.latest < old:
                forgotten += open_pass.lost is None
            elif not (
                open_pass.first.timestamp > young and self._endings.streaming(open_pass.first, open_pass.first.phase)
            ):
                heard.append(open_pass)
        return heard, forgotten, lost
