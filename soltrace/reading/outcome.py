"""Tells how what is followed ends: whether passes are over, one has failed or stalled, or a run is lost.

For scripts that wait. Passes are over when at least one was seen, none is open and no experiment either, no run that
says how it ends has yet to say so, and nothing has come for a moment; and, where Slurm tells, when no task of their
jobs has yet to begin. A pass that is said to have stalled, or whose run is lost, is not waited for; of a run that was
killed between two passes, the experiment stays open, or the end of its log is missing. What has become of a run that
was replaced by a retry of its job does not count: the retry does.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from soltrace.reading.parse import Parsed
from soltrace.reading.runs.jobs import Jobs
from soltrace.reading.runs.lost import PATIENCE_S, Fate, RunJudge
from soltrace.reading.runs.processes import process_is_gone
from soltrace.reading.runs.run_watch import LostRun, RunWatch, WatchedRun
from soltrace.reading.runs.slurm import WAITING
from soltrace.wire.records import Record

EXIT_OK: Final = 0
"""The exit status where every pass has ended well."""
EXIT_FAILED: Final = 1
"""Where one has failed, or an experiment or a run of theirs."""
EXIT_STALLED: Final = 3
"""Where one has stalled or a run is lost, and none has failed."""
SETTLED_S: Final = 2.0
"""For so long nothing must come: between a forward pass and its backward pass none is open."""
ANSWERED_WITHIN_S: Final = 10.0
"""For so long a scheduler is waited for that does not answer."""


class Outcome:
    """Watches passes until all of them are over.

    Args:
        patience_s: A run that is silent for so long while a pass of it is open is gone, and the pass has stalled.
        jobs: What the scheduler says; None where nobody is to be asked.
        monotonic: Returns seconds.
        now: Returns the time.
        gone: Returns, for a host, a process id and a time at which it was there, whether the process is known to be
            gone.
    """

    def __init__(
        self,
        patience_s: float = PATIENCE_S,
        *,
        jobs: Jobs | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        gone: Callable[[str, int, datetime | None], bool] = process_is_gone,
    ) -> None:
        self._jobs = self.jobs = jobs
        self._monotonic = monotonic
        self._watch = RunWatch(RunJudge(patience_s, jobs, gone), jobs, monotonic=monotonic, now=now)
        self._heard_s = monotonic()
        self._seen = False

    def feed(self, record: Parsed) -> None:
        """Take in a record. Those of one run must come in their order."""
        if not isinstance(record, Record):
            return
        self._heard_s = self._monotonic()
        run = self._watch.feed(record)
        self._seen = self._seen or (run is not None and run.seen)

    def status(self) -> int | None:
        """Return the exit status, or None while there is something to wait for."""
        silent_s = self._monotonic() - self._heard_s
        if self._jobs is not None:
            self._jobs.look()
            if self._jobs.silent and silent_s < ANSWERED_WITHIN_S:
                return None
        if not self._seen or silent_s < SETTLED_S or self._tasks_to_come():
            return None
        return None if any(map(self._is_waited_for, self._watch.runs)) else self.final()

    def final(self) -> int:
        """Return the exit status if nothing more comes: a pass or an experiment that is open then has stalled."""
        runs = self._watch.runs
        if any(run.failed for run in runs):
            return EXIT_FAILED
        return EXIT_STALLED if any(map(self._is_open, runs)) or self.lost() else EXIT_OK

    def lost(self, *, whole: bool = False) -> list[LostRun]:
        """List the runs that have stopped without a word, as far as that is known by now: see `RunWatch.lost`."""
        return list(self._watch.lost(whole=whole))

    def _is_waited_for(self, run: WatchedRun) -> bool:
        fate = self._watch.verdict(run).fate
        if fate is Fate.RUNS_AGAIN:
            return True
        if fate is Fate.LOST or not self._is_open(run):
            return False
        return not run.stalled or not all(run.stalled.values())

    def _is_open(self, run: WatchedRun) -> bool:
        return run.is_open and self._watch.verdict(run).fate is not Fate.ENDED

    def _tasks_to_come(self) -> bool:
        return self._jobs is not None and any(self._jobs.counts()[state] for state in WAITING)
