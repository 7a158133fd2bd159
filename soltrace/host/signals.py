"""The port: what a compiled program tells the host, and what it is answered.

Host side. The traced room calls `soltrace.host.receive` with these words, on a thread that belongs to the program; it
knows nothing else of this room. Arrays carry the enclosing vmaps as leading axes, outermost first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from functools import cached_property
from typing import Any, Final, Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt
from msgspec import UNSET, UnsetType

from soltrace.host.step_codes import Place
from soltrace.wire.losses import What
from soltrace.wire.plain_text import NAME_AT_MOST, plain_text
from soltrace.wire.records import Attribute

Array: TypeAlias = npt.NDArray[Any]

NEVER: Final = 2**31 - 128
"""The wanted step of a pass about which nothing more is to be said: the largest int32 that is a float32 too."""
LARGEST_TOKEN: Final = 2**31 - 1
"""Of the numbers by which a program names an experiment, or what its solve brings: they pass through int32."""
NEVER_ELAPSED: Final = -1.0
"""As `NEVER`, for a backward pass: `elapsed` never falls below 0."""


def int_pair(handle: int, wanted: int) -> Array:
    """Answer the start of something that counts steps: `int32[2]`."""
    return np.array((handle, min(wanted, NEVER)), np.int32)


def float_pair(elapsed: float, handle: int) -> Array:
    """Answer a backward pass: `float32[2]`. A handle fits a float32: see `soltrace.host.table`."""
    return np.array((elapsed, handle), np.float32)


_NO_STEPS: Final = int_pair(0, NEVER)
_NO_STEP: Final = np.array(NEVER, np.int32)
_NO_HANDLE: Final = np.array(0, np.int32)
_NO_WAY_BACK: Final = float_pair(NEVER_ELAPSED, 0)
_NOTHING_BACK: Final = float_pair(0.0, 0)


class Kind(StrEnum):
    """What a signal is about. A stretch is a solve inside a backward pass, and no pass of its own."""

    refused: What
    """What is lost where there is no room for one more."""

    FORWARD = "forward", What.FORWARD_PASS
    BACKWARD = "backward", What.BACKWARD_PASS
    STRETCH = "stretch", What.SIGNAL
    METER = "meter", What.FORWARD_PASS

    def __new__(cls, value: str, refused: What) -> Self:
        """Make one row of the table."""
        self = str.__new__(cls, value)
        self._value_, self.refused = value, refused
        return self


class Role(Enum):
    """Where in a pass, or in a stretch, a signal stands."""

    START = "start"
    STEP = "step"
    """May be dropped: the next one says more. An end may not, and no start."""
    END = "end"
    DETAIL = "detail"
    """What the steps were like; may be dropped too."""
    FINDING = "finding"
    """What was found in them; may not."""


class Signal(Enum):
    """What happened. The comments tell `ints`; `floats`; the answer. Further columns may follow, and are not read.

    Whoever needs to know what a signal is asks it for its `kind` and its `role`, and finds one type for each kind:
    `soltrace.host.answering` has those that answer, `soltrace.host.translate` those that put into words.
    """

    kind: Kind
    role: Role
    default: Array
    """What it is answered when nobody listens: no handle, and never call again."""

    # shard, shards, experiment, registered, caller; t0, t1, direction, rtol, atol; int32[2] handle, wanted
    FORWARD_START = "forward.start", Kind.FORWARD, Role.START, _NO_STEPS
    # handle, step, accepted, result; t; int32 wanted
    FORWARD_STEP = "forward.step", Kind.FORWARD, Role.STEP, _NO_STEP
    # handle, step, accepted, result; t; int32 handle
    FORWARD_END = "forward.end", Kind.FORWARD, Role.END, _NO_HANDLE
    # handle; -; int32 0. Extras: float[*batch, rows, 4] t0, t1, error, share; int32[*batch, rows, 3] step, or -1; code;
    # largest
    FORWARD_STEPS = "forward.steps", Kind.FORWARD, Role.DETAIL, _NO_HANDLE
    # as before, with more columns: value, what it was before; the place, the element
    FORWARD_NONFINITE = "forward.nonfinite", Kind.FORWARD, Role.FINDING, _NO_HANDLE
    # forward handle, lane of the forward pass; -; float32[2] elapsed wanted, backward handle
    BACKWARD_START = "backward.start", Kind.BACKWARD, Role.START, _NO_WAY_BACK
    # index of the step; elapsed, wanted, backward handle; float32[2] the pair anew
    BACKWARD_STEP = "backward.step", Kind.BACKWARD, Role.STEP, _NO_WAY_BACK
    # forward handle; backward handle; float32[2] zeros
    BACKWARD_END = "backward.end", Kind.BACKWARD, Role.END, _NOTHING_BACK
    # backward handle; -; int32 0. Extras as of FORWARD_NONFINITE, with what the cotangent is of instead of an error
    BACKWARD_NONFINITE = "backward.nonfinite", Kind.BACKWARD, Role.FINDING, _NO_HANDLE
    # forward handle; t0, t1, direction; int32[2] stretch handle, wanted
    STRETCH_START = "stretch.start", Kind.STRETCH, Role.START, _NO_STEPS
    # stretch handle, step, accepted, result; t; int32 wanted
    STRETCH_STEP = "stretch.step", Kind.STRETCH, Role.STEP, _NO_STEP
    # stretch handle, step, accepted, result; t; int32 handle
    STRETCH_END = "stretch.end", Kind.STRETCH, Role.END, _NO_HANDLE
    # as FORWARD_STEPS
    STRETCH_STEPS = "stretch.steps", Kind.STRETCH, Role.DETAIL, _NO_HANDLE
    # as FORWARD_NONFINITE
    STRETCH_NONFINITE = "stretch.nonfinite", Kind.STRETCH, Role.FINDING, _NO_HANDLE
    # caller; -; int32[2] handle, wanted
    METER_START = "meter.start", Kind.METER, Role.START, _NO_STEPS
    # handle, step; progress; int32 wanted
    METER_STEP = "meter.step", Kind.METER, Role.STEP, _NO_STEP
    # handle, step; progress; int32 0
    METER_END = "meter.end", Kind.METER, Role.END, _NO_HANDLE

    def __new__(cls, value: str, kind: Kind, role: Role, default: Array) -> Self:
        """Make one row of the table."""
        self = object.__new__(cls)
        self._value_, self.kind, self.role, self.default = value, kind, role, default
        return self

    @property
    def begins_a_pass(self) -> bool:
        """Whether a pass begins with it."""
        return self.role is Role.START and self.kind is not Kind.STRETCH


def default_answer(signal: Signal) -> Array:
    """What a signal is answered when nobody listens: a copy, which the caller may keep."""
    return signal.default.copy()


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
    dtype: str | UnsetType = UNSET
    """Of the state's numbers."""
    results: tuple[str, ...] = ("successful",)
    """The name of each result code, by index."""
    attributes: tuple[tuple[str, Attribute], ...] = ()
    """Attributes of this solve whose values are known when it is traced."""
    registered: object = None
    """What is held for as long as the program lives, whose start may name it by a number."""
    traced_attributes: tuple[str, ...] = ()
    """Names of the `extras` that come with the start."""
    recomputed: Callable[[int], int] | None = None
    """Steps attempted -> forward steps that a backward pass evaluates again."""
    sharded: Literal["", "prepend", "offset"] = ""
    """How a lane's index follows from its shard: `[shard, *local]`, or `[shard * local[0] + i, *rest]`."""
    events_located: bool = False
    """An event's time is looked for inside the step that it ends, after the loop: FORWARD_END tells it."""
    throws: bool = False
    """A solve that fails stops its program, if anything that it computes is read."""
    watched: tuple[str, ...] = ()
    """Names of the quantities that come after t with each report, and at the end."""
    places: Sequence[Place] = ()
    """Of what tells of values that are not finite: where they may be."""
    components: Sequence[Place] = ()
    """Of what tells of each step: the arrays of the state, whose elements `largest` counts one after the other."""
    backward: Literal["steps", "whole"] = "steps"
    """`steps`: a backward pass transposes each forward step. `whole`: it takes no numerical steps (ImplicitAdjoint).
    Solves inside a backward pass (BacksolveAdjoint) say so by their stretches."""

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Solver, adjoint and controller as lines have them."""
        return tuple(plain_text(name, NAME_AT_MOST) for name in (self.solver, self.adjoint, self.controller))


NOTHING_KNOWN: Final = SolveInfo(solver="unknown", adjoint="unknown", controller="unknown")
"""Of a solve that only a progress meter tells of."""
