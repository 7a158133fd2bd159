"""When a pass will be over, and how sure that is: from how differently fast it went lately. Pure."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

_STRETCHES: Final = 5
"""The recent past is cut into so many, and each has a speed of its own."""
_ENOUGH: Final = 3
"""Fewer speeds than this say nothing about how different they are."""


class Sample(NamedTuple):
    """Where a pass was at a moment."""

    time_s: float
    steps: int
    progress: float


class Estimate(NamedTuple):
    """Seconds from the latest report until a pass is over, if it goes on as lately."""

    likely_s: float
    """At its speed over all of the recent past."""
    low_s: float
    """At the fastest that it lately went for a while."""
    high_s: float | None
    """At the slowest; None if it stood still for a while."""
    rough: bool = False
    """Too little is known for a range: all three are the same."""


def estimate(samples: Sequence[Sample]) -> Estimate | None:
    """Estimate from the reports of the recent past; None if it did not move."""
    likely = likely_s(samples)
    if likely is None:
        return None
    speeds = sorted(_speeds(samples))
    if len(speeds) < _ENOUGH:
        return Estimate(likely, likely, likely, rough=True)
    if len(speeds) == _STRETCHES:
        # One hiccup is no range: neither the best nor the worst stretch counts.
        speeds = speeds[1:-1]
    left = _left(samples)
    low = min(left / speeds[-1], likely) if speeds[-1] > 0 else likely
    return Estimate(likely, low, max(left / speeds[0], likely) if speeds[0] > 0 else None)


def likely_s(samples: Sequence[Sample]) -> float | None:
    """Estimate without a range."""
    speed = _speed(samples[0], samples[-1]) if samples else None
    return _left(samples) / speed if speed else None


def _left(samples: Sequence[Sample]) -> float:
    return max(0.0, 1.0 - samples[-1].progress)


def _speeds(samples: Sequence[Sample]) -> list[float]:
    """Progress per second of each stretch."""
    last = len(samples) - 1
    count = min(_STRETCHES, last)
    cuts = [samples[round(i * last / count)] for i in range(count + 1)]
    found = (_speed(a, b) for a, b in pairwise(cuts))
    return [speed for speed in found if speed is not None]


def _speed(a: Sample, b: Sample) -> float | None:
    elapsed = b.time_s - a.time_s
    return max(0.0, b.progress - a.progress) / elapsed if elapsed > 0 else None
