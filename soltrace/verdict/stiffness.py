"""It is stiff: an explicit solver takes steps as small as stability wants them, though accuracy would allow more."""

from collections.abc import Iterator, Sequence
from typing import Final

from soltrace.verdict.evidence import Attempt, Evidence
from soltrace.verdict.finding import Finding, figure, share, times
from soltrace.verdict.retries import ERROR_ORDERS, Retries, retries

_STRETCH: Final = 500
"""Steps that are looked at together. Who takes fewer in all has no trouble with them, stiff or not."""
_FEW_RETRIES: Final = 40
"""In a stretch. Where stability limits, every fourth or fifth step is rejected."""
_ABOVE: Final = 0.6
"""How far k lies above the order. Measured: 0.67 to 3.3 where stability limits, -0.9 to 0.5 where k is as steady."""
_STEADY: Final = 0.25
"""How far the quartiles of k are apart at most. Measured: up to 0.2, and from 0.33 on where accuracy limits."""
_STEADY_OF_ALL: Final = 0.1
"""The same as a share of what k lies above the order, where that is much."""
_EVEN: Final = 0.3
"""The spread of step sizes at most: they stay where stability wants them."""
_MOST: Final = 0.4
"""The share of all recorded steps that is spent so, at least."""


def stiff(evidence: Evidence) -> Finding | None:
    """Tell that stability limits the steps, and not accuracy."""
    started, attempts = evidence.started, list(evidence.telling)
    order = None if started is None else ERROR_ORDERS.get(started.solver)
    if started is None or order is None or len(attempts) < _STRETCH:
        return None
    found = [stretch for stretch in _stretches(attempts) if _is_limited(retries(stretch), order)]
    limited = [attempt for stretch in reversed(found) for attempt in stretch]
    if len(limited) < _MOST * len(attempts):
        return None
    tried = retries(limited)
    if tried is None:
        return None
    sizes = sorted(abs(attempt.dt) for attempt in limited)
    dt, first, last = sizes[len(sizes) // 2], limited[0].t, limited[-1].t
    rejected = tried.rejected / tried.attempted
    text = (
        f"The model is stiff: from t={figure(first)} to {figure(last)} stability held {started.solver} to steps of "
        f"dt={dt:.2g}, {times(tried.attempted, 'attempt')} of which {share(rejected)} were rejected. When one was "
        f"tried again, its error fell like dt^{tried.median:.1f}, every time alike; where accuracy limits steps, it "
        f"falls like dt^{order}, and not so evenly."
    )
    advice = "Take an implicit solver, such as Kvaerno5 (Kvaerno3 at loose tolerances), or one with an implicit part."
    numbers = {"dt": dt, "t": first, "rejected_share": rejected, "exponent": tried.median, "order": order}
    return Finding("stiff", text, advice, numbers)


def _stretches(attempts: Sequence[Attempt]) -> Iterator[Sequence[Attempt]]:
    """Cut the steps into stretches. What is left over is the beginning, in which the solver finds its step size."""
    for end in range(len(attempts), _STRETCH - 1, -_STRETCH):
        yield attempts[end - _STRETCH : end]


def _is_limited(found: Retries | None, order: int) -> bool:
    if found is None or len(found.exponents) < _FEW_RETRIES:
        return False
    above = found.median - order
    steady = found.quartiles_apart <= max(_STEADY, _STEADY_OF_ALL * above)
    return above >= _ABOVE and steady and found.spread <= _EVEN
