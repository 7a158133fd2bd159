"""The tasks of array jobs as a whole: how many are in which state, and what all of them will still take. Pure."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from statistics import median
from typing import Final

from soltrace.reading.runs.slurm import ENDED, HALTED, WAITING, TaskState

_ORDER: Final = ("running", "pending", "halted", "completed", "failed", "killed")


def tasks_by_state(tasks: Iterable[TaskState]) -> dict[str, int]:
    """Count tasks: running, pending, halted, completed, failed, killed; those that there are none of are left out."""
    counts = Counter(map(_state, tasks))
    return {state: counts[state] for state in _ORDER if counts[state]}


def _state(task: TaskState) -> str:
    if task.state in WAITING:
        return "pending"
    if task.state in HALTED:
        return "halted"
    if task.state not in ENDED:
        return "running"
    return "killed" if task.killed else task.state.lower()


def tasks_left_s(tasks: Sequence[TaskState], now: datetime) -> float | None:
    """Estimate what is left of an array, from the tasks of it that have completed, if as many go on running at once.

    Args:
        tasks: All of the array's.
        now: The present.

    Returns:
        Seconds; None where no task has completed yet, or none is left.
    """
    took = [
        (task.over - task.began).total_seconds()
        for task in tasks
        if task.state == "COMPLETED" and task.began is not None and task.over is not None
    ]
    running = [task for task in tasks if _state(task) == "running"]
    pending = sum(_state(task) == "pending" for task in tasks)
    if not took or not (running or pending):
        return None
    usual_s = median(took)
    left = [usual_s - (now - task.began).total_seconds() if task.began is not None else usual_s for task in running]
    return max(max(left, default=0.0), 0.0) + usual_s * math.ceil(pending / max(1, len(running)))
