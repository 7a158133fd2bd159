"""It is stiff: an explicit solver takes steps as small as stability wants them, though accuracy would allow more."""

from typing import Final

from soltrace.verdict.evidence import Evidence
from soltrace.verdict.finding import Finding, figure, share, times
from soltrace.verdict.retries import ERROR_ORDERS, retries

_FEW_STEPS: Final = 400
"""Who takes no more has no trouble with them, stiff or not."""
_FEW_RETRIES: Final = 30
_ABOVE: Final = 0.6
"""How far k lies above the order. Measured: 0.67 to 3.3 where stability limits, -0.9 to 0.5 where k is as steady."""
_STEADY: Final = 0.25
"""How far the quartiles of k are apart at most. Measured: up to 0.2, and from 0.33 on where accuracy limits."""
_EVEN: Final = 0.3
"""The spread of step sizes at most: they stay where stability wants them."""


def stiff(evidence: Evidence) -> Finding | None:
    """Tell that stability limits the steps, and not accuracy."""
    started, attempts = evidence.started, evidence.telling
    order = None if started is None else ERROR_ORDERS.get(started.solver)
    if started is None or order is None or len(attempts) < _FEW_STEPS:
        return None
    half = list(attempts)[len(attempts) // 3 :]
    found = retries(half)
    if found is None or len(found.exponents) < _FEW_RETRIES:
        return None
    if found.median - order < _ABOVE or found.quartiles_apart > _STEADY or found.spread > _EVEN:
        return None
    sizes = sorted(abs(attempt.dt) for attempt in half)
    dt, span = sizes[len(sizes) // 2], abs(half[-1].t - half[0].t)
    rejected = found.rejected / found.attempted
    text = (
        f"The model is stiff: from t={figure(half[0].t)} to {figure(half[-1].t)} stability held {started.solver} to "
        f"steps of dt={dt:.2g}, {times(found.attempted, 'attempt')} of which {share(rejected)} were rejected. The "
        f"error of a step tried again fell like dt^{found.median:.1f}, every time: accuracy would give "
        f"dt^{order}, and would allow larger steps."
    )
    advice = "Take an implicit solver, such as Kvaerno5 (Kvaerno3 at loose tolerances), or one with an implicit part."
    numbers = {"dt": dt, "span": span, "rejected_share": rejected, "exponent": found.median, "order": order}
    return Finding("stiff", text, advice, numbers)
