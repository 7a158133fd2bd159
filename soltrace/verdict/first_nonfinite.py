"""A value was not finite: which, and where."""

from typing import Final

from msgspec import UNSET

from soltrace.verdict.evidence import Evidence
from soltrace.verdict.finding import Finding, figure, lane_text

_RESULTS: Final = frozenset({"nonfinite", "nonfinite_input"})


def nonfinite(evidence: Evidence) -> Finding | None:
    """Tell the first value that was not finite."""
    if not evidence.nonfinite:
        return _by_result(evidence)
    if evidence.ended.status == "ok" and evidence.ended.phase == "forward" and not _it_stayed(evidence):
        return None
    pick = max if evidence.ended.phase == "backward" else min
    first = pick(evidence.nonfinite, key=lambda record: record.nonfinite.step)
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


def _it_stayed(evidence: Evidence) -> bool:
    """Whether the solve went on with it. A step that is tried and rejected does no harm, and one that is not finite is.

    So it stayed where it was there at the beginning, or where nothing was rejected.
    """
    if any(record.nonfinite.found_in == "initial state" for record in evidence.nonfinite):
        return True
    lanes = {tuple(lane.batch_index): lane.steps for lane in evidence.lanes}
    for record in evidence.nonfinite:
        lane = () if record.batch_index is UNSET else tuple(record.batch_index)
        steps = lanes.get(lane, evidence.ended.steps)
        if steps is not UNSET and not steps.rejected:
            return True
    return False


def _by_result(evidence: Evidence) -> Finding | None:
    failing = evidence.failing
    if failing.result not in _RESULTS:
        return None
    where = "" if failing.t is UNSET else f" at t={figure(failing.t)}"
    text = f"{evidence.whose} met a value that is not finite while it solved an equation inside a step{where}."
    advice = "watch='nonfinite' names the value, the step and the place in the pytree."
    return Finding("nonfinite", text, advice, {"t": failing.t} if isinstance(failing.t, float | str) else {})
