"""Which runs were replaced: a scheduler has killed their job, and has run it again under the same number.

Pure. Nothing is guessed: two runs of one job may as well be two of its steps. That one is a retry is known where the
scheduler counts its attempts (Slurm, HTCondor, AWS Batch), or says at least that this is a further one (LSF, Grid
Engine), and where an index has one pod at a time (Kubernetes).
"""

from collections import OrderedDict
from typing import Final, NamedTuple, TypeAlias

from soltrace.wire.records import Attribute, LogOpened

_MOST_RUNS: Final = 10_000
_COUNTING: Final = ("slurm", "lsf", "sge", "condor", "awsbatch")
_Job: TypeAlias = tuple[Attribute | None, ...]


class _Attempt(NamedTuple):
    job: _Job
    number: float
    """The later, the larger."""
    name: Attribute


class Attempts:
    """Tells, of runs whose first lines it was fed, which were replaced by another."""

    def __init__(self) -> None:
        self._of_run: OrderedDict[str, _Attempt] = OrderedDict()
        self._latest: dict[_Job, _Attempt] = {}
        self._several = False
        """Whether any job was attempted twice: else nobody needs to look."""

    def opened(self, record: LogOpened) -> None:
        """Take in the first line of a log, or of a part of one, which says nothing new where the first was read."""
        attempt = None if record.run_id in self._of_run else _attempt(record)
        if attempt is None:
            return
        self._of_run[record.run_id] = attempt
        latest = self._latest.get(attempt.job)
        self._several = self._several or (latest is not None and latest.name != attempt.name)
        if latest is None or attempt.number > latest.number:
            self._latest[attempt.job] = attempt
        if len(self._of_run) > _MOST_RUNS:
            _, forgotten = self._of_run.popitem(last=False)
            if self._latest.get(forgotten.job) == forgotten:
                del self._latest[forgotten.job]

    def replaced(self, run_id: str) -> bool:
        """Say whether a later attempt at the same job has begun."""
        if not self._several:
            return False
        attempt = self._of_run.get(run_id)
        latest = None if attempt is None else self._latest.get(attempt.job)
        return latest is not None and attempt is not None and latest.name != attempt.name


def _attempt(record: LogOpened) -> _Attempt | None:
    where = record.resource
    scheduler, job, task = where.get("scheduler"), where.get("job"), where.get("array_task")
    if job is None:
        return None
    if scheduler in _COUNTING:
        restart = str(where.get("restart", "0"))
        number = int(restart) if restart.isascii() and restart.isdigit() and len(restart) < len("1000000") else 0
        return _Attempt((scheduler, job, task), number, number)
    pod = where.get("pod")
    if scheduler == "kubernetes" and task is not None and pod is not None:
        return _Attempt((scheduler, where.get("namespace"), job, task), record.timestamp.timestamp(), pod)
    return None
