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
    """The machine's clocks, as they were set when this was made.

    What a run writes down is in order, and a span as long as it lasted, though the clock is set anew meanwhile: time
    servers do that, and whoever resumes a virtual machine.
    """

    def __init__(self) -> None:
        """Look at the clocks."""
        self._ahead_ns = time.time_ns() - _steady_ns()

    def time_ns(self) -> int:
        """Nanoseconds since 1970."""
        return self._ahead_ns + _steady_ns()

    def monotonic(self) -> float:
        """Seconds since some moment. Not `time.monotonic`: the finer clock sees what a callback costs."""
        return time.perf_counter()

    def wait(self, condition: threading.Condition, timeout_s: float) -> None:
        """Wait until notified."""
        condition.wait(timeout_s)


def _steady_ns() -> int:
    """Nanoseconds that nobody sets. Where the system has it, by the clock that goes on while the machine sleeps."""
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic_ns() if boot_time is None else time.clock_gettime_ns(boot_time)
