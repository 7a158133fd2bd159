"""Watches runs while their logs are read: what of each is open, when it was heard of last, and whether it is lost."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NamedTuple, TypeAlias

from msgspec import UNSET

from soltrace.reading.attempts import Attempts
from soltrace.reading.parse import Parsed
from soltrace.reading.runs.jobs import Jobs, job_of
from soltrace.reading.runs.lost import Fate, Judgement, RunFacts, RunJudge
from soltrace.wire.records import (
    Attribute,
    ExperimentEnded,
    ExperimentStarted,
    LogOpened,
    LogResource,
    PassEnded,
    PassHeartbeat,
    PassProgress,
    PassRecord,
    Record,
    RunEnded,
    RunHeartbeat,
)

_LISTEN_S: Final = 12.0
"""Time for two heartbeats of a run whose last line is old: its clock may differ from ours."""
_LEAST_S, _MOST_S, _SHARE = 1.0, 5.0, 0.1
"""A run is judged again after so much of its silence, if that is to be cheap."""
_GOES_ON: Final = Judgement(Fate.GOES_ON)
_MOST_RUNS: Final = 20_000
"""Of those that are remembered: some 30 MB."""
_Task: TypeAlias = tuple[Attribute | None, ...]


@dataclass
class WatchedRun(RunFacts):
    """A run, as far as its log was read."""

    heard_s: float = 0.0
    """When its last line came, on our clock."""
    stalled: dict[str, bool] = field(default_factory=dict[str, bool])
    """Its open passes, and whether they are said to have stalled."""
    experiments: Counter[str | None] = field(default_factory=Counter[str | None])
    """Its open experiments, and how often each is open."""
    seen: bool = False
    """Whether a pass of it was."""
    failed: bool = False
    """Whether a pass or an experiment of it has, or something has ended it."""
    verdict: Judgement = _GOES_ON
    due_s: float = 0.0
    """When it is to be judged next."""


class LostRun(NamedTuple):
    """A run that has stopped without a word."""

    run_id: str
    since: datetime
    """The time of its last line."""
    why: str
    passes: int
    """How many of them were open."""


class RunWatch:
    """Takes in records, those of one run in their order, and says what has become of each run.

    Args:
        judge: Says which are lost.
        jobs: What the scheduler says; None where nobody is to be asked.
        lazy: Whether the longer a run is silent the less often it is judged: there may be thousands of them.
        monotonic: Returns seconds.
        now: Returns the time.
    """

    def __init__(
        self,
        judge: RunJudge | None = None,
        jobs: Jobs | None = None,
        *,
        lazy: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.jobs = jobs
        self._judge = judge or RunJudge(jobs=jobs)
        self._lazy = lazy
        self._monotonic = monotonic
        self._now = now
        self._runs: dict[str, WatchedRun] = {}
        self._attempts = Attempts()
        self._newest_of: dict[_Task, WatchedRun] = {}

    def feed(self, record: Parsed) -> WatchedRun | None:
        """Take in a record; return its run."""
        if not isinstance(record, Record):
            return None
        run = self._runs.get(record.run_id)
        if run is None:
            run = self._begin(record)
        run.newest = max(run.newest, record.timestamp)
        run.heard_s, run.due_s, run.verdict = self._monotonic(), 0.0, _GOES_ON
        if type(record) is PassProgress and run.stalled.get(record.pass_id) is False:
            return run  # as most are: nothing is new
        if isinstance(record, PassEnded | ExperimentEnded | RunEnded):
            run.failed = run.failed or record.status == "error"
        self._learn(run, record)
        return run

    def _learn(self, run: WatchedRun, record: Record) -> None:
        """Take in what a record says of what is open."""
        match record:
            case PassEnded():
                run.seen = True
                run.stalled.pop(record.pass_id, None)
                run.passes_open = bool(run.stalled)
            case PassRecord():
                run.seen = run.passes_open = True
                run.stalled[record.pass_id] = isinstance(record, PassHeartbeat) and record.stalled
            case LogOpened() | LogResource():
                self._opened(run, record)
            case RunEnded():
                run.has_ended = True
            case RunHeartbeat():
                run.beats = True
            case ExperimentStarted():
                run.experiments[record.experiment] += 1
                run.experiments_open = run.had_experiments = True
            case ExperimentEnded():
                run.experiments[record.experiment] -= 1
                run.experiments = +run.experiments  # without those that are over
                run.experiments_open = bool(run.experiments)
            case _:
                pass

    def _begin(self, record: Record) -> WatchedRun:
        if len(self._runs) >= _MOST_RUNS:
            well = (run_id for run_id, run in self._runs.items() if not (run.is_open or run.failed))
            self._runs.pop(next(well, None) or next(iter(self._runs)))
        run = self._runs[record.run_id] = WatchedRun(record.run_id, record.timestamp)
        return run

    def _opened(self, run: WatchedRun, record: LogOpened | LogResource) -> None:
        run.resource = record.resource
        if self.jobs is not None:
            self.jobs.see(record.resource)
        if isinstance(record, LogResource):
            return
        run.tells_its_end = record.span_id is not UNSET
        self._attempts.opened(record)
        run.opened = run.opened or record.timestamp
        if (job := job_of(record.resource)) is not None:
            task = (*job, record.resource.get("rank"))
            former = self._newest_of.get(task)
            if former is not None and former is not run:
                former.last_of_its_task = False
            self._newest_of[task] = run

    @property
    def runs(self) -> list[WatchedRun]:
        """The runs that count: those that no retry of their job has replaced."""
        return [run for run_id, run in self._runs.items() if not self._attempts.replaced(run_id)]

    def find(self, run_id: str) -> WatchedRun | None:
        """What is known of a run."""
        return self._runs.get(run_id)

    def replaced(self, run_id: str) -> bool:
        """Say whether a retry of a run's job has taken its place."""
        return self._attempts.replaced(run_id)

    def verdict(self, run: WatchedRun, *, whole: bool = False) -> Judgement:
        """Say what has become of a run.

        Args:
            run: Is judged.
            whole: Whether its log was read to its end, and nobody waits for more.
        """
        if whole:
            return self._judge.verdict(run, (self._now() - run.newest).total_seconds())
        now_s = self._monotonic()
        if now_s >= run.due_s:
            silent_s = now_s - run.heard_s
            run.due_s = now_s + min(_MOST_S, max(_LEAST_S, silent_s * _SHARE)) if self._lazy else now_s
            # What was written long ago may have been read just now, and more of it may come.
            said_s = (self._now() - run.newest).total_seconds() if silent_s >= _LEAST_S else 0.0
            listened = silent_s >= min(_LISTEN_S, self._judge.patience_s)
            run.verdict = self._judge.verdict(run, max(silent_s, said_s), listened=listened)
        return run.verdict

    def lost(self, *, whole: bool = False) -> Iterator[LostRun]:
        """Find the runs that are lost by now; `whole` as in `verdict`."""
        if self.jobs is not None:
            self.jobs.look()
        for run in self._runs.values():
            if not run.is_open and (self.jobs is None or run.had_experiments or run.has_ended):
                continue  # it has ended, and so have most
            verdict = self.verdict(run, whole=whole)
            if verdict.fate is Fate.LOST and not self._attempts.replaced(run.run_id):
                yield LostRun(run.run_id, run.newest, verdict.why, len(run.stalled))
