"""The lanes of one pass: where each element of a vmapped batch is. A single solve is one lane.

Host side, on the worker thread. Lanes are flat arrays here, in the order of their batch index.
"""

import math
from typing import Final

import numpy as np

from soltrace.host.outcomes import SUCCESSFUL, Outcomes
from soltrace.host.signals import Array
from soltrace.wire.records import Lanes

DIGITS: Final = 7
"""Progress is rounded to what a float32 can tell: 0.3, not 0.30000001192."""

Shape = tuple[int, ...]


def spread(old: Shape, new: Shape) -> Array:
    """Which lane of a smaller batch each lane of a larger one is: `int[prod(new)]`.

    A value is not batched by the vmaps that it does not depend on: its axis has size 1 there, or there is none, and the
    axes of `old` are some of those of `new`, in order. Which ones is not told then: the innermost that fit.
    """
    if len(old) == len(new) and all(size in (1, larger) for size, larger in zip(old, new, strict=True)):
        return np.broadcast_to(np.arange(math.prod(old)).reshape(old), new).ravel()
    axes: list[int] = []
    last = len(new)
    for size in reversed(old):
        last = next((axis for axis in reversed(range(last)) if new[axis] == size), -1)
        if last < 0:
            raise ValueError(f"a batch of shape {old} is no part of one of shape {new}")
        axes.append(last)
    expanded = [size if axis in axes else 1 for axis, size in enumerate(new)]
    return np.broadcast_to(np.arange(math.prod(old)).reshape(expanded), new).ravel()


class LaneTable:
    """Where the lanes are. Times are the solver's own, which grow from `t0` to `t1` whatever the user's direction."""

    def __init__(self, shape: Shape, t0: Array, t1: Array, direction: Array, outcomes: Outcomes) -> None:
        """Begin at the start; arrays are `[prod(shape)]`."""
        count = math.prod(shape)
        self.shape, self.outcomes = shape, outcomes
        self.t0, self.t1, self.direction = t0, t1, direction
        self.t = t0
        self.progress: Array = np.zeros(count)
        self.step: Array = np.zeros(count, np.int64)
        self.accepted: Array = np.zeros(count, np.int64)
        self.result: Array = np.full(count, outcomes.code(SUCCESSFUL))
        self.ended: Array = np.zeros(count, bool)
        self.stopped: Array = np.zeros(count, bool)
        """Which do not go on, though where they ended is not known yet."""
        self.said: Array = np.zeros(count, bool)
        """Whose end has been reported."""

    @property
    def count(self) -> int:
        """How many lanes there are."""
        return len(self.ended)

    @property
    def running(self) -> Array:
        """Which lanes have not ended."""
        return ~self.ended

    @property
    def failed(self) -> Array:
        """Which lanes have ended badly."""
        return self.ended & ~self.outcomes.good[self.result]

    def fit(self, shape: Shape, *values: Array) -> list[Array]:
        """Bring the lanes, or else the values that came with a signal, to the larger batch of the two."""
        if shape == self.shape:
            return list(values)
        if (math.prod(shape), len(shape)) > (self.count, len(self.shape)):
            self._grow(shape)
            return list(values)
        lanes = spread(shape, self.shape)
        return [value[lanes] for value in values]

    def _grow(self, shape: Shape) -> None:
        lanes = spread(self.shape, shape)
        for name, value in vars(self).items():
            if isinstance(value, np.ndarray):
                setattr(self, name, value[lanes])
        self.shape = shape

    def advance(self, which: Array, progress: Array) -> None:
        """Move these lanes on. Never back: an event is found in a step that went beyond it."""
        rounded = np.round(np.clip(progress, 0.0, 1.0), DIGITS)
        better = which & (rounded > self.progress)  # false for NaN, which is nowhere
        self.progress = np.where(better, rounded, self.progress)

    def set(self, name: str, which: Array, values: Array) -> None:
        """Take the values of these lanes over."""
        setattr(self, name, np.where(which, values, getattr(self, name)))

    def slowest(self) -> int:
        """The lane that stands for all: the furthest behind, ended or not, so that the whole never goes back.

        Of several, the one that has taken most steps: a batch has taken as many.
        """
        return int(np.argmax(np.where(self.progress == self.progress.min(), self.step, -1)))

    def summary(self) -> Lanes:
        """What the batch as a whole is doing."""
        return Lanes(
            total=self.count,
            finished=int(self.ended.sum()),
            failed=int(self.failed.sum()),
            progress_min=float(self.progress.min()),
            progress_median=round(float(np.median(self.progress)), DIGITS),
            progress_max=float(self.progress.max()),
        )


def fraction_done(t0: Array, t1: Array, t: Array) -> Array:
    """Progress: `(t - t0) / (t1 - t0)`, and 1 where there is nothing to do."""
    length = t1 - t0
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(length == 0.0, 1.0, (t - t0) / length)
