"""The step size reached `dtmin`."""

from typing import Final

from msgspec import UNSET

from soltrace.verdict.evidence import Evidence
from soltrace.verdict.finding import Finding, figure, times

_FEW: Final = 20
_ADVICE: Final = (
    "Lower dtmin, or leave it out. If the steps then become ever smaller, the field jumps or blows up at that time, or "
    "the model is stiff and wants an implicit solver."
)


def dtmin(evidence: Evidence) -> Finding | None:
    """Tell where the controller would have wanted less than `dtmin`."""
    failing = evidence.failing
    if failing.result == "dt_min_reached":
        where = "" if failing.t is UNSET else f" at t={figure(failing.t)}"
        text = f"{evidence.whose} stopped{where}: the error wanted a step smaller than dtmin."
        return Finding("dtmin", text, _ADVICE, {"t": failing.t} if isinstance(failing.t, float | str) else {})
    forced = [attempt for attempt in evidence.telling if attempt.accepted and attempt.reason == "dtmin"]
    if len(forced) < _FEW:
        return None
    worst = max((attempt.error or 0.0 for attempt in forced), default=0.0)
    by = f", up to {worst:.2g} times" if worst > 1.0 else ""
    text = (
        f"{times(len(forced), 'step')} were taken at dtmin={figure(abs(forced[-1].dt))} though their error was above "
        f"the tolerance{by}, from t={figure(forced[0].t)} on: the result is less accurate than rtol and atol say."
    )
    return Finding("dtmin", text, _ADVICE, {"forced_steps": len(forced), "t": forced[0].t})
