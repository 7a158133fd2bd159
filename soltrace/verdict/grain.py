"""Its tolerances are finer than its numbers: the error estimate is rounding, and no step size makes it smaller."""

from typing import Final

from soltrace.verdict.evidence import Evidence
from soltrace.verdict.finding import Finding, figure, share
from soltrace.wire.records import PassStarted

_EPSILON: Final = {
    "float16": 2.0**-10,
    "bfloat16": 2.0**-7,
    "float32": 2.0**-23,
    "complex64": 2.0**-23,
    "float64": 2.0**-52,
    "complex128": 2.0**-52,
}
_REJECTED: Final = 0.3
"""It shows: so many steps are rejected, or it has failed."""


def is_noise(started: PassStarted, times_grain: float = 1.0) -> bool:
    """Say whether both tolerances are below so many times what the state's numbers can tell apart."""
    grain, rtol, atol = _grain(started), started.rtol, started.atol
    if grain is None or not isinstance(rtol, float) or not isinstance(atol, float):
        return False
    return max(rtol, atol) < times_grain * grain


def _grain(started: PassStarted) -> float | None:
    return _EPSILON.get(started.dtype) if isinstance(started.dtype, str) else None


def tolerance_below_grain(evidence: Evidence) -> Finding | None:
    """Tell that both tolerances are below what the state's numbers can tell apart, and that it suffers from it."""
    started, rejected = evidence.started, evidence.rejected_share
    if started is None or evidence.ended.phase != "forward" or not is_noise(started):
        return None
    grain, rtol, atol = _grain(started), started.rtol, started.atol
    failed = evidence.failing.result in {"max_steps_reached", "dt_min_reached"}
    if grain is None or not isinstance(rtol, float) or not isinstance(atol, float):
        return None
    if not failed and rejected < _REJECTED:
        return None
    text = (
        f"rtol={figure(rtol)} and atol={figure(atol)} ask for more than {started.dtype} can tell apart (a relative "
        f"{grain:.2g}): the error estimate is mostly rounding. {share(rejected)} of the steps were rejected"
        + (", and it did not arrive." if failed else ".")
    )
    advice = (
        f"Compute in float64 (jax.config.update('jax_enable_x64', True)), or set rtol to {100 * grain:.1g} or more."
    )
    return Finding("tolerance_below_grain", text, advice, {"rtol": rtol, "atol": atol, "grain": grain})
