"""The lanes of one pass: where each element of a vmapped batch is. A single solve is one lane: see `one_lane`.

Host side, on the worker thread. Lanes are flat arrays here, in the order of their batch index.
"""

import math
from typing import Any, Final

import numpy as np

from soltrace.host.outcomes import EVENT, SUCCESSFUL, Outcomes
from soltrace.host.signals import Array
from soltrace.host.values import columns, common
from soltrace.wire.record_parts import Lanes, Steps

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

    def first_failed(self) -> int | None:
        """The first of them, if there is one."""
        failed = np.flatnonzero(self.failed)
        return int(failed[0]) if len(failed) else None

    def common(self, values: Any) -> Any:
        """The one value that all lanes have, or None."""
        return common(values)

    def in_users_time(self, times: Any) -> Any:
        """A solver's times as the user's. Plus 0.0: there is no -0.0 then."""
        return self.direction * times + 0.0

    def count_steps(self, lane: int | None) -> Steps:
        """Count the steps of a lane, or of all (None)."""
        done, good = (self.step.sum(), self.accepted.sum()) if lane is None else (self.step[lane], self.accepted[lane])
        return Steps(accepted=int(good), rejected=int(done - good))

    def take(self, ints: Array, floats: Array) -> tuple[Array, Array]:
        """Take a solve's steps, attempted and accepted, from what a signal tells; return its results and times."""
        axes = ints.ndim - 1
        _, step, accepted, result = columns(ints, axes)[:4]
        t = columns(floats, axes)[0]
        step, accepted, result, t = self.fit(ints.shape[:axes], step, accepted, result, t)
        self.set("step", self.running, step)
        self.set("accepted", self.running, accepted)
        return self.outcomes.clean(result), t.astype(np.float64)

    def go_on(self, ints: Array, floats: Array, *, events_located: bool) -> None:
        """Take over how far a solve is. A lane whose event is still to be located keeps its place until the end."""
        result, t = self.take(ints, floats)
        code = self.outcomes.code
        by_event = result == code(EVENT)
        if events_located:
            self.stopped = self.stopped | by_event
        self._move(self.running & ~self.stopped, t)
        over = by_event | ((result == code(SUCCESSFUL)) & (t >= self.t1)) | ~self.outcomes.good[result]
        self.end(self.running & ~self.stopped & over, result)

    def arrive(self, ints: Array, floats: Array) -> None:
        """Take over where a solve has ended, and how."""
        result, t = self.take(ints, floats)
        running = self.running
        self._move(running, t)
        self.end(running, result)

    def end(self, which: Array, result: Array | int) -> None:
        """These lanes have ended so."""
        self.set("result", which, np.broadcast_to(result, self.count))
        self.ended = self.ended | which

    def end_all(self, result: int) -> None:
        """Those that still run have ended so."""
        self.end(self.running, result)

    def memory(self) -> Array:
        """What a backward pass has to know: t0, t1, the t reached, direction, steps attempted, steps accepted."""
        return np.stack((self.t0, self.t1, self.t, self.direction, self.step, self.accepted))

    def _move(self, which: Array, t: Array) -> None:
        self.set("t", which, t)
        self.advance(which, fraction_done(self.t0, self.t1, t))

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
