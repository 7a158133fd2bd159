"""Errands: calls of code of the program's own that may take long, run one after the other on a thread of their own.

Host side. At the end of a span OpenTelemetry's SDK calls each processor of its provider, and `SimpleSpanProcessor` has
the span exported right there: for ten seconds, where the backend is dead. The worker has a log to write meanwhile.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias

from soltrace.wire.losses import OUTSIDE, What, Why, failures
from soltrace.wire.start_thread import start_thread
from soltrace.wire.warn import warn_once

Errand: TypeAlias = Callable[[], object]
WAITING_AT_MOST: Final = 2048
"""Errands that may wait, as many as the SDK's own batch processor keeps; beyond that the oldest go, and are counted."""
_A_MOMENT_S: Final = 0.2
"""Enough for processors that only put spans into a queue, and for an exporter that is near."""
_FOR_THE_THREAD_S: Final = 0.1
"""How long the end waits for a thread that has nothing left to do."""


class Errands:
    """Those of one sink.

    Args:
        what: What is lost with one that is not run, or fails.
        where: Whose they are, as losses say it.
    """

    def __init__(self, what: What, where: str) -> None:
        self._what, self._where = what, where
        self._changed = threading.Condition()
        self._waiting: deque[Errand] = deque()
        self._put = self._done = 0
        """Errands so far; those that are over, or were dropped."""
        self._in_vain = 0
        """How many must be over before they are waited for again: they were in vain."""
        self._thread: threading.Thread | None = None
        self._over = self._at_once = False

    def run(self, errand: Errand) -> None:
        """Have one run, after those before it."""
        if self._at_once or not self._has_thread():
            self._safely(errand)
            return
        with self._changed:
            self._put += 1
            self._waiting.append(errand)
            full = len(self._waiting) > WAITING_AT_MOST
            if full:
                self._waiting.popleft()
                self._done += 1
            self._changed.notify_all()
        if full:
            OUTSIDE.add(self._what, Why.QUEUE_FULL)
            warn_once(f"a processor of the program's own is too slow: each {self._what} too many is lost, and counted")

    def flush(self, timeout_s: float) -> bool:
        """Wait until those so far are over, for so many seconds at most; say whether they are."""
        with self._changed:
            wanted = self._put
            return self._changed.wait_for(lambda: self._done >= wanted, max(timeout_s, 0.0))

    def catch_up(self, before: Callable[[float], bool]) -> None:
        """Wait until those so far are over, but a moment at most, and once only where something hangs.

        Args:
            before: Waits, for so many seconds at most, until those are here that are to be, and says whether they are.
        """
        if self._done < self._in_vain or threading.current_thread() is self._thread:
            return
        deadline = time.monotonic() + _A_MOMENT_S
        here = before(_A_MOMENT_S)
        with self._changed:
            wanted = self._put if here else self._put + 1
            left_s = max(deadline - time.monotonic(), 0.0)
            if not (here and self._changed.wait_for(lambda: self._done >= wanted, left_s)):
                self._in_vain = wanted

    def give_up(self, timeout_s: float) -> int:
        """Forget those that then still wait, and say how many that are, with the one that hangs.

        Those that come later are run at once.
        """
        self.flush(timeout_s)
        with self._changed:
            left, self._at_once = self._put - self._done, True
            self._done += len(self._waiting)
            self._waiting.clear()
        return left

    def close(self) -> None:
        """End the thread, once it has nothing left to do."""
        with self._changed:
            self._over = self._at_once = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(_FOR_THE_THREAD_S)

    def _has_thread(self) -> bool:
        """Say whether there is a thread, started now if need be; at the end of the interpreter none can be."""
        if self._thread is None:
            self._thread = start_thread(self._work, "soltrace-processors")
        return self._thread is not None

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._over)
                if not self._waiting:
                    return
                errand = self._waiting.popleft()
            self._safely(errand)
            with self._changed:
                self._done += 1
                self._changed.notify_all()

    def _safely(self, errand: Errand) -> None:
        try:
            errand()
        except failures() as error:  # the others go on
            OUTSIDE.failed(self._what, error, where=self._where)
