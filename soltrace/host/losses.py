"""What was lost: counted here, reported as `telemetry.dropped`.

Host side, any thread.
"""

import threading
from collections import Counter
from dataclasses import dataclass
from typing import Final

REASONS_AT_MOST: Final = 32
"""A failure's message may differ each time; beyond this many they are one."""
OTHER: Final = "other reasons"


@dataclass(frozen=True, order=True)
class Loss:
    """So many of something, for one reason."""

    what: str
    reason: str
    dropped: int


class Losses:
    """Counts by what and why."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.Lock()
        self._unsaid: Counter[tuple[str, str]] = Counter()
        self._total: Counter[tuple[str, str]] = Counter()

    def add(self, what: str, reason: str, dropped: int = 1, *, say: bool = True) -> None:
        """Count a loss. `say=False`: only in the total, because the report of it is what was lost."""
        if dropped == 0:
            return
        with self._lock:
            key = (what, reason)
            if key not in self._total and len(self._total) >= REASONS_AT_MOST:
                key = (what, OTHER)
            self._total[key] += dropped
            if say:
                self._unsaid[key] += dropped

    def take(self) -> list[Loss]:
        """What has not been reported yet."""
        with self._lock:
            unsaid, self._unsaid = self._unsaid, Counter()
        return _sorted(unsaid)

    def waiting(self) -> bool:
        """Say whether there is something to report."""
        return bool(self._unsaid)

    def total(self) -> list[Loss]:
        """Everything, from the beginning."""
        with self._lock:
            return _sorted(self._total)


def _sorted(counts: Counter[tuple[str, str]]) -> list[Loss]:
    return sorted(Loss(what, reason, dropped) for (what, reason), dropped in counts.items())


def described(error: BaseException) -> str:
    """A failure in one short line."""
    return f"{type(error).__name__}: {error}".replace("\n", " ")[:200]
