"""A process that solves until it is killed, and notes in memory that survives it what soltrace has been told.

What is noted has been told before: the call had returned.
"""

import mmap
import random
import struct
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

import soltrace
import soltrace.setup.configure  # as `soltrace.diffeqsolve` does
from soltrace import host
from soltrace.host import Signal

NOTES_BYTES = 1 << 20
_HEAD = struct.Struct("<q")
_NOTE = struct.Struct("<iiid")
_INFO = host.SolveInfo(solver="Tsit5", adjoint="Direct", controller="PID")
ENTER, START, STEP, END, LEAVE = range(5)


class Note(NamedTuple):
    """That soltrace has been told something: of which experiment or solve, at which step, and when."""

    what: int
    number: int
    step: int
    time_s: float


class Notes:
    """Notes in shared memory: one process writes, another reads when that one is dead."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, NOTES_BYTES)

    def add(self, what: int, number: int, step: int = 0) -> None:
        """Note something."""
        count = self.count
        _NOTE.pack_into(self._memory, _HEAD.size + count * _NOTE.size, what, number, step, time.monotonic())
        _HEAD.pack_into(self._memory, 0, count + 1)  # last: what is counted is whole

    @property
    def count(self) -> int:
        """How many there are."""
        return _HEAD.unpack_from(self._memory)[0]

    def read(self) -> list[Note]:
        """Read all of them."""
        return [Note(*_NOTE.unpack_from(self._memory, _HEAD.size + i * _NOTE.size)) for i in range(self.count)]


def solve_until_killed(directory: Path, notes: Notes, seed: int) -> None:
    """Enter experiments and solve in them, with pauses, for ever."""
    rng = random.Random(seed)
    soltrace.configure(
        directory=directory,
        max_reports_per_s=float("inf"),
        max_overhead=float("inf"),
        heartbeat_s=0.05,
        spans=False,
        metrics=False,
        logs=False,
        flush_on_sigterm=False,
    )
    experiments = solves = 0
    while True:
        experiments += 1
        number = experiments
        with soltrace.experiment("fit", number=number):
            notes.add(ENTER, number)
            for _ in range(rng.randrange(4)):
                solves += 1
                _solve(rng, notes, solves)
        notes.add(LEAVE, number)
        _pause(rng)


def _solve(rng: random.Random, notes: Notes, number: int) -> None:
    start = np.array([0, 1, 0], np.int32), np.array([0, 1, 1, 0, 0.0])
    handle = host.receive(Signal.FORWARD_START, _INFO, *start)[0]
    notes.add(START, number)
    steps = rng.randrange(1, 30)
    for step in range(1, steps):
        _pause(rng)
        told = np.array([handle, step, step, 0], np.int32), np.array([step / steps])
        host.receive(Signal.FORWARD_STEP, _INFO, *told)
        notes.add(STEP, number, step)
    host.receive(Signal.FORWARD_END, _INFO, np.array([handle, steps, steps, 0], np.int32), np.array([1.0]))
    notes.add(END, number)


def _pause(rng: random.Random) -> None:
    if rng.random() < 0.5:
        time.sleep(rng.random() * 0.004)
