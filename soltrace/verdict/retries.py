"""What steps that were tried again tell: how the error of one and the same step falls with its size.

A step that was rejected is tried again from the same state, so the two errors differ by dt alone: error ~ dt^k. Where
a solver is limited by accuracy, k is its order, scattered around it as far as the model is not linear. Where it is
limited by stability, dt is far beyond the range in which the error follows the order: k lies above it, and is always
the same, for it is the steepness of the solver's own polynomial (stability: Hairer and Wanner, Solving Ordinary
Differential Equations II, chapter IV.2). Where the field jumps, the error is dt times the jump: k is 1.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from soltrace.verdict.evidence import Attempt

ERROR_ORDERS: Final[Mapping[str, int]] = {"Bosh3": 3, "Tsit5": 5, "Dopri5": 5, "Dopri8": 8}
"""The order of the error estimate of explicit solvers, above 2: k of a lower one says nothing."""
EXPLICIT: Final = frozenset(
    {*ERROR_ORDERS, "Euler", "Heun", "Midpoint", "Ralston", "LeapfrogMidpoint", "ReversibleHeun"}
)
_SMALLER: Final = 0.999
"""Of its size before: closer together, rounding errors decide."""


@dataclass(frozen=True, slots=True)
class Retries:
    """The steps that were tried again, and those around them."""

    exponents: Sequence[float]
    """k of each, in order of size."""
    attempted: int
    rejected: int
    spread: float
    """Of the sizes of all steps: the standard deviation of their logarithms."""

    @property
    def median(self) -> float:
        """The median of k."""
        return self.exponents[len(self.exponents) // 2]

    @property
    def quartiles_apart(self) -> float:
        """The distance of the quartiles of k."""
        count = len(self.exponents)
        return self.exponents[3 * count // 4] - self.exponents[count // 4]

    def within(self, least: float, most: float) -> float:
        """The share of k in a range."""
        return sum(least <= k <= most for k in self.exponents) / len(self.exponents)


def retries(attempts: Sequence[Attempt]) -> Retries | None:
    """Look at steps that were tried again; None where there are none."""
    sizes = [math.log(abs(attempt.dt)) for attempt in attempts if attempt.dt and math.isfinite(attempt.dt)]
    exponents = sorted(_exponents(attempts))
    if not exponents or not sizes:
        return None
    mean = math.fsum(sizes) / len(sizes)
    spread = math.sqrt(math.fsum((size - mean) ** 2 for size in sizes) / len(sizes))
    return Retries(exponents, len(attempts), sum(not attempt.accepted for attempt in attempts), spread)


def _exponents(attempts: Iterable[Attempt]) -> Iterable[float]:
    for first, second in pairwise(attempts):
        if first.accepted or first.t != second.t or not (first.error and second.error):
            continue
        ratio = second.dt / first.dt if first.dt else math.nan
        if 0.0 < ratio < _SMALLER and math.isfinite(first.error) and math.isfinite(second.error):
            yield math.log(second.error / first.error) / math.log(ratio)
