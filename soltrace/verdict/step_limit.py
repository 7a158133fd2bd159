"""It ran into `max_steps`: how far it was, and how many steps the whole would have taken."""

import math
from typing import Final

from msgspec import UNSET

from soltrace.verdict.evidence import Evidence
from soltrace.verdict.finding import Finding, about, figure, share, times
from soltrace.verdict.retries import EXPLICIT

_LEAST: Final = 1e-9
"""Of less progress nothing follows: the end is at infinity, or nothing has moved."""
_TOO_MANY: Final = 1e7
"""Nobody waits for so many."""
_ENOUGH: Final = 500
"""So many recorded steps have told whether it is stiff. With `detail="failures"` there are a few dozen."""
_RECENT: Final = 4
"""The rate is that of the last quarter of the steps, where it was reported: a slow end is no slow beginning."""


def max_steps_reached(evidence: Evidence) -> Finding | None:
    """Tell how many steps would have been needed, if it had gone on as it did."""
    failing = evidence.failing
    if failing.result != "max_steps_reached":
        return None
    limit = None if evidence.started is None else evidence.started.max_steps
    where = "" if failing.t is UNSET else f" at t={figure(failing.t)}"
    # A solve inside a backward pass may have a limit of its own, which is not told.
    reached = f"max_steps={limit:,}" if limit is not None and failing.step >= limit else "max_steps"
    text = f"{evidence.whose} stopped at {reached} with {share(failing.progress)} done{where}."
    numbers: dict[str, float | str] = {"steps": failing.step, "progress": failing.progress}
    needed = _needed(evidence)
    if needed is None:
        return Finding("max_steps", text, f"Raise max_steps, if it is to go on. {_otherwise(evidence)}", numbers)
    text += f" Had it gone on at that rate, the whole would have taken {about(needed)} steps."
    if needed > _TOO_MANY:
        advice = f"So many are out of the question: it needs larger steps, not more. {_otherwise(evidence)}"
        return Finding("max_steps", text, advice, numbers | {"needed_steps": needed})
    advice = f"Raise max_steps to {times(_rounded_up(1.25 * needed), 'step')}, loosen the tolerances, or take a solver "
    advice += f"of higher order. {_otherwise(evidence)}"
    return Finding("max_steps", text, advice, numbers | {"needed_steps": needed})


def _needed(evidence: Evidence) -> float | None:
    failing = evidence.failing
    if failing.progress < _LEAST or not failing.step:
        return None
    left, rate = 1.0 - failing.progress, failing.progress / failing.step
    started = evidence.started
    ends = (None, None) if started is None else (started.t0, started.t1)
    if evidence.points and isinstance(ends[0], float) and isinstance(ends[1], float) and isinstance(failing.t, float):
        for step, t in evidence.points:
            if failing.step * (_RECENT - 1) <= step * _RECENT and step < failing.step:
                recent = (failing.t - t) / (ends[1] - ends[0]) / (failing.step - step)
                rate = recent if recent > 0 else rate
                break
    needed = failing.step + left / rate
    return needed if math.isfinite(needed) else None


def _rounded_up(count: float) -> int:
    """Round up to two digits."""
    unit = 10 ** max(0, int(math.log10(count)) - 1)
    return math.ceil(count / unit) * unit


def _otherwise(evidence: Evidence) -> str:
    if evidence.steps_recorded > _ENOUGH or evidence.started is None or evidence.started.solver not in EXPLICIT:
        return "If that is more than you expect, look at dt over t in the report."
    return "If that is more than you expect, detail='steps' tells whether the model is stiff or not smooth."
