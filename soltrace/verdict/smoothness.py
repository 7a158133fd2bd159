"""Its field is not smooth: it jumps, switches to and fro, or is noise, and every jump costs a dozen rejected steps."""

from collections.abc import Sequence
from typing import Final

from soltrace.verdict.evidence import Attempt, Evidence
from soltrace.verdict.finding import Finding, figure, share, times
from soltrace.verdict.grain import is_noise
from soltrace.verdict.retries import ERROR_ORDERS, retries

_FEW_RETRIES: Final = 30
_LINEAR: Final = (0.8, 1.2)
"""k of a step across a jump: its error is dt times the jump."""
_MOST: Final = 0.4
"""The share of retries that are so. Of a smooth model with a solver of order 3 or more, none is."""
_REJECTED: Final = 0.25
"""The share of steps that is lost to it at least."""
_NOISE: Final = 10.0
"""Tolerances so close to the grain of the numbers measure rounding, which falls like dt too."""


def not_smooth(evidence: Evidence) -> Finding | None:
    """Tell that rejected steps met a jump of the field."""
    started, attempts = evidence.started, evidence.telling
    if started is None or started.solver not in ERROR_ORDERS or is_noise(started, _NOISE):
        return None
    found = retries(attempts)
    if found is None or len(found.exponents) < _FEW_RETRIES or found.rejected < _REJECTED * found.attempted:
        return None
    linear = found.within(*_LINEAR)
    if linear < _MOST:
        return None
    where = _where(attempts)
    lost, order = found.rejected / found.attempted, ERROR_ORDERS[started.solver]
    text = (
        f"The vector field is not smooth: {share(lost)} of {times(found.attempted, 'attempt')} were rejected. In "
        f"{share(linear)} of those the error fell only like dt when they were tried again, as it does across a jump, "
        f"and not like dt^{order}. Most of them were at t={figure(where)}."
    )
    advice = (
        "Tell the controller where the field jumps, ClipStepSizeController(..., jump_ts=[...]); make what depends on "
        "the state smooth (tanh for sign), or stop at it with an event and start anew; solve noise as an SDE."
    )
    return Finding("not_smooth", text, advice, {"rejected_share": lost, "t": where})


def _where(attempts: Sequence[Attempt]) -> float:
    """The place at which most steps were rejected."""
    counts: dict[float, int] = {}
    for attempt in attempts:
        if not attempt.accepted:
            counts[attempt.t] = counts.get(attempt.t, 0) + 1
    return max(counts, key=counts.__getitem__)
