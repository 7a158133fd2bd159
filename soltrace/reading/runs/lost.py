"""Which runs are lost: they have stopped without a word, while something of theirs was open.

A run writes down how it ends: its passes and its experiments do, and where a scheduler has started it the last line of
its log. What was killed can't. That a run was is known where its scheduler says so, or where its process is gone from
this machine; of one on another machine it is concluded from its silence, for a run with an open pass is heard of every
few seconds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final, NamedTuple

from soltrace.reading.runs.jobs import ASK_S, Jobs
from soltrace.reading.runs.processes import process_is_gone
from soltrace.reading.runs.slurm import COMPLETED, ENDED, HALTED, WAITING, TaskState
from soltrace.wire.records import Attribute

PATIENCE_S: Final = 60.0
"""A run with an open pass is heard of every five seconds. One that has been silent for so long is gone."""
_BETWEEN_PASSES: Final = 3
"""So many times longer is a run waited for between its passes."""
_DEAD_S: Final = 1.0
"""For so long the last lines of a process are waited for that is known to be gone."""

_TOLD_S: Final = 2 * ASK_S
"""For so long the scheduler's word is waited for."""


@dataclass
class RunFacts:
    """What is known of a run."""

    run_id: str
    newest: datetime
    """The time of its last line."""
    resource: Mapping[str, Attribute] = field(default_factory=dict[str, Attribute])
    """Where it lives."""
    opened: datetime | None = None
    """The time of its first line, where that was read."""
    passes_open: bool = False
    experiments_open: bool = False
    beats: bool = False
    """Whether it is heard of between its passes too, every half minute."""
    had_experiments: bool = False
    """Whether it has told of any: where all of them are over, it has ended by itself, unless it owes its last line."""
    tells_its_end: bool = False
    """Whether its log has a last line that says how it ended: it has a span of its own, by a scheduler's job."""
    has_ended: bool = False
    """Whether that line was read."""
    last_of_its_task: bool = True
    """Whether no later run of the same job, task and rank is known."""

    @property
    def something_open(self) -> bool:
        """Whether a pass or an experiment of it is."""
        return self.passes_open or self.experiments_open

    @property
    def is_open(self) -> bool:
        """Whether something of it is, or it has yet to say how it ended."""
        return self.something_open or (self.tells_its_end and not self.has_ended)


class Fate(Enum):
    """What has become of a run."""

    GOES_ON = "goes on"
    """Or has ended, as far as is known."""
    ENDED = "ended"
    """Its scheduler says so of a run that had nothing open, and did not say so itself."""
    LOST = "lost"
    RUNS_AGAIN = "runs again"
    """It was killed, and its scheduler will run its job again, or does: see `soltrace.reading.attempts`."""


class Judgement(NamedTuple):
    """What has become of a run, and why one thinks so."""

    fate: Fate
    why: str = ""
    """Of one that is lost: completes "lost: ..."."""


_GOES_ON: Final = Judgement(Fate.GOES_ON)


class RunJudge:
    """Says which runs are lost.

    Args:
        patience_s: A run of which a pass is open, and nothing is heard for so long, is gone.
        jobs: What the scheduler says; None where nobody is to be asked.
        gone: Returns, for a host, a process id and a time at which it was there, whether the process is known to be
            gone.
    """

    def __init__(
        self,
        patience_s: float = PATIENCE_S,
        jobs: Jobs | None = None,
        gone: Callable[[str, int, datetime | None], bool] = process_is_gone,
    ) -> None:
        self.patience_s = patience_s
        self._jobs = jobs
        self._gone = gone

    def verdict(self, run: RunFacts, silent_s: float, *, listened: bool = True) -> Judgement:
        """RunJudge a run.

        Args:
            run: What is known of it.
            silent_s: For how long nothing was heard of it.
            listened: Whether one has listened for long enough to trust its clock.
        """
        if (said := self._by_its_job(run, silent_s)) is not None:
            return said
        if not run.is_open:
            return _GOES_ON
        # A scheduler says why, a moment later.
        told = None if self._jobs is None else self._jobs.state(run.resource)
        if silent_s >= (_DEAD_S if told is None else _TOLD_S) and self._is_gone(run):
            return Judgement(Fate.LOST, "its process is gone")
        return self._by_its_silence(run, silent_s) if listened else _GOES_ON

    def _by_its_silence(self, run: RunFacts, silent_s: float) -> Judgement:
        if run.passes_open and silent_s >= self.patience_s:
            return Judgement(Fate.LOST, "it fell silent, with a pass open")
        # Between passes a program may compute for long, and only says so where it has been open for some time.
        if silent_s >= _BETWEEN_PASSES * self.patience_s and (run.beats or run.tells_its_end):
            left = "with an experiment open" if run.experiments_open else "and its log has no end"
            return Judgement(Fate.LOST, f"it fell silent, {left}")
        return _GOES_ON

    def _is_gone(self, run: RunFacts) -> bool:
        host, pid = run.resource.get("host"), run.resource.get("pid")
        return isinstance(host, str) and isinstance(pid, int) and self._gone(host, pid, run.opened)

    def _by_its_job(self, run: RunFacts, silent_s: float) -> Judgement | None:
        """RunJudge by what the scheduler says; None where that says nothing."""
        told = None if self._jobs is None else self._jobs.state(run.resource)
        again = None if told is None else _runs_again(told, run)
        if told is None or again is None:
            return None
        if again or told.state in WAITING:
            if told.state in ENDED and run.is_open and silent_s >= self.patience_s:
                return Judgement(Fate.LOST, f"Slurm ran it again, without a log: {told.said()}")
            return Judgement(Fate.RUNS_AGAIN, f"Slurm runs it again: {told.said()}") if run.is_open else _GOES_ON
        if told.state in ENDED and (run.something_open or _stopped(told, run)):
            return Judgement(Fate.LOST, f"Slurm says {told.said()}")
        if told.state == COMPLETED and run.last_of_its_task and not run.something_open:
            return Judgement(Fate.ENDED)
        return _GOES_ON if told.state in HALTED else None


def _stopped(told: TaskState, run: RunFacts) -> bool:
    """Say whether the end of a job is that of a run of which nothing is open: between two passes nothing need be."""
    if run.has_ended or not run.last_of_its_task:
        return False
    return told.state != COMPLETED if run.tells_its_end else told.killed and not run.had_experiments


def _runs_again(told: TaskState, run: RunFacts) -> bool | None:
    """Say whether what the scheduler tells is of a later attempt than a run's; None: it is of another job.

    Numbers of jobs come again, and another cluster has the same ones.
    """
    restart = str(run.resource.get("restart", "0"))
    own = int(restart[:9]) if restart.isdecimal() else 0
    if told.restarts is not None and told.restarts != own:
        return True if told.restarts > own else None
    return False if run.opened is None or told.may_have_been_there(run.opened) else None
