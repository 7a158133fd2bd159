"""The jobs of the runs, and what their scheduler says of them: asked on a thread of its own, for it may take long."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Final, TypeAlias

from soltrace.reading.runs.slurm import ENDED, TaskState, ask_slurm, is_there
from soltrace.wire.records import Attribute

ASK_S: Final = 15.0
"""The least time between two questions: all of a cluster's users ask the same controller."""
_FAILING_S: Final = 120.0
_SHARE: Final = 20
"""So many times as long as an answer has taken, nothing is asked."""
_Key: TypeAlias = tuple[str, str | None]


def job_of(resource: Mapping[str, Attribute]) -> tuple[str, str | None] | None:
    """Find the job and the task of a run of Slurm's; None of any other."""
    if resource.get("scheduler") != "slurm" or resource.get("job") is None:
        return None
    task = resource.get("array_task")
    return str(resource["job"]), None if task is None else str(task)


class Jobs:
    """Tells what has become of the jobs of runs, as far as this machine can ask. It never makes anybody wait.

    Args:
        ask: Returns the states of the tasks of some jobs.
        there: Returns whether there is anybody to ask.
        monotonic: Returns seconds.
    """

    def __init__(
        self,
        ask: Callable[[Collection[str]], Collection[TaskState]] = ask_slurm,
        there: Callable[[], bool] = is_there,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._there = there
        self._monotonic = monotonic
        self._jobs: set[str] = set()
        self._over: set[str] = set()
        """Jobs of which nothing new is to be heard."""
        self._states: dict[_Key, TaskState] = {}
        self._due_s = 0.0
        self._asking: threading.Thread | None = None
        self._answered: frozenset[str] = frozenset()
        self._possible: bool | None = None

    def see(self, resource: Mapping[str, Attribute]) -> None:
        """Take in where a run lives."""
        if (found := job_of(resource)) is not None and found[0] not in self._jobs:
            self._jobs.add(found[0])
            self._due_s = 0.0

    def state(self, resource: Mapping[str, Attribute]) -> TaskState | None:
        """Say what the scheduler has said of the task that a run belongs to; None where that is not known."""
        found = job_of(resource)
        return None if found is None else self._states.get(found)

    def counts(self) -> Counter[str]:
        """Count the tasks of all jobs by their states, those among them that have written no log yet."""
        return Counter(state.state for state in list(self._states.values()))

    def tasks(self) -> list[TaskState]:
        """List the tasks of all jobs."""
        return list(self._states.values())

    @property
    def silent(self) -> bool:
        """Whether an answer about a job that is known is still to come."""
        return self._possible is not False and bool(self._jobs - self._answered)

    def look(self, wait_s: float = 0.0) -> None:
        """Have the scheduler asked, if it is time to.

        Args:
            wait_s: For so long the answer is waited for.
        """
        now = self._monotonic()
        asking = self._asking
        if (asking is None or not asking.is_alive()) and now >= self._due_s:
            asking = self._begin(now)
        if asking is not None and wait_s:
            asking.join(wait_s)

    def _begin(self, now: float) -> threading.Thread | None:
        jobs = frozenset(self._jobs - self._over)
        self._due_s = now + ASK_S
        if not jobs or self._possible is False:
            return None
        if self._possible is None and not (possible := self._there()):
            self._possible = possible
            return None
        self._possible = True
        asking = self._asking = threading.Thread(target=self._question, args=(jobs,), name="soltrace-jobs", daemon=True)
        asking.start()
        return asking

    def _question(self, jobs: frozenset[str]) -> None:
        began = self._monotonic()
        found = self._ask(jobs)
        took = self._monotonic() - began
        self._states = self._states | {(state.job, state.task): state for state in found}
        open_jobs = {state.job for state in found if state.state not in ENDED}
        self._over |= {state.job for state in found} - open_jobs
        self._answered |= jobs
        if self._jobs <= self._answered:
            self._due_s = self._monotonic() + max(ASK_S if found else _FAILING_S, _SHARE * took)
