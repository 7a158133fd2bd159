"""Heartbeats: a pass that is open for long is heard of every few seconds, whether it reports or not.

Host side, on the worker thread alone; the program's threads note on the entry when they saw it last.
"""

import heapq
import itertools
from collections.abc import Callable, Iterator
from typing import Final

from msgspec import UNSET, UnsetType

from soltrace.host.clock import Clock
from soltrace.host.passes import PassView
from soltrace.host.table import PassEntry
from soltrace.wire.records import PassHeartbeat, Usage

STALLED: Final = 10.0
"""A pass that is silent for so many times its usual gap between two signals has stalled."""


class Watch:
    """The passes that are open, by when the next heartbeat of each is due."""

    def __init__(self, clock: Clock, every_s: float, usage: Callable[[], Usage | UnsetType] = lambda: UNSET) -> None:
        """Watch none yet; `every_s` infinite: never. `usage` says what the process takes."""
        self._clock, self._every_s, self._usage = clock, every_s, usage
        self._due: list[tuple[float, int, PassEntry]] = []
        self._order = itertools.count()
        """Tells entries apart that are due at the same moment: they have no order of their own."""

    def follow(self, entry: PassEntry) -> None:
        """A pass has started. Those before it that are over are forgotten, so that short ones don't gather."""
        if self._every_s != float("inf"):
            self._forget()
            heapq.heappush(self._due, (entry.began + self._every_s, next(self._order), entry))

    def wait_s(self) -> float | None:
        """Seconds until the next heartbeat is due; None where no pass is open."""
        self._forget()
        return max(0.0, self._due[0][0] - self._clock.monotonic()) if self._due else None

    def beats(self) -> Iterator[tuple[PassEntry, PassHeartbeat]]:
        """The heartbeats that are due."""
        self._forget()
        if not self._due:
            return
        now, time_ns = self._clock.monotonic(), self._clock.time_ns()
        while self._due and self._due[0][0] <= now:
            due, _, entry = heapq.heappop(self._due)
            if isinstance(view := entry.view, PassView) and not view.over:
                late = (now - due) // self._every_s  # whole beats that were missed are not made up for
                heapq.heappush(self._due, (due + (late + 1) * self._every_s, next(self._order), entry))
                yield entry, view.heartbeat(time_ns, now, self._usage(), stalled=stalled(entry, now))

    def _forget(self) -> None:
        while self._due and not (isinstance(view := self._due[0][2].view, PassView) and not view.over):
            heapq.heappop(self._due)


def stalled(entry: PassEntry, now: float) -> bool:
    """Say whether a pass has been silent for too long. Before its second signal nothing is usual yet."""
    return 0 < STALLED * entry.usual_gap < now - entry.last_seen
