"""What steps were like: rows that a program hands over become the columns of a record.

Host side, on the worker thread.
"""

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from msgspec import UNSET

from soltrace.host.signals import Array
from soltrace.host.step_codes import Place, StepCode
from soltrace.host.values import numbers
from soltrace.wire.records import AttemptedSteps

_SAYS_WHY: Final = int(StepCode.ACCEPTED | StepCode.UNSOLVED | StepCode.JUMP | StepCode.EVENT)
"""Of the bits of a code: those which give a step a reason. So does an error that is too large."""


def attempts(
    floats: Array,
    ints: Array,
    direction: Sequence[float] | Array,
    index: Array | None,
    components: Sequence[Place] = (),
    before: Array | None = None,
) -> AttemptedSteps | None:
    """Make columns of rows, lane by lane.

    Args:
        floats: `[lanes, rows, 4]`, or more: t0, t1, error, share. Times are the solver's own.
        ints: int `[lanes, rows, 3]`, or more: the step, from 0, or -1 where there is none; its code; largest.
        direction: Of each lane: the sign by which its time was multiplied.
        index: int `[lanes, axes]`, their batch indices; None of a single solve.
        components: The arrays of the state, whose elements `largest` counts.
        before: int `[lanes]`, steps of each before the first of the program; None: there are none.

    Returns:
        The columns; None where there is no step.
    """
    lane, row = np.nonzero(ints[..., 0] >= 0)
    if not len(lane):
        return None
    step, code, largest = ints[lane, row, :3].T
    t0, t1, error, share = floats[lane, row, :4].T
    sign = np.asarray(direction, floats.dtype)[lane]
    known, told = bool((code & StepCode.CONTROLLED).all()), bool(components)
    t, dt, *others = numbers(np.stack([sign * t0 + 0.0, sign * (t1 - t0), *[error] * known, *[share] * told]))
    return AttemptedSteps(
        step=(step + 1 if before is None else step + 1 + before[lane]).tolist(),
        t=t,
        dt=dt,
        accepted=(code & StepCode.ACCEPTED != 0).tolist(),
        reason=_reasons(code, error),
        scaled_error=others.pop(0) if known else UNSET,
        error_in=_named(largest, components) if told else UNSET,
        error_share=others.pop(0) if told else UNSET,
        batch_index=UNSET if index is None else index[lane].tolist(),
    )


def _named(largest: Array, components: Sequence[Place]) -> list[str]:
    """Name elements of the state by their numbers; -1 is none."""
    ends = np.cumsum([math.prod(place.shape) for place in components])
    which_ones: list[int] = largest.tolist()
    names = {-1: ""}
    for number in set(which_ones) - {-1}:
        which = int(np.searchsorted(ends, number, side="right"))
        place = components[which]
        names[number], _ = place.element(number - int(ends[which]) + math.prod(place.shape))
    return list(map(names.__getitem__, which_ones))


def _reasons(code: Array, error: Array) -> list[str]:
    """Find why each was accepted or rejected."""
    usual = (code & _SAYS_WHY == StepCode.ACCEPTED) & ~_too_large(code, error)
    reasons = [""] * len(code)
    others = np.flatnonzero(~usual)
    for at, reason in zip(others.tolist(), _unusual(code[others], error[others]), strict=True):
        reasons[at] = reason
    return reasons


def _unusual(code: Array, error: Array) -> list[str]:
    is_set: Callable[[int], Array] = lambda bit: code & bit != 0
    accepted, controlled = is_set(StepCode.ACCEPTED), is_set(StepCode.CONTROLLED)
    reasons: dict[str, Array] = {
        "nonlinear": is_set(StepCode.UNSOLVED),
        "event": accepted & is_set(StepCode.EVENT),
        "jump": accepted & is_set(StepCode.JUMP),
        "dtmin": accepted & _too_large(code, error),
        "nonfinite": ~accepted & controlled & ~np.isfinite(error),
        "error": ~accepted & controlled,
        "controller": ~accepted,
    }
    known = list(reasons)
    return [known[reason] for reason in np.argmax(np.stack(list(reasons.values())), axis=0).tolist()]


def _too_large(code: Array, error: Array) -> Array:
    with np.errstate(invalid="ignore"):
        return (code & StepCode.CONTROLLED != 0) & ~(error < 1.0)
