"""Counts what could not be shown by its reason, to be said once, at the end."""

from collections import Counter
from typing import Final

from soltrace.reading.text import clean

_MOST_REASONS: Final = 8
"""Reasons may carry a name out of the file. More different ones than this are counted as "of other kinds"."""


class Problems:
    """Counts the lines that were skipped."""

    def __init__(self) -> None:
        self._reasons: Counter[str] = Counter()
        self._first = ""

    @property
    def total(self) -> int:
        """How many lines have been skipped so far."""
        return self._reasons.total()

    def add(self, reason: str, where: str) -> None:
        """Count one line.

        Args:
            reason: Why it was skipped: completes "a line that is ...".
            where: Where it stands, as `path:line`.
        """
        self._first = self._first or where
        if reason not in self._reasons and len(self._reasons) >= _MOST_REASONS:
            reason = "of other kinds"
        self._reasons[reason] += 1

    def summary(self) -> str | None:
        """Sum up in one line what was skipped; None if nothing was."""
        if not self.total:
            return None
        reasons = ", ".join(f"{count} {clean(reason, 80)}" for reason, count in self._reasons.items())
        lines = "line was" if self.total == 1 else "lines were"
        return f"{self.total} {lines} skipped: {reasons} (first: {clean(self._first, 200)})"
