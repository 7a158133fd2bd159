"""Bring what many files gain into the order of time while they are followed: wait a moment for what is under way.

The lines of ranks reach a reader in no order: they are written, polled and passed on by a shared file system at a pace
of their own. A line is held for a second; what comes later than that is shown where it comes, and marked.
"""

import heapq
import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import structs

from soltrace.reading.files.source import BEFORE_ALL, LogEntry

HOLD_S: Final = 1.0
MOST_HELD: Final = 30_000
"""Lines: some 60 MB. A flood is in order anyway, as far as each poll sees it."""
_SETTLED_S: Final = 10.0
"""What is older when it comes is of the past, and waits for nothing. Not less: a busy machine delays us too."""
_AHEAD: Final = timedelta(minutes=1)
"""A clock that is further ahead of ours, or a line that lies, must not make all others late."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ReorderBuffer:
    """Hold lines for a moment, and give them back in the order of their moments.

    Args:
        hold_s: How long a line waits for others.
        most: How many wait at most.
        now: Tells the time, to see which lines are old already.
        monotonic: Tells seconds, for how long a line has waited.
    """

    def __init__(
        self,
        hold_s: float = HOLD_S,
        most: int = MOST_HELD,
        *,
        now: Callable[[], datetime] = _utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hold_s = hold_s
        self._most = most
        self._now = now
        self._monotonic = monotonic
        self._held: list[tuple[datetime, int, LogEntry]] = []
        self._arrivals: deque[tuple[float, datetime]] = deque()
        self._order = 0
        self._shown = BEFORE_ALL

    def feed(self, entries: Iterable[LogEntry], *, hold: bool = True) -> list[LogEntry]:
        """Take lines, in the order of their moments as far as it is there.

        Args:
            entries: What has come.
            hold: Whether they wait for others. If not, what is held does not wait any longer either.

        Returns:
            Those that are to be shown now.
        """
        now = self._now()
        arrived = self._monotonic()
        ahead, settled = now + _AHEAD, now - timedelta(seconds=_SETTLED_S)
        released: list[LogEntry] = []
        due = BEFORE_ALL
        for entry in entries:
            moment = now if entry.moment > ahead else entry.moment
            if moment < self._shown:
                released.append(structs.replace(entry, late=True))
                continue
            self._order += 1
            heapq.heappush(self._held, (moment, self._order, entry))
            if not hold or moment <= settled:  # Whatever belongs before it is here.
                due = max(due, moment)
            else:
                self._arrivals.append((arrived, moment))
        while self._arrivals and (not hold or self._arrivals[0][0] <= arrived - self._hold_s):
            due = max(due, self._arrivals.popleft()[1])
        self._release(released, due)
        return released

    def flush(self) -> list[LogEntry]:
        """Give back all that is held."""
        released: list[LogEntry] = []
        self._release(released, datetime.max.replace(tzinfo=UTC))
        self._arrivals.clear()
        return released

    def _release(self, released: list[LogEntry], due: datetime) -> None:
        held = self._held
        while held and (held[0][0] <= due or len(held) > self._most):
            self._shown, _, entry = heapq.heappop(held)
            released.append(entry)
