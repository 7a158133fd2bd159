"""The equation inside an implicit step could not be solved."""

from typing import Final

from msgspec import UNSET

from soltrace.verdict.evidence import Evidence
from soltrace.verdict.finding import Finding, figure, share, times
from soltrace.wire.records import Number

_NONLINEAR: Final = {
    "nonlinear_divergence": "its iteration diverged",
    "nonlinear_max_steps_reached": "its iteration did not converge within its steps",
}
_LINEAR: Final = {
    "singular": "the matrix was singular",
    "breakdown": "the iteration broke down",
    "stagnation": "the iteration stagnated",
    "conlim": "the matrix was too badly conditioned",
}
_MANY: Final = 0.6
"""The share of attempts that fail so, where it did arrive. Half is usual: the step grows until they do."""
_FEW: Final = 100


def nonlinear_failed(evidence: Evidence) -> Finding | None:
    """Tell that the nonlinear solver of an implicit step gave up, or often does."""
    failing = evidence.failing
    where = "" if failing.t is UNSET else f" at t={figure(failing.t)}"
    advice = (
        "Take adaptive steps (PIDController), which are made smaller where this happens, or a smaller dt0 or dtmax; "
        "give the solver a root finder with more steps (VeryChord(max_steps=...)), or a more robust one (Newton); "
        "see that the field is smooth in y and finite beyond the solution."
    )
    if failing.result in _NONLINEAR:
        text = f"The nonlinear equation of an implicit step could not be solved{where}: {_NONLINEAR[failing.result]}."
        return Finding("nonlinear_failed", text, advice, _numbers(failing.t))
    attempts = evidence.telling
    failed = sum(attempt.reason == "nonlinear" for attempt in attempts)
    if len(attempts) < _FEW or failed < _MANY * len(attempts):
        return None
    lost = failed / len(attempts)
    text = (
        f"In {times(failed, 'step')} of {len(attempts):,} ({share(lost)}) the nonlinear equation of an implicit step "
        f"could not be solved; each was tried again with a smaller dt."
    )
    return Finding("nonlinear_failed", text, advice, {"failed_steps": failed, "failed_share": lost})


def linear_failed(evidence: Evidence) -> Finding | None:
    """Tell that a linear solve inside a step failed."""
    failing = evidence.failing
    if failing.result not in _LINEAR:
        return None
    where = "" if failing.t is UNSET else f" at t={figure(failing.t)}"
    text = f"A linear system inside a step could not be solved{where}: {_LINEAR[failing.result]}."
    advice = "Look at the Jacobian of the field there: a row of zeros, or states of very different size, make it so."
    return Finding("linear_failed", text, advice, _numbers(failing.t))


def _numbers(t: object) -> dict[str, Number | str]:
    return {"t": t} if isinstance(t, float | str) else {}
