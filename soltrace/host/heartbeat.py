"""Heartbeats: a pass that is open for long is heard of every few seconds, whether it reports or not, and so is a run.

Host side, on the worker thread alone; the program's threads note on the entry when they saw it last.
"""

import heapq
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from msgspec import UNSET, UnsetType

from soltrace.host.clock import Clock
from soltrace.host.passes import PassView
from soltrace.host.table import PassEntry
from soltrace.wire.record_parts import Usage
from soltrace.wire.records import PassHeartbeat, RunHeartbeat

STALLED: Final = 10.0
"""A pass that is silent for so many times its usual gap between two signals has stalled."""


BETWEEN_PASSES: Final = 6
"""So many times less often a run is heard of that has no open pass: it may be left open for days."""
Idle: TypeAlias = Callable[[int, float, Usage | UnsetType], RunHeartbeat | None]
"""Makes the heartbeat of a run without open passes, of the time, the seconds of its silence and what it takes; None:
nothing is to be said of it."""


class Watch:
    """The passes that are open, by when the next heartbeat of each is due; and the run, where none is."""

    def __init__(
        self,
        clock: Clock,
        every_s: float,
        usage: Callable[[], Usage | UnsetType] = lambda: UNSET,
        idle: Idle = lambda time_ns, silent_s, usage: None,  # noqa: ARG005 - as it is called
    ) -> None:
        """Watch none yet; `every_s` infinite: never. `usage` says what the process takes."""
        self._clock, self._every_s, self._usage, self._idle = clock, every_s, usage, idle
        self._heard, self._idle_due = 0.0, math.inf
        self.heard()
        self._due: list[tuple[float, int, PassEntry]] = []
        self._order = itertools.count()
        """Tells entries apart that are due at the same moment: they have no order of their own."""

    def follow(self, entry: PassEntry) -> None:
        """A pass has started. Those before it that are over are forgotten, so that short ones don't gather."""
        if self._every_s != float("inf"):
            self._forget()
            heapq.heappush(self._due, (entry.began + self._every_s, next(self._order), entry))

    def heard(self) -> None:
        """Something was told: nothing is to be said of the run for some time."""
        if self._every_s == math.inf:
            return
        self._heard = self._clock.monotonic()
        self._idle_due = self._heard + BETWEEN_PASSES * self._every_s

    def wait_s(self) -> float | None:
        """Seconds until the next heartbeat may be due; None: none ever is."""
        self._forget()
        due = self._due[0][0] if self._due else self._idle_due
        return max(0.0, due - self._clock.monotonic()) if due != math.inf else None

    def run_beat(self) -> RunHeartbeat | None:
        """The heartbeat of the run, if it is due."""
        if self._due or self._idle_due == math.inf or (now := self._clock.monotonic()) < self._idle_due:
            return None
        self._idle_due = now + BETWEEN_PASSES * self._every_s
        return self._idle(self._clock.time_ns(), now - self._heard, self._usage())

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
