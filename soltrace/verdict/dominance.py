"""Which number of the state the errors of most steps are of: what is to be looked at where steps are small."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from soltrace.verdict.evidence import Attempt
from soltrace.verdict.finding import share, times

_MOST: Final = 0.5
"""Of the steps, and of the error in them. With less, others count as much."""


@dataclass(frozen=True, slots=True)
class Dominant:
    """A number of the state, and how far it dominates the scaled error."""

    path: str
    """Where it is in the pytree."""
    attempts: int
    """The recorded steps."""
    steps_share: float
    """The share of them in which it erred most."""
    error_share: float
    """Its share in the sum of the squared errors, on average over those."""

    @property
    def text(self) -> str:
        """The same in words, as a sentence."""
        return (
            f"{self.path} dominates the error: it was the largest in {share(self.steps_share)} of "
            f"{times(self.attempts, 'recorded step')}, with {share(self.error_share)} of the squares on average."
        )


def dominant(attempts: Sequence[Attempt]) -> Dominant | None:
    """Find the one that dominates the error of recorded steps, accepted or not; None where none does."""
    shares: dict[str, list[float]] = {}
    for attempt in attempts:
        if attempt.error_in:
            shares.setdefault(attempt.error_in, []).append(attempt.error_share)
    if not shares:
        return None
    path, own = max(shares.items(), key=lambda item: len(item[1]))
    found = Dominant(path, len(attempts), len(own) / len(attempts), sum(own) / len(own))
    return found if min(found.steps_share, found.error_share) > _MOST else None
