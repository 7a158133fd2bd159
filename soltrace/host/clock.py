"""The clocks that a recorder reads, injected so that tests can hold them still.

Host side, any thread.
"""

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Tell the time, and wait."""

    def time_ns(self) -> int:
        """Nanoseconds since 1970, UTC: for what is written down."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back: for durations and pacing."""
        ...

    def wait(self, condition: threading.Condition, timeout_s: float) -> None:
        """Wait on a condition that is held, at most so long."""
        ...


class SystemClock:
    """The machine's clocks."""

    def time_ns(self) -> int:
        """Nanoseconds since 1970."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Seconds since some moment. Not `time.monotonic`: the finer clock sees what a callback costs."""
        return time.perf_counter()

    def wait(self, condition: threading.Condition, timeout_s: float) -> None:
        """Wait until notified."""
        condition.wait(timeout_s)
