"""How the quantities that a user watches went: of each a bounded number of values, spread over the pass. Pure."""

import math
from array import array
from collections.abc import Iterator
from typing import Final

from soltrace.reading.live.history import MOST_POINTS
from soltrace.reading.text import clean, number
from soltrace.wire.line_values import Watched, json_number

MOST_WATCHED: Final = 8
"""Quantities that are remembered of a pass. Others are in its log."""
_LONGEST_NAME: Final = 10
_IN_A_ROW: Final = 2
"""Quantities that a row of the list names."""


class EvenlyKept:
    """Keeps numbers that are spread evenly over all that were added, and the latest."""

    def __init__(self) -> None:
        self._kept = array("d")
        self._every = 1
        self._added = 0
        self.latest = math.nan

    def add(self, value: float) -> None:
        """Add the latest number."""
        if self._added % self._every == 0:
            self._kept.append(value)
            if len(self._kept) >= MOST_POINTS:
                self._kept = self._kept[::2]
                self._every *= 2
        self._added += 1
        self.latest = value

    def values(self, width: int) -> list[float]:
        """Return at most `width` of them, the first and the latest among them."""
        kept = list(self._kept)
        if self._added and (self._added - 1) % self._every:
            kept.append(self.latest)
        count = min(width, len(kept))
        if count < 2:  # noqa: PLR2004 - there is nothing between one and itself
            return kept[-1:]
        return [kept[round(i * (len(kept) - 1) / (count - 1))] for i in range(count)]


class WatchedCourse:
    """Keeps what each quantity has been."""

    def __init__(self) -> None:
        self._courses: dict[str, EvenlyKept] = {}

    def add(self, watched: Watched) -> None:
        """Take in what they are now."""
        for name, value in watched.items():
            if name not in self._courses and len(self._courses) >= MOST_WATCHED:
                continue
            self._courses.setdefault(name, EvenlyKept()).add(float(value))

    def curves(self, width: int) -> Iterator[tuple[str, list[float]]]:
        """Yield each quantity's name and its course in at most `width` numbers."""
        for name, course in self._courses.items():
            yield clean(name, _LONGEST_NAME), course.values(width)

    def text(self) -> str:
        """Write what the first of them are now: `energy 3.99  mass 1`."""
        return watched_text({name: json_number(course.latest) for name, course in self._courses.items()})


def shown_value(value: float) -> str:
    """Write a quantity with four digits: it stands in a column."""
    return f"{value:.4g}" if math.isfinite(value) else number(json_number(value))


def watched_text(watched: Watched) -> str:
    """Write what the first quantities of a lane are: `energy 3.99`."""
    first = list(watched.items())[:_IN_A_ROW]
    return "  ".join(f"{clean(name, _LONGEST_NAME)} {shown_value(float(value))}" for name, value in first)
