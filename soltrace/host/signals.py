"""The port: what a compiled program tells the host, and what it is answered.

Host side. The traced room calls `soltrace.host.receive` with these words on a thread that belongs to the program; it
knows nothing else of this room. Arrays carry the enclosing vmaps as leading axes, outermost first.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from soltrace.wire.records import Attribute

Array: TypeAlias = npt.NDArray[Any]

NEVER: Final = 2**31 - 128
"""The wanted step of a pass about which nothing more is to be said: the largest int32 that is a float32 too."""
NEVER_ELAPSED: Final = -1.0
"""The same for a backward pass: `elapsed` never falls below 0."""


class Signal(StrEnum):
    """What happened. The comment tells `ints`; `floats`; the answer. Further columns may follow, and are not read."""

    FORWARD_START = "forward.start"  # shard, shards, context, attributes; t0, t1, direction, rtol, atol; as METER_START
    FORWARD_STEP = "forward.step"  # handle, step, accepted, result; t; int32 wanted
    FORWARD_END = "forward.end"  # handle, step, accepted, result; t; int32 handle
    BACKWARD_START = "backward.start"  # forward handle; -; float32[2] elapsed wanted, backward handle
    BACKWARD_STEP = "backward.step"  # index of the step; elapsed, wanted, backward handle; float32[2] the pair anew
    BACKWARD_END = "backward.end"  # forward handle; backward handle; float32[2] zeros
    STRETCH_START = "stretch.start"  # forward handle; t0, t1, direction; int32[2] stretch handle, wanted
    STRETCH_STEP = "stretch.step"  # stretch handle, step, accepted, result; t; int32 wanted
    STRETCH_END = "stretch.end"  # stretch handle, step, accepted, result; t; int32 handle
    METER_START = "meter.start"  # -; -; int32[2] handle, wanted
    METER_STEP = "meter.step"  # handle, step; progress; int32 wanted
    METER_END = "meter.end"  # handle, step; progress; int32 0


@dataclass(frozen=True, kw_only=True, eq=False)
class SolveInfo:
    """What is known of a solve when its program is traced.

    Make one object per trace: the host remembers by its identity how long the steps of this program take. Not equal by
    value: jax would lower two solves as one whose attributes are 1 and True.
    """

    solver: str
    adjoint: str
    controller: str
    max_steps: int | None = None
    results: tuple[str, ...] = ("successful",)
    """The name of each result code, by index."""
    attributes: tuple[tuple[str, Attribute], ...] = ()
    """Attributes of this solve whose values are known when it is traced."""
    registered_attributes: object = None
    """Held for as long as the program lives, whose start may name them by a number."""
    traced_attributes: tuple[str, ...] = ()
    """Names of the `extras` that come with the start."""
    recomputed: Callable[[int], int] | None = None
    """Steps attempted -> forward steps that a backward pass evaluates again."""
    sharded: Literal["", "prepend", "offset"] = ""
    """How a lane's index follows from its shard: `[shard, *local]`, or `[shard * local[0] + i, *rest]`."""
    events_located: bool = False
    """An event's time is looked for inside the step that it ends, after the loop: FORWARD_END tells it."""
    backward: Literal["steps", "whole"] = "steps"
    """`steps`: a backward pass transposes each forward step. `whole`: it takes no numerical steps (ImplicitAdjoint).
    Solves inside a backward pass (BacksolveAdjoint) say so by their stretches."""


NOTHING_KNOWN: Final = SolveInfo(solver="unknown", adjoint="unknown", controller="unknown")
"""Of a solve that only a progress meter tells of."""

_INT_PAIR: Final = frozenset({Signal.FORWARD_START, Signal.STRETCH_START, Signal.METER_START})
_WANTED: Final = frozenset({Signal.FORWARD_STEP, Signal.STRETCH_STEP, Signal.METER_STEP})
_FLOAT_PAIR: Final = frozenset({Signal.BACKWARD_START, Signal.BACKWARD_STEP})


def int_pair(handle: int, wanted: int) -> Array:
    """Answer the start of something that counts steps."""
    return np.array((handle, min(wanted, NEVER)), np.int32)


def float_pair(elapsed: float, handle: int) -> Array:
    """Answer a backward pass. A handle fits a float32: see `soltrace.host.table`."""
    return np.array((elapsed, handle), np.float32)


def default_answer(signal: Signal) -> Array:
    """What a signal is answered when nobody listens: no handle, and never call again."""
    if signal in _INT_PAIR:
        return int_pair(0, NEVER)
    if signal in _WANTED:
        return np.array(NEVER, np.int32)
    if signal in _FLOAT_PAIR:
        return float_pair(NEVER_ELAPSED, 0)
    if signal is Signal.BACKWARD_END:
        return float_pair(0.0, 0)
    return np.array(0, np.int32)
