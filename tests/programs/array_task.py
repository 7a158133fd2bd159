"""A task of a job array: solves, and ends as its number says. It tells what a compiled program would, without jax."""

import os
import signal
import sys
import time

import numpy as np

import soltrace
from soltrace import host
from soltrace.host import Signal

KILLED, REQUEUED, TIMED_OUT, TOO_LARGE, FAILED, EXITED, RANKS, KILLED_LATER, VANISHED = 1, 2, 3, 4, 5, 6, 7, 8, 20
"""What becomes of the tasks that don't end well the first time."""
INFO = host.SolveInfo(solver="Tsit5", adjoint="Direct", controller="PID")


def start():
    """Begin a solve, which never ends unless `end` ends it."""
    return host.receive(Signal.FORWARD_START, INFO, np.array([0, 1, 0], np.int32), np.array([0, 1, 1, 0, 0.0]))


def end(handle):
    """End it."""
    host.receive(Signal.FORWARD_END, INFO, np.array([handle[0], 3, 2, 0], np.int32), np.array([1.0]))


def main(task, attempt):
    """Do what the task does."""
    with soltrace.experiment("sweep", task=task):
        end(start())
        match task:
            case 1 | 2 | 3 | 20 if attempt == 0:
                start()
                time.sleep(600)
            case 4:
                start()
                kept = np.ones(100_000_000)
                time.sleep(600)
                del kept
            case 5:
                raise ValueError("on purpose")
            case 6:
                sys.exit(3)
            case _:
                end(start())
    if task == KILLED_LATER:  # with nothing open
        soltrace.flush()
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    soltrace.configure(flush_on_sigterm=True)
    main(int(os.environ["SLURM_ARRAY_TASK_ID"]), int(os.environ.get("SLURM_RESTART_COUNT", "0")))
