"""Where a pass has been, from its start to now, in a bounded number of points: what sparklines are drawn from. Pure."""

import math
from array import array
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

MOST_POINTS: Final = 128
"""Twice the widest sparkline: more would not be seen."""


class Point(NamedTuple):
    """What a report said. NaN stands for what it did not say."""

    time_s: float
    t: float
    """Solver time."""
    taken: float
    """Steps that moved `t`: those accepted; of a batch, those its slowest lane attempted."""
    steps: float
    """Steps attempted: of a batch the sum over its lanes."""
    rejected: float


_SIZE: Final = len(Point._fields)


class History:
    """Keep points that are evenly spread over all reports: when it is full, every second one goes."""

    def __init__(self) -> None:
        # One point after the other. Not a list of them: of a thousand passes that would be 20 MB.
        self._numbers = array("d")
        self._every = 1
        self._since = 0
        self._tip: Point | None = None

    @property
    def points(self) -> Sequence[Point]:
        """From the first to the latest."""
        starts = range(0, len(self._numbers), _SIZE)
        points = [Point(*self._numbers[start : start + _SIZE]) for start in starts]
        return points if self._tip is None else [*points, self._tip]

    def add(self, point: Point) -> None:
        """Take the latest."""
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
        """Solver time for each step that moved it."""
        return self._series(width, lambda a, b: _ratio(abs(b.t - a.t), b.taken - a.taken))

    def rejections(self, width: int) -> list[float]:
        """Share of the steps that was rejected, in [0, 1]."""
        return self._series(width, lambda a, b: _ratio(b.rejected - a.rejected, b.steps - a.steps))

    def rates(self, width: int) -> list[float]:
        """Steps a second."""
        return self._series(width, lambda a, b: _ratio(b.steps - a.steps, b.time_s - a.time_s))

    def _series(self, width: int, of: Callable[[Point, Point], float]) -> list[float]:
        """What lies between neighbours of at most `width + 1` points."""
        points = self.points
        count = min(width, len(points) - 1)
        chosen = [points[round(i * (len(points) - 1) / count)] for i in range(count + 1)] if count > 0 else []
        return [of(a, b) for a, b in pairwise(chosen)]


def _ratio(part: float, whole: float) -> float:
    # A slowest lane that is now another one may have fewer steps than the one before: nothing can be said.
    return part / whole if whole > 0 and part >= 0 else math.nan
