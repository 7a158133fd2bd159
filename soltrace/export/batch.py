"""A bounded queue, and the thread that exports it in batches. Whatever can't be delivered is counted, exactly once.

Host side, any thread. It stands in for the SDK's own batch processor, for what that one can't do in version 1.45:

- Its `force_flush` ignores its timeout: with a backend that hangs, a caller who asked for one second waits ten for each
  batch, and is told True (https://github.com/open-telemetry/opentelemetry-python/issues/4568).
- Its `shutdown` leaves in the queue what there is no time for, and tells nobody how much that is.
- What a full queue drops is told to nobody but a metric that is off by default
  (https://github.com/open-telemetry/opentelemetry-python/issues/3152), and counted without a lock: not exactly.

`tests/export/test_sdk.py` fails once the SDK can do one of these: see then whether this file can go.
"""

import math
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from soltrace.wire.losses import Why
from soltrace.wire.start_thread import start_thread

Telemetry = TypeVar("Telemetry")

NOT_IN_HAND: Final = math.inf
"""In place of a number, while nothing is being exported."""


@dataclass(frozen=True)
class Limits:
    """How many items may wait, and how long."""

    delay_s: float
    """Items wait at most this long for their batch to fill up."""
    queue_size: int
    """At most this many items wait. One more drops the oldest."""
    batch_size: int
    """At most this many items are exported at a time."""


class BatchProcessor(Generic[Telemetry]):
    """Takes items from any thread, and exports them on a thread of its own."""

    def __init__(
        self,
        export: Callable[[Sequence[Telemetry]], bool],
        lost: Callable[[Why, int], None],
        limits: Limits,
        *,
        size: Callable[[Telemetry], int] = lambda _: 1,
        name: str = "soltrace-export",
    ) -> None:
        """Start the thread, with an empty queue.

        Args:
            export: delivers a batch, and returns whether it arrived. It never raises.
            lost: is told why items were lost, and how many.
            limits: of the queue and of a batch.
            size: how many losses it is if this item is lost.
            name: of the thread.
        """
        self._export, self._tell, self._limits, self._size, self._name = export, lost, limits, size, name
        self._reset()
        self.start()
        if hasattr(os, "register_at_fork"):
            after_fork = weakref.WeakMethod(self._reset)
            os.register_at_fork(after_in_child=lambda: (reset := after_fork()) and reset())

    def _reset(self) -> None:
        """Start with an empty queue. So does the child of a fork: its parent exports what was waiting."""
        # With a lock that its owner may take again: the garbage collector may end a span in the midst of `put`.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._queue: deque[Telemetry] = deque()
        self._in_hand: Sequence[Telemetry] = ()
        """The batch that is being exported, until it is known whether it arrived."""
        self._in_hand_from = NOT_IN_HAND
        """The number of its first item, until that batch is delivered or counted as lost."""
        self._taken = 0
        """How many items were ever put in: an item's number is its place among these, from 1."""
        self._hurry_to = 0
        """The number of the last item that somebody is waiting for."""
        self._closed = self._given_up = False
        self._thread: threading.Thread | None = None
        self._lost = 0

    def start(self) -> None:
        """Start the thread if there is none, as in the child of a fork.

        Not only when the first item comes: in a short program that is while the interpreter ends, when Python 3.12 and
        later may refuse to start a thread.
        """
        with self._changed:
            self._ensure_started()

    def put(self, item: Telemetry) -> None:
        """Add an item, without ever waiting for the backend. If the queue is full, the oldest item is dropped."""
        with self._lock:  # that of `_changed`, which takes twice as long to take it
            if self._closed:
                lost, why = self._size(item), Why.NOT_EXPORTED
            else:
                lost, why = self._append(item), Why.EXPORT_QUEUE_FULL
        if lost:
            self._lose(why, lost)

    def _append(self, item: Telemetry) -> int:
        """Add an item, and return how many losses that was."""
        queue, limits = self._queue, self._limits
        dropped = self._size(queue.popleft()) if len(queue) >= limits.queue_size else 0
        queue.append(item)
        self._taken += 1
        if self._thread is None:
            self._ensure_started()
        if len(queue) == limits.batch_size:
            self._changed.notify_all()
        return dropped

    def _ensure_started(self) -> None:
        if self._thread is None:
            self._thread = start_thread(self._run, self._name)

    def _run(self) -> None:
        while batch := self._take():
            delivered = self._export(batch)
            with self._changed:
                lost = 0 if delivered or self._given_up else self._sum(batch)
                self._in_hand = ()
            self._lose(Why.EXPORT_FAILED, lost)
            with self._changed:  # Not before: whoever waits for this batch is to find its loss counted.
                self._in_hand_from = NOT_IN_HAND
                self._changed.notify_all()

    def _take(self) -> Sequence[Telemetry]:
        """Wait for a batch to be due, and take it. An empty one is the end."""
        with self._changed:
            due = time.monotonic() + self._limits.delay_s
            while not self._is_due(due):
                # Not until `put` notifies: waking this thread for each item would cost the solve more than looking at
                # the queue from time to time does.
                self._changed.wait(max(due - time.monotonic(), 0.0))
                if not self._queue and time.monotonic() >= due:
                    due = time.monotonic() + self._limits.delay_s
            count = min(len(self._queue), self._limits.batch_size)
            if count:
                self._in_hand_from = self._first_pending()
            self._in_hand = [self._queue.popleft() for _ in range(count)]
            return self._in_hand

    def _is_due(self, due: float) -> bool:
        if self._closed:
            return True
        return bool(self._queue) and (
            len(self._queue) >= self._limits.batch_size
            or self._first_pending() <= self._hurry_to
            or time.monotonic() >= due
        )

    def _first_pending(self) -> float:
        """The number of the oldest item that is neither delivered nor counted as lost."""
        return min(self._in_hand_from, self._taken - len(self._queue) + 1)

    def _sum(self, items: Sequence[Telemetry]) -> int:
        return sum(map(self._size, items))

    def _lose(self, why: Why, lost: int) -> None:
        if lost:
            with self._changed:
                self._lost += lost
            self._tell(why, lost)

    def hurry(self) -> int:
        """Export what is in the queue without waiting for a batch to fill up.

        Returns:
            The number of the last item in the queue.
        """
        with self._changed:
            self._hurry_to = self._taken
            if self._queue:
                self._ensure_started()
            self._changed.notify_all()
            return self._hurry_to

    def flush(self, timeout_s: float) -> bool:
        """Export what has been put in so far.

        Args:
            timeout_s: the longest to wait, in seconds.

        Returns:
            Whether all of it was dealt with in time: delivered, or counted as lost.
        """
        last, deadline = self.hurry(), time.monotonic() + timeout_s
        with self._changed:
            while self._first_pending() <= last:
                remaining = deadline - time.monotonic()
                if remaining <= 0 or self._given_up or self._thread is None:
                    return False
                self._changed.wait(remaining)
            return True

    def deliver(self, timeout_s: float) -> bool:
        """Export what has been put in so far, as `flush` does, and return whether all of it arrived in time."""
        before = self._lost
        return self.flush(timeout_s) and self._lost == before

    def stop(self, timeout_s: float) -> int:
        """Accept no further items, export those in the queue, then give up the rest.

        Args:
            timeout_s: the longest to wait, in seconds.

        Returns:
            How many losses the rest was. They have been counted.
        """
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
        lost = self._sum(rest)
        self._lose(Why.NOT_EXPORTED, lost)
        return lost
