"""Its tolerances are finer than its numbers: the error estimate is rounding, and no step size makes it smaller."""

from typing import Final

from soltrace.verdict.evidence import Evidence
from soltrace.verdict.finding import Finding, share

_EPSILON: Final = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}
_REJECTED: Final = 0.3
"""It shows: so many steps are rejected, or it has failed."""


def tolerance_below_grain(evidence: Evidence) -> Finding | None:
    """Tell that both tolerances are below what the state's numbers can tell apart, and that it suffers from it."""
    started, ended = evidence.started, evidence.ended
    dtype = None if started is None or not isinstance(started.dtype, str) else started.dtype
    grain = _EPSILON.get(dtype.replace("complex64", "float32").replace("complex128", "float64")) if dtype else None
    if started is None or grain is None or ended.phase != "forward":
        return None
    rtol, atol = started.rtol, started.atol
    if not isinstance(rtol, float | int) or not isinstance(atol, float | int) or rtol >= grain or atol >= grain:
        return None
    failed = evidence.failing.result in {"max_steps_reached", "dt_min_reached"}
    if not failed and evidence.rejected_share < _REJECTED:
        return None
    text = (
        f"rtol={rtol:.2g} and atol={atol:.2g} ask for more than {dtype} can tell apart (a relative {grain:.2g}): the "
        f"error estimate is mostly rounding. {share(evidence.rejected_share)} of the steps were rejected"
        + (", and it did not arrive." if failed else ".")
    )
    advice = (
        f"Compute in float64 (jax.config.update('jax_enable_x64', True)), or set rtol to {100 * grain:.1g} or more."
    )
    return Finding(
        "tolerance_below_grain", text, advice, {"rtol": rtol, "atol": atol, "grain": grain, "dtype": dtype or ""}
    )
