"""What records say of single steps.

Any side, any thread.
"""

from typing import Final

from msgspec import UNSET, Struct, UnsetType

from soltrace.wire.line_values import Number


class AttemptedSteps(Struct, frozen=True, kw_only=True, gc=False):
    """Attempted steps, one after the other, as columns: each list has one item a step."""

    step: list[int]
    """Which attempt of its lane it is, from 1."""
    t: list[Number]
    """Where it begins, in the user's time."""
    dt: list[Number]
    """How far it goes, in the user's time: negative where that runs backwards."""
    accepted: list[bool]
    """Whether the step size controller accepted it."""
    reason: list[str]
    """Why. Of a rejected step, `error`: the error estimate is above the tolerance; `nonfinite`: the new state or the
    error estimate is not finite; `nonlinear`: the nonlinear solver of an implicit step failed; `controller`: a step
    size controller that does not tell. Of an accepted one, `dtmin`: it could not be smaller, whatever its error;
    `jump`: it ends at a jump; `event`: an event occurred in it; or else empty.
    """
    scaled_error: list[Number] | UnsetType = UNSET
    """The error estimate over the tolerance, unitless: above 1 a step is rejected. Known of `PIDController`."""
    error_in: list[str] | UnsetType = UNSET
    """Which element of the state has the largest part in the scaled error, such as `y['membrane'][3]`; empty where the
    error is zero or not finite. Known of `PIDController` with its own norm, and a state of more than one number.
    """
    error_share: list[Number] | UnsetType = UNSET
    """How large that part is: its square over the sum of all squares, unitless, in [0, 1]."""
    batch_index: list[list[int]] | UnsetType = UNSET
    """The lane of each. Not known of a single solve."""


OF_A_RESULT: Final = "cotangent of the result"
OF_A_STATE: Final = "cotangent of the state"
OF_AN_INPUT: Final = "cotangent of an input"


class Nonfinite(Struct, frozen=True, kw_only=True, gc=False):
    """The first value that is not finite: of a forward pass in the order of its steps, of a backward one against it."""

    step: int | UnsetType = UNSET
    """In which attempt of its lane, from 1. Backwards: when this step was transposed, or in which step of the solve
    back (`BacksolveAdjoint`). Not known of the cotangents of a result or an input.
    """
    t: Number | UnsetType = UNSET
    """Where that step begins, in the user's time; of the cotangent of a result, where that was saved."""
    dt: Number | UnsetType = UNSET
    """How far it goes, in the user's time."""
    found_in: str
    """Forwards `initial state`, `vector field`, `state` or `error estimate`. Backwards `cotangent of the result`: it
    came so from what was computed of the result, such as a loss; `cotangent of the state`: it became so in this step;
    or `cotangent of an input`: those of the state were finite all the way. Of a solve back, as forwards: `path` says
    whether it is in the state or in a cotangent.
    """
    stage: int | UnsetType = UNSET
    """Of the vector field: in which stage of the step it was evaluated, from 1."""
    path: str
    """Where in the pytree, such as `y['membrane'][3]`; of a result `ys`, of an input `y0`, `args` or `terms`. Of a
    solve back `y`, `cotangent of y`, `cotangent of args` or `cotangent of terms`.
    """
    value: Number
    """What it is."""
    before: Number | UnsetType = UNSET
    """What was in this place of the state when the step began; of a cotangent, what it was where the step ends."""
    primal: Number | UnsetType = UNSET
    """Backwards: the number of the forward pass that it is the cotangent of."""


class ExplodedGradient(Struct, frozen=True, kw_only=True):
    """How a gradient grew beyond what rounding leaves of it: where it was first so, and how large it became.

    It has exploded where the cotangent of the state is more than `1 / eps` times as large as that of the result, both
    as it is and times the number that it is the cotangent of. `eps` is that of the state's dtype, at most 1e-7.
    """

    batch_index: list[int] | UnsetType = UNSET
    """The lane, of those that exploded the one in which it grew most. Not known of a single solve."""
    lanes: int | UnsetType = UNSET
    """In how many lanes it exploded. Not known of a single solve."""
    step: int | UnsetType = UNSET
    """When this attempt of its lane, from 1, was transposed. Not known where a backward pass transposes no steps."""
    t: Number | UnsetType = UNSET
    """Where that step begins, in the user's time. Not known of such a backward pass."""
    dt: Number | UnsetType = UNSET
    """How far it goes, in the user's time."""
    path: str
    """Where in the pytree: of the state `y`, of the initial state `y0`."""
    value: Number
    """How large the cotangent of that was there."""
    primal: Number
    """The number of the forward pass that it is the cotangent of."""
    arrived: Number
    """The largest cotangent of the result, where the backward pass begins."""
    largest: Number
    """The largest cotangent of the state in the whole pass, as far as they were finite."""
