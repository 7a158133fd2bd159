"""A value was not finite: which, and where."""

from typing import Final

from msgspec import UNSET

from soltrace.verdict.evidence import Evidence
from soltrace.verdict.finding import Finding, figure, lane_text
from soltrace.wire.records import LaneNonfinite

_RESULTS: Final = frozenset({"nonfinite", "nonfinite_input"})


def nonfinite(evidence: Evidence) -> Finding | None:
    """Tell the first value that was not finite."""
    backward = evidence.ended.phase == "backward"
    told = [record for record in evidence.nonfinite if backward or _matters(evidence, record)]
    if not told:
        return None if evidence.nonfinite else _by_result(evidence)
    first = (max if backward else min)(told, key=lambda record: record.nonfinite.step)
    value = first.nonfinite
    whose = "" if first.batch_index is UNSET else f" of {lane_text(first.batch_index)}"
    before = "" if value.before is UNSET else f"; it was {figure(value.before)} when the step began"
    stage = "" if value.stage is UNSET else f" in its stage {value.stage}"
    step = f"in step {value.step:,}{stage}, from t={figure(value.t)} on with dt={figure(value.dt)}"
    text = (
        f"The first value that was not finite{whose}: {figure(value.value)} in {value.path}, in the {value.found_in},"
    )
    text += f" {step}{before}."
    if first.phase == "backward" and "Infinity" in str(value.value):
        advice = (
            "The gradient exploded: on its way back from t1 it grew beyond what numbers hold. Shorten the interval, or "
            "cut it into pieces (multiple shooting); chaos, and states that decay fast forwards, make it so."
        )
    elif first.phase == "backward":
        advice = (
            "The gradient, not the solution, is lost there: look for a function whose derivative is infinite at the "
            "value that it is given (sqrt and norm at 0, log, x**p, where on both branches), and make it safe there."
        )
    else:
        advice = (
            "Look at what the field does with that value: sqrt or log of what may become negative, a division by what "
            "may become 0, exp of what is large. If the state blows up, take smaller steps or an implicit solver."
        )
    numbers = {"t": value.t, "step": value.step, "path": value.path, "found_in": value.found_in}
    return Finding("nonfinite", text, advice, numbers)


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
