"""A value was not finite: which, and where."""

from typing import Final, TypeVar

from msgspec import UNSET, UnsetType

from soltrace.verdict.evidence import Evidence
from soltrace.verdict.finding import Finding, figure, lane_text
from soltrace.verdict.first_cotangent import cotangent
from soltrace.wire.line_values import Number
from soltrace.wire.records import LaneNonfinite

_Value = TypeVar("_Value", int, Number)
_RESULTS: Final = frozenset({"nonfinite", "nonfinite_input"})


def nonfinite(evidence: Evidence) -> Finding | None:
    """Tell the first value that was not finite."""
    if evidence.ended.phase == "backward" and evidence.nonfinite:
        return cotangent(evidence)
    told = [record for record in evidence.nonfinite if _matters(evidence, record)]
    if not told:
        return None if evidence.nonfinite else _by_result(evidence)
    first = min(told, key=lambda record: _known(record.nonfinite.step))
    value = first.nonfinite
    whose = "" if first.batch_index is UNSET else f" of {lane_text(first.batch_index)}"
    before = "" if value.before is UNSET else f"; it was {figure(value.before)} when the step began"
    stage = "" if value.stage is UNSET else f" in its stage {value.stage}"
    step, t, dt = _known(value.step), _known(value.t), _known(value.dt)
    text = (
        f"The first value that was not finite{whose}: {figure(value.value)} in {value.path}, in the {value.found_in}, "
        f"in step {step:,}{stage}, from t={figure(t)} on with dt={figure(dt)}{before}."
    )
    advice = (
        "Look at what the field does with that value: sqrt or log of what may become negative, a division by what "
        "may become 0, exp of what is large. If the state blows up, take smaller steps or an implicit solver."
    )
    numbers = {"t": t, "step": step, "path": value.path, "found_in": value.found_in}
    return Finding("nonfinite", text, advice, numbers)


def _known(told: _Value | UnsetType) -> _Value | int:
    """What a forward pass tells of each step."""
    return 0 if told is UNSET else told


def _matters(evidence: Evidence, record: LaneNonfinite) -> bool:
    """Whether the solve went on with it, or did not get past it.

    A step that is tried and rejected does no harm, and one that is not finite is rejected, by who rejects steps at all.
    """
    value, lane = record.nonfinite, [] if record.batch_index is UNSET else record.batch_index
    ended = next((one for one in evidence.lanes if one.batch_index == lane), evidence.ended)
    if value.found_in == "initial state" or (ended.steps is not UNSET and not ended.steps.rejected):
        return True
    if ended.status == "ok" or not isinstance(ended.t, float):
        return ended.status == "error"
    if not isinstance(value.t, float) or not isinstance(value.dt, float):
        return True
    return min(value.t, value.t + value.dt) <= ended.t <= max(value.t, value.t + value.dt)


def _by_result(evidence: Evidence) -> Finding | None:
    failing = evidence.failing
    if failing.result not in _RESULTS:
        return None
    where = "" if failing.t is UNSET else f" at t={figure(failing.t)}"
    text = f"{evidence.whose} met a value that is not finite while it solved an equation inside a step{where}."
    advice = "watch='nonfinite' names the value, the step and the place in the pytree."
    return Finding("nonfinite", text, advice, {"t": failing.t} if isinstance(failing.t, float | str) else {})
