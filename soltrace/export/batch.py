"""A bounded queue and one thread that exports from it in batches. What it can't deliver it counts, exactly once.

Host side, any thread. Not the SDK's batch processor: that one's `force_flush` ignores its timeout, its shutdown waits
for a dead backend as long as the exporter does, and what its full queue drops it does not tell
(https://github.com/open-telemetry/opentelemetry-python/issues/4568).
"""

import math
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from soltrace.wire.losses import Why

T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """How much waits, and for how long."""

    delay_s: float
    queue_size: int
    batch_size: int


class Batch(Generic[T]):
    """Takes items from any thread and exports them from a thread of its own."""

    def __init__(
        self,
        export: Callable[[Sequence[T]], bool],
        lost: Callable[[int, Why], None],
        limits: Limits,
        *,
        size: Callable[[T], int] = lambda _: 1,
        name: str = "soltrace-export",
    ) -> None:
        """Start the thread.

        Args:
            export: delivers a batch and says whether it got there; never raises.
            lost: told how many were lost, and why.
            limits: of the queue.
            size: how many losses it is if an item is lost.
            name: of the thread.
        """
        self._export, self._tell, self._limits, self._size, self._name = export, lost, limits, size, name
        self._reset()
        self._start()
        if hasattr(os, "register_at_fork"):
            after_fork = weakref.WeakMethod(self._reset)
            os.register_at_fork(after_in_child=lambda: (reset := after_fork()) and reset())

    def _reset(self) -> None:
        """Begin empty. In the child of a fork too: what waits there is the parent's, which exports it."""
        self._changed = threading.Condition(threading.Lock())
        self._queue: deque[T] = deque()
        self._in_hand: Sequence[T] = ()
        """What is being exported, and not yet known to be delivered or lost."""
        self._in_hand_from = math.inf
        """The number of its first item, until it is delivered or counted as lost."""
        self._taken = 0
        """Items ever put in."""
        self._hurry_to = 0
        """The item up to which somebody waits."""
        self._closed = self._given_up = False
        self._thread: threading.Thread | None = None
        self.lost = 0
        """So many, for whatever reason."""

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        try:
            thread.start()
        except RuntimeError:  # from Python 3.12 on, while the interpreter ends: `stop` counts what is in here
            return
        self._thread = thread

    def put(self, item: T) -> None:
        """Add an item, never waiting for the backend. Full, the oldest one goes."""
        with self._changed:
            closed, dropped = self._closed, 0
            if not closed:
                if len(self._queue) >= self._limits.queue_size:
                    dropped = self._size(self._queue.popleft())
                self._queue.append(item)
                self._taken += 1
                if len(self._queue) == self._limits.batch_size:
                    self._changed.notify_all()
                if self._thread is None:
                    self._start()
        if closed:
            self._lose(self._size(item), Why.NOT_EXPORTED)
        elif dropped:
            self._lose(dropped, Why.EXPORT_QUEUE_FULL)

    def _run(self) -> None:
        while batch := self._take():
            delivered = self._export(batch)
            with self._changed:
                lost = 0 if delivered or self._given_up else sum(map(self._size, batch))
                self._in_hand = ()
            if lost:
                self._lose(lost, Why.EXPORT_FAILED)
            with self._changed:  # only now: who waits for the batch finds its loss counted
                self._in_hand_from = math.inf
                self._changed.notify_all()

    def _take(self) -> Sequence[T]:
        """Wait for a batch; empty: the end."""
        with self._changed:
            due = time.monotonic() + self._limits.delay_s
            while not self._ready(due):
                # Not until `put` wakes it: waking a thread for each item costs the solve more than a look now and then.
                self._changed.wait(max(due - time.monotonic(), 0.0))
                if not self._queue and time.monotonic() >= due:
                    due = time.monotonic() + self._limits.delay_s
            count = min(len(self._queue), self._limits.batch_size)
            if count:
                self._in_hand_from = self._first_waiting()
            self._in_hand = [self._queue.popleft() for _ in range(count)]
            return self._in_hand

    def _ready(self, due: float) -> bool:
        if self._closed:
            return True
        return bool(self._queue) and (
            len(self._queue) >= self._limits.batch_size
            or self._first_waiting() <= self._hurry_to
            or time.monotonic() >= due
        )

    def _first_waiting(self) -> float:
        """The number, from 1, of the oldest item that has not been dealt with."""
        return min(self._in_hand_from, self._taken - len(self._queue) + 1)

    def hurry(self) -> int:
        """Export what is in here now without delay, and return its last number."""
        with self._changed:
            self._hurry_to = self._taken
            self._changed.notify_all()
            return self._hurry_to

    def _lose(self, lost: int, why: Why) -> None:
        self.lost += lost  # told from several threads, and only compared: a lost update is no harm
        self._tell(lost, why)

    def deliver(self, timeout_s: float) -> bool:
        """Have everything that is in here now exported; say whether it was, and nothing was lost meanwhile."""
        before = self.lost
        return self.flush(timeout_s) and self.lost == before

    def flush(self, timeout_s: float) -> bool:
        """Have everything that is in here now dealt with; say whether it is, delivered or counted as lost."""
        last, deadline = self.hurry(), time.monotonic() + timeout_s
        with self._changed:
            while self._first_waiting() <= last:
                remaining = deadline - time.monotonic()
                if remaining <= 0 or self._given_up:
                    return False
                self._changed.wait(remaining)
            return True

    def stop(self, timeout_s: float) -> int:
        """Take no more, export what is in here, and give up the rest; tell how many that is."""
        with self._changed:
            already, self._closed = self._closed, True
            self._changed.notify_all()
        if already:
            return 0
        self.flush(timeout_s)
        with self._changed:
            rest = [*self._in_hand, *self._queue]
            self._given_up = bool(rest)
            self._queue.clear()
            self._changed.notify_all()
        lost = sum(map(self._size, rest))
        if lost:
            self._lose(lost, Why.NOT_EXPORTED)
        return lost
