"""A gradient is not finite: where its first cotangent is that is not, and whether the solve has made it so."""

import math
from typing import Final

from msgspec import UNSET

from soltrace.verdict.evidence import Evidence
from soltrace.verdict.finding import Finding, figure, lane_text
from soltrace.wire.line_values import Number
from soltrace.wire.step_fields import OF_A_RESULT, OF_A_STATE, OF_AN_INPUT, Nonfinite

_LARGE: Final = 1e15
"""Beyond this it has grown for many steps: with what is infinite in one, a gradient gets there at once."""
_EXPLODED: Final = (
    "The gradient exploded: on its way back from t1 it grew beyond what numbers hold. Shorten the interval, or cut it "
    "into pieces (multiple shooting); chaos, and states that decay fast forwards, make it so."
)
_SINGULAR: Final = (
    "look for a function whose derivative is infinite at the value that it is given: sqrt and norm at 0, log, x**p. "
    "Make what goes into it safe, jnp.where(x > 0, jnp.sqrt(jnp.where(x > 0, x, 1.0)), 0.0): a where around the result "
    "alone does not mend its derivative."
)
_ANEW: Final = (
    "This adjoint solves the state backwards anew, and what decays forwards grows then. Take "
    "RecursiveCheckpointAdjoint, diffrax's default: its gradient is that of the steps that were taken."
)
_FORWARD_FIRST: Final = (
    "The forward pass has lost it already: mend that first. watch='nonfinite' names the place there too."
)


def cotangent(evidence: Evidence) -> Finding | None:
    """Tell the first cotangent that was not finite of a backward pass: of several lanes, that which comes first."""
    if not evidence.nonfinite:
        return None
    first = max(evidence.nonfinite, key=lambda record: _how_early(record.nonfinite))
    found = first.nonfinite
    whose = "" if first.batch_index is UNSET else f" of {lane_text(first.batch_index)}"
    began_so = found.found_in == "initial state" and _is_of_the_state(found)
    finite = not began_so and (found.primal is UNSET or _is_finite(found.primal))
    forward = "The solve is finite, its gradient is not" if finite else "Neither the solve nor its gradient is finite"
    text = f"{forward}: {_WHAT.get(found.found_in, _of_a_solve)(found, whose)}"
    numbers = {"path": found.path, "found_in": found.found_in}
    numbers |= {name: value for name in ("t", "step") if (value := getattr(found, name)) is not UNSET}
    return Finding("nonfinite", text, _advice(found) if finite else _FORWARD_FIRST, numbers)


def _of_a_result(found: Nonfinite, whose: str) -> str:
    saved = "" if found.t is UNSET else f", saved at t={figure(found.t)},"
    primal = "" if found.primal is UNSET else f" It is {figure(found.primal)} there."
    return (
        f"the cotangent of {found.path}{whose}{saved} is {figure(found.value)} where the backward pass begins. "
        f"It comes from what is computed of the result, such as a loss, and not from the solve.{primal}"
    )


def _of_an_input(found: Nonfinite, whose: str) -> str:
    primal = "" if found.primal is UNSET else f", which is {figure(found.primal)},"
    return (
        f"the cotangent of {found.path}{whose}{primal} is {figure(found.value)}. Those of the state were finite in "
        "every step: it arises where the vector field uses this value."
    )


def _of_a_state(found: Nonfinite, whose: str) -> str:
    step = "" if found.step is UNSET else f" in step {found.step:,}"
    where = "" if found.t is UNSET or found.dt is UNSET else f", from t={figure(found.t)} on with dt={figure(found.dt)}"
    text = f"on its way back, the cotangent of {found.path}{whose} became {figure(found.value)}{step}{where}."
    if found.before is not UNSET and not _is_finite(found.before):
        # 0 times an infinite derivative: what a lane that is over takes part in, until the others are.
        text += " It was so where the last step of this lane ends, from those of other lanes that it waited for."
    elif found.before is not UNSET:
        text += f" It was {figure(found.before)} where that step ends."
    return text if found.primal is UNSET else f"{text} {found.path} is {figure(found.primal)} where it begins."


def _of_a_solve(found: Nonfinite, whose: str) -> str:
    """Of a backward pass that is a solve of its own."""
    stage = "" if found.stage is UNSET else f" in its stage {found.stage}"
    step = "" if found.step is UNSET else f" in step {found.step:,}{stage}"
    where = "" if found.t is UNSET or found.dt is UNSET else f", from t={figure(found.t)} on with dt={figure(found.dt)}"
    before = "" if found.before is UNSET else f"; it was {figure(found.before)} when the step began"
    the = "" if _is_of_the_state(found) else "the "
    return (
        f"in the solve back{whose}, the first value that was not finite is {figure(found.value)} in "
        f"{the}{found.path}, in the {found.found_in},{step}{where}{before}."
    )


_WHAT: Final = {OF_A_RESULT: _of_a_result, OF_A_STATE: _of_a_state, OF_AN_INPUT: _of_an_input}


def _advice(found: Nonfinite) -> str:
    if found.before is not UNSET and _is_finite(found.before) and abs(float(found.before)) > _LARGE:
        return _EXPLODED
    if found.found_in not in _WHAT and _is_of_the_state(found):
        return _ANEW
    place = {
        OF_A_RESULT: "Look at what your loss does with that value, and",
        OF_AN_INPUT: "Look at what the vector field does with that value, and",
    }
    look = place.get(found.found_in, "Look at what the vector field does with that state, and")
    return f"{look} {_SINGULAR}"


def _how_early(found: Nonfinite) -> float:
    """What a backward pass meets first is the largest."""
    if found.found_in == OF_A_RESULT:
        return math.inf
    if found.step is UNSET:
        return -1.0
    return float(found.step) if found.found_in in _WHAT else 1.0 / found.step


def _is_of_the_state(found: Nonfinite) -> bool:
    """Whether a solve back has it in the state that it solves anew, and not in a cotangent."""
    return not found.path.startswith("cotangent ")


def _is_finite(number: Number) -> bool:
    return not isinstance(number, str) and math.isfinite(number)
