"""What Slurm says of jobs: `squeue` of those that it still knows, `sacct` of those that are long over."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

KILLED: Final = frozenset(
    {"BOOT_FAIL", "CANCELLED", "DEADLINE", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"}
)
"""States of a task that did not end by itself."""
COMPLETED: Final = "COMPLETED"
"""The state of a task that has ended well."""
ENDED: Final = KILLED | {COMPLETED, "FAILED"}
"""States that a task does not leave by itself."""
WAITING: Final = frozenset(
    {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"}
)
"""States of a task that has yet to begin, or to begin again."""
HALTED: Final = frozenset({"SUSPENDED", "STOPPED"})
"""States in which a task is silent, and may go on."""
TIMEOUT_S: Final = 20.0
"""No command is waited for longer: where it takes so long, the controller is busy."""
_FIELDS: Final = "ArrayJobID:|,ArrayTaskID:|,State:|,exit_code:|,RestartCnt:|,StartTime:|,EndTime:"
_SQUEUE: Final = ("squeue", "--noheader", "--array", "--states=all", f"--Format={_FIELDS}")
_SACCT: Final = ("sacct", "--noheader", "--allocations", "--parsable2", "--format=JobID,State,ExitCode,Start,End")
_NONE: Final = "N/A"
_MARGIN: Final = timedelta(minutes=2)
"""By which clocks may differ."""
_SIGNALS: Final = 128
"""A shell reports the signal of which its program has died as a status above this."""
_NAME: Final = re.compile(r"(\d+)(?:_(\d+|\[[^]]*\]))?")
_RANGE: Final = re.compile(r"(\d+)(?:-(\d+)(?::(\d+))?)?")
_TASKS_AT_MOST: Final = 1_000_000
_JOBS_AT_ONCE: Final = 200


class TaskState(NamedTuple):
    """What a task of a job is in, or the job itself where it is no array."""

    job: str
    """The number of the job; of an array's task, that of the array."""
    task: str | None
    state: str
    """By Slurm's name, such as `OUT_OF_MEMORY`."""
    status: int = 0
    """Of its end: a status in the upper byte, or a signal."""
    restarts: int | None = None
    """How often it was run again; None where that is not said."""
    began: datetime | None = None
    """When the latest attempt at it did."""
    over: datetime | None = None

    @property
    def killed(self) -> bool:
        """Whether it did not end by itself."""
        return self.state in KILLED or (self.state == "FAILED" and self.signal > 0)

    @property
    def signal(self) -> int:
        """The signal of which it has died; 0: of none."""
        code = self.status >> 8
        return self.status & 0x7F or max(0, code - _SIGNALS if code < _SIGNALS * 2 else 0)

    def may_have_been_there(self, at: datetime) -> bool:
        """Say whether a process that was there then can have been this attempt's: numbers of jobs come again."""
        early = self.began is not None and at < self.began - _MARGIN
        return not early and (self.over is None or at <= self.over + _MARGIN)

    def said(self) -> str:
        """Put it into words: `OUT_OF_MEMORY`, `FAILED, by signal 9`."""
        return f"{self.state}, by signal {self.signal}" if self.state == "FAILED" and self.signal else self.state


def is_there() -> bool:
    """Say whether this machine has Slurm's commands."""
    import shutil

    return any(shutil.which(command[0]) for command in (_SQUEUE, _SACCT))


def ask_slurm(jobs: Iterable[str], timeout_s: float = TIMEOUT_S) -> list[TaskState]:
    """Ask about jobs. It may take long: not to be called where anybody waits.

    Args:
        jobs: Their numbers.
        timeout_s: For which each command is waited for.

    Returns:
        The state of each of their tasks, as far as it is known.
    """
    wanted = sorted({job for job in jobs if job.isascii() and job.isdigit()}, key=int)
    found: list[TaskState] = []
    for first in range(0, len(wanted), _JOBS_AT_ONCE):
        some = wanted[first : first + _JOBS_AT_ONCE]
        queued = list(_asked(_SQUEUE, some, queued_tasks, timeout_s))
        known = {state.job for state in queued}
        rest = [job for job in some if job not in known]
        found += queued
        # A controller forgets what has ended after some minutes, unless it is told otherwise.
        found += _asked(_SACCT, rest, accounted_tasks, timeout_s) if rest else ()
    return found


def _asked(
    command: Sequence[str], jobs: Sequence[str], read: Callable[[str], Iterable[TaskState]], timeout_s: float
) -> Iterator[TaskState]:
    import subprocess  # here: most readers never ask

    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(  # noqa: S603 - the command is ours, and the jobs are numbers
            [*command, f"--jobs={','.join(jobs)}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
        if done.returncode == 0:
            yield from read(done.stdout)


def queued_tasks(text: str) -> Iterator[TaskState]:
    """Read what `squeue` says."""
    for line in text.splitlines():
        match line.strip().split("|"):
            case [job, task, state, status, restarts, began, over] if job.isdigit():
                number = None if task == _NONE else task
                times = _time(began), _time(over)
                yield TaskState(job, number, _state(state), _number(status), _number(restarts), *times)
            case _:
                pass


def accounted_tasks(text: str) -> Iterator[TaskState]:
    """Read what `sacct` says: the latest attempt at each task."""
    for line in text.splitlines():
        match line.strip().split("|"):
            case [name, state, status, began, over] if state and (found := _NAME.fullmatch(name)):
                code, _, signal = status.partition(":")
                number = _number(code) << 8 | _number(signal)
                for task in _tasks(found[2]):
                    yield TaskState(found[1], task, _state(state), number, None, _time(began), _time(over))
            case _:
                pass


def _state(text: str) -> str:
    """`CANCELLED by 1000` is said of who was cancelled, and `COMPLETED+` of what was cut."""
    return text.split(maxsplit=1)[0].rstrip("+") if text.strip() else ""


def _time(text: str) -> datetime | None:
    """A time of day without a zone is this machine's. There may be none: `Unknown`, `N/A`, `NONE`."""
    with suppress(ValueError, OverflowError):
        return datetime.fromisoformat(text).astimezone(UTC)
    return None


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < len("10000000000") else 0


def _tasks(text: str | None) -> Iterator[str | None]:
    """Of `[1-3,7%2]`, which stands for tasks that have yet to begin: `1`, `2`, `3`, `7`."""
    if text is None or not text.startswith("["):
        yield text
        return
    for part in text[1:-1].partition("%")[0].split(","):
        if found := _RANGE.fullmatch(part):
            first, last, step = (_number(each or "") for each in found.groups())
            last = min(max(first, last), first + _TASKS_AT_MOST)
            yield from map(str, range(first, last + 1, step or 1))
