"""How the steps of a pass went, where each is recorded: one by one, and in a long pass several together. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from msgspec import UNSET

from soltrace.wire.records import Number
from soltrace.wire.step_fields import AttemptedSteps

MOST_BINS: Final = 128
"""Twice the widest sparkline: more would not be seen."""


class StepColumn(NamedTuple):
    """Attempts that follow one another, as one column of a sparkline. NaN stands for what is not known."""

    dt: float
    """How far they went, on average."""
    error: float
    """The greatest of their scaled errors."""
    rejected: float
    """The share of them that was rejected, in [0, 1]."""


@dataclass(slots=True)
class _Bin:
    attempts: int = 0
    rejected: int = 0
    sized: int = 0
    """Attempts of which the size is a number."""
    total: float = 0.0
    """Of these sizes."""
    error: float = -math.inf

    def add(self, other: "_Bin") -> None:
        self.attempts += other.attempts
        self.rejected += other.rejected
        self.sized += other.sized
        self.total += other.total
        self.error = max(self.error, other.error)

    def column(self) -> StepColumn:
        return StepColumn(
            self.total / self.sized if self.sized else math.nan,
            self.error if self.error > -math.inf else math.nan,
            self.rejected / self.attempts if self.attempts else math.nan,
        )


class StepCourse:
    """Keeps attempts by their numbers, of all lanes together, in a bounded number of bins that grow with the pass."""

    def __init__(self) -> None:
        self._bins: list[_Bin] = []
        self._every = 1
        self.first = 0
        """The first attempt that is known; 0 if none is."""
        self.last = 0

    @property
    def from_the_start(self) -> bool:
        """Whether it is the course of the whole pass, and not of its last steps."""
        return self.first == 1

    def add(self, attempts: AttemptedSteps) -> None:
        """Take in the attempts of a record."""
        if not attempts.step:
            return
        self.first = self.first or max(1, min(attempts.step))
        self.last = max(self.last, *attempts.step)
        self._make_room(self.last)
        errors: list[Number] = [] if attempts.scaled_error is UNSET else attempts.scaled_error
        errors = errors or [math.nan] * len(attempts.step)
        rows = zip(attempts.step, attempts.dt, attempts.accepted, errors, strict=False)  # a damaged log
        for step, dt, accepted, error in rows:
            if step >= self.first:
                self._count(self._bins[(step - self.first) // self._every], dt, error, accepted=accepted)

    def columns(self, width: int) -> list[StepColumn]:
        """Return the whole course in at most `width` columns."""
        together = math.ceil(len(self._bins) / max(1, width))
        return [
            _merged(self._bins[start : start + together]).column()
            for start in range(0, len(self._bins), max(1, together))
        ]

    def _make_room(self, last: int) -> None:
        while (place := (last - self.first) // self._every) >= MOST_BINS:
            self._bins = [_merged(self._bins[start : start + 2]) for start in range(0, len(self._bins), 2)]
            self._every *= 2
        self._bins += [_Bin() for _ in range(place + 1 - len(self._bins))]

    @staticmethod
    def _count(one: _Bin, dt: Number, error: Number, *, accepted: bool) -> None:
        one.attempts += 1
        one.rejected += not accepted
        if isinstance(dt, float):
            one.sized += 1
            one.total += abs(dt)
        if isinstance(error, float) and error > one.error:
            one.error = error


def _merged(bins: Sequence[_Bin]) -> _Bin:
    whole = _Bin()
    for one in bins:
        whole.add(one)
    return whole
