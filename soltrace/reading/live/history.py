"""Where a pass has been: its course in a bounded number of points, sparklines of it, and how sure its end is. Pure."""

import math
from array import array
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from soltrace.wire.progress import RecentProgress, speed

MOST_POINTS: Final = 128
"""Twice the widest sparkline: more would not be seen."""
_STRETCHES: Final = 5
"""The recent past is cut into so many stretches, each with a speed of its own."""
_ENOUGH: Final = 3
"""Fewer speeds than this say nothing about how much they vary."""
_NOISE: Final = 1e-3
"""Numbers that differ by no more than this share of them are drawn as equal."""


class Point(NamedTuple):
    """What one report said. NaN stands for what it did not say."""

    time_s: float
    t: float
    """Solver time."""
    taken: float
    """Steps that moved `t`: the accepted ones; of a batch, those that its slowest lane attempted."""
    steps: float
    """Steps attempted; of a batch, the sum over its lanes."""
    rejected: float


_SIZE: Final = len(Point._fields)


class History:
    """Keeps points that are spread evenly over all reports: when it is full, every second one is dropped."""

    def __init__(self) -> None:
        # One number after the other. Not a list of points: for a thousand passes that would be 20 MB.
        self._numbers = array("d")
        self._every = 1
        self._since = 0
        self._tip: Point | None = None

    @property
    def points(self) -> Sequence[Point]:
        """The points, from the first to the latest."""
        starts = range(0, len(self._numbers), _SIZE)
        points = [Point(*self._numbers[start : start + _SIZE]) for start in starts]
        return points if self._tip is None else [*points, self._tip]

    def add(self, point: Point) -> None:
        """Add the latest point."""
        self._since += 1
        if self._numbers and self._since < self._every:
            self._tip = point
            return
        self._tip, self._since = None, 0
        self._numbers.extend(point)
        if len(self._numbers) >= MOST_POINTS * _SIZE:
            self._thin_out()
            self._tip, self._since = point, self._every
            self._every *= 2

    def _thin_out(self) -> None:
        pairs = range(0, len(self._numbers), 2 * _SIZE)
        self._numbers = array("d", (number for pair in pairs for number in self._numbers[pair : pair + _SIZE]))

    def step_sizes(self, width: int) -> list[float]:
        """Return the solver time per step that moved it, in at most `width` numbers."""
        return self._series(width, lambda a, b: _ratio(abs(b.t - a.t), b.taken - a.taken))

    def rejections(self, width: int) -> list[float]:
        """Return the share of steps that were rejected, in [0, 1], in at most `width` numbers."""
        return self._series(width, lambda a, b: _ratio(b.rejected - a.rejected, b.steps - a.steps))

    def rates(self, width: int) -> list[float]:
        """Return the steps per second, in at most `width` numbers."""
        return self._series(width, lambda a, b: _ratio(b.steps - a.steps, b.time_s - a.time_s))

    def _series(self, width: int, of: Callable[[Point, Point], float]) -> list[float]:
        """Return what lies between neighbours of at most `width + 1` points."""
        points = self.points
        count = min(width, len(points) - 1)
        picked = [points[round(i * (len(points) - 1) / count)] for i in range(count + 1)] if count > 0 else []
        return [of(a, b) for a, b in pairwise(picked)]


def _ratio(part: float, whole: float) -> float:
    # Where another lane is the slowest now, it may have fewer steps than the one before: nothing can be said.
    return part / whole if whole > 0 and part >= 0 else math.nan


def sparkline(values: Sequence[float], levels: str, *, least: float | None = None) -> str:
    """Draw numbers as a row of blocks.

    Args:
        values: What is to be drawn. What is not finite becomes a gap.
        levels: The blocks, from the lowest to the highest.
        least: What the lowest block stands for; None for the least of the values.
    """
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return " " * len(values)
    low, high = min(known) if least is None else least, max(known)
    if high - low <= _NOISE * max(abs(high), abs(low)):
        high = low
    # Halved first: the distance between the largest floats is not a float.
    distance = high / 2 - low / 2
    last = len(levels) - 1

    def block(value: float) -> str:
        if not math.isfinite(value):
            return " "
        share = (value / 2 - low / 2) / distance if distance > 0 else 0.0
        return levels[round(min(max(share, 0.0), 1.0) * last)]

    return "".join(map(block, values))


class Estimate(NamedTuple):
    """Seconds from the latest report to the end of a pass, if it goes on as it recently did."""

    likely_s: float
    """At its speed over all of the recent past: the `eta_s` of heartbeats and metrics."""
    low_s: float
    """At the highest speed that it recently kept up for a while."""
    high_s: float | None
    """At the lowest; None if it stood still for a while."""
    rough: bool = False
    """Whether too little is known for a range: then all three are the same."""


def estimate(recent: RecentProgress) -> Estimate | None:
    """Estimate when a pass will be over, and how sure that is, from how much its recent speeds vary.

    Returns:
        The estimate; None if the pass has not moved recently.
    """
    likely_s = recent.eta_s
    if likely_s is None:
        return None
    speeds = sorted(_speeds(recent))
    if len(speeds) < _ENOUGH:
        return Estimate(likely_s, likely_s, likely_s, rough=True)
    if len(speeds) == _STRETCHES:
        # One hiccup is no range: neither the best nor the worst stretch counts.
        speeds = speeds[1:-1]
    left = max(0.0, 1.0 - recent.samples[-1].progress)
    low_s = min(left / speeds[-1], likely_s) if speeds[-1] > 0 else likely_s
    return Estimate(likely_s, low_s, max(left / speeds[0], likely_s) if speeds[0] > 0 else None)


def _speeds(recent: RecentProgress) -> list[float]:
    """Return the progress per second of each stretch."""
    samples = recent.samples
    last = len(samples) - 1
    count = min(_STRETCHES, last)
    cuts = [samples[round(i * last / count)] for i in range(count + 1)]
    found = (speed(a, b) for a, b in pairwise(cuts))
    return [per_second for per_second in found if per_second is not None]
