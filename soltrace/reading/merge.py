"""Brings what many files gain into the order of time while they are followed, by waiting for what is under way.

The lines of several ranks reach a reader in no order: each file is written, polled and passed on by a shared file
system at a pace of its own. A line is held back for a second; what comes later than that is shown where it comes, and
marked.
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
"""In lines: some 60 MB. A flood is in order anyway, as far as each poll sees it."""
_SETTLED_S: Final = 10.0
"""What is older than this when it comes belongs to the past, and waits for nothing. A busy machine delays us too."""
_AHEAD: Final = timedelta(minutes=1)
"""A clock that is further ahead of ours than this, or a line that lies, must not make all others late."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ReorderBuffer:
    """Holds entries back for a moment, and releases them in the order of time.

    Args:
        hold_s: How long an entry waits for others.
        most: How many entries wait at most.
        now: Returns the time, by which entries are old already.
        monotonic: Returns seconds, by which entries have waited.
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
        """Take in entries, and release those that have waited long enough.

        Args:
            entries: What has come, in the order of time as far as each file has one.
            hold: Whether they wait for others. If not, what is held back already waits no longer either.

        Returns:
            The entries that are to be shown now.
        """
        now = self._now()
        arrived = self._monotonic()
        ahead, settled = now + _AHEAD, now - timedelta(seconds=_SETTLED_S)
        released: list[LogEntry] = []
        due = BEFORE_ALL
        for entry in entries:
            at = now if entry.time > ahead else entry.time
            if at < self._shown:
                released.append(structs.replace(entry, late=True))
                continue
            self._order += 1
            heapq.heappush(self._held, (at, self._order, entry))
            if not hold or at <= settled:  # Whatever belongs before it is here.
                due = max(due, at)
            else:
                self._arrivals.append((arrived, at))
        while self._arrivals and (not hold or self._arrivals[0][0] <= arrived - self._hold_s):
            due = max(due, self._arrivals.popleft()[1])
        self._release(released, due)
        return released

    def flush(self) -> list[LogEntry]:
        """Release all that is held back."""
        released: list[LogEntry] = []
        self._release(released, datetime.max.replace(tzinfo=UTC))
        self._arrivals.clear()
        return released

    def _release(self, released: list[LogEntry], due: datetime) -> None:
        held = self._held
        while held and (held[0][0] <= due or len(held) > self._most):
            self._shown, _, entry = heapq.heappop(held)
            released.append(entry)
