"""What may be lost and why, and the one counter of it: what it counts is reported as `telemetry.dropped`.

Any side, any thread. A run counts its own losses; what is lost where no run is known is counted by `OUTSIDE`, and told
by the run that is open.
"""

import os
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from soltrace.wire.plain_text import said_by

DETAILS_AT_MOST: Final = 32
"""A failure's message may differ each time; beyond this many they are one."""
OTHER_FAILURES: Final = "other reasons"
_DETAIL_AT_MOST: Final = 200
"""Characters of a failure's message."""


class What(StrEnum):
    """What was lost: `what` of `telemetry.dropped`."""

    FORWARD_PASS = "forward pass"
    """A pass that was not begun, of which nothing is told."""
    BACKWARD_PASS = "backward pass"
    PASS_END = "end of a pass"
    """Its last line was made up, because the end itself never came."""
    PROGRESS = "progress"
    STEPS = "steps"
    """Of `detail="steps"`: the oldest that waited."""
    HEARTBEAT = "heartbeat"
    USAGE = "usage of devices"
    """What a backend does not tell; it is not asked again."""
    SIGNAL = "signal"
    """Something that a compiled program told, and that could not be understood."""
    RECORD = "record"
    """A record did not get into one of the sinks."""
    WAIT = "wait for programs"
    """What programs that still run have yet to tell."""
    ATTRIBUTES = "attributes of a solve"
    EXPERIMENT = "experiment of a solve"
    ATTRIBUTE = "attribute"
    """A part of one, of an experiment or a solve; the rest of it is told."""
    SPAN = "span"
    METRIC_POINT = "metric point"
    LOG_RECORD = "log record"


class Why(StrEnum):
    """Why it was lost: `reason` of `telemetry.dropped`."""

    QUEUE_FULL = "queue full"
    NO_SIGN_OF_LIFE = "abandoned: no sign of life"
    RUN_CLOSED = "abandoned: the run was closed"
    INTERRUPTED = "interrupted"
    """By Ctrl-C, or by what else a signal handler raises."""
    NOT_AWAITED = "a barrier failed or took too long"
    RAISED = "raised"
    """The exception's type and message stand in its place."""
    FORGOTTEN = "forgotten before it started"
    TOO_LARGE = "too large"
    EXPORT_QUEUE_FULL = "export queue full"
    EXPORT_FAILED = "export failed"
    NOT_EXPORTED = "not exported in time"
    """Given up at the end of the process, or handed in after it."""


OF_AN_EXPORT: Final = frozenset({Why.EXPORT_QUEUE_FULL, Why.EXPORT_FAILED, Why.NOT_EXPORTED})
"""Why something was lost that soltrace had made, on its way to a backend."""


@dataclass(frozen=True, order=True)
class Loss:
    """So many of something, for one reason."""

    what: What
    why: Why
    detail: str
    """Type and message of what was raised; empty where the reason says it all."""
    dropped: int

    @property
    def reason(self) -> str:
        """The reason in words."""
        return self.detail or self.why.value


class Losses:
    """Counts by what and why."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.RLock()  # what the garbage collector ends may lose something, while it is held
        self._unsaid: Counter[tuple[What, Why, str]] = Counter()
        self._total: Counter[tuple[What, Why, str]] = Counter()

    def add(self, what: What, why: Why, dropped: int = 1) -> None:
        """Count so many of something."""
        if dropped:
            with self._lock:
                self._total[what, why, ""] += dropped
                self._unsaid[what, why, ""] += dropped

    def failed(self, what: What, error: BaseException, *, where: str = "", say: bool = True, dropped: int = 1) -> None:
        """Count what an exception cost.

        Args:
            what: was lost.
            error: the exception.
            where: it was raised, such as the name of a sink.
            say: whether it is to be reported; not if the report of it is what was lost.
            dropped: so many.
        """
        if not dropped:
            return
        detail = f"{where}: {described(error)}" if where else described(error)
        with self._lock:
            key = what, Why.RAISED, detail
            if key not in self._total and len(self._total) >= DETAILS_AT_MOST:
                key = what, Why.RAISED, OTHER_FAILURES
            self._total[key] += dropped
            if say:
                self._unsaid[key] += dropped

    def take(self) -> list[Loss]:
        """What has not been reported yet."""
        with self._lock:
            unsaid, self._unsaid = self._unsaid, Counter()
        return _sorted(unsaid)

    def give_back(self, losses: Iterable[Loss]) -> None:
        """Report these another time."""
        with self._lock:
            for loss in losses:
                self._unsaid[loss.what, loss.why, loss.detail] += loss.dropped

    def waiting(self) -> bool:
        """Say whether there is something to report."""
        return bool(self._unsaid)

    def total(self) -> list[Loss]:
        """Everything, from the beginning."""
        with self._lock:
            return _sorted(self._total)


def _sorted(counts: Counter[tuple[What, Why, str]]) -> list[Loss]:
    return sorted(Loss(what, why, detail, dropped) for (what, why, detail), dropped in counts.items())


def described(error: BaseException) -> str:
    """Put a failure in one short line."""
    return said_by(error, _DETAIL_AT_MOST).replace("\n", " ")


def failures() -> type[BaseException]:
    """Say what of that which some code may raise is a failure of that code, and not Ctrl-C, for an `except`.

    Code of the user's may raise anything (`sys.exit` in a logging handler, a test framework's own exceptions), and that
    is no reason for a thread of ours to end. What a signal handler raises, it raises on the main thread.
    """
    return Exception if threading.current_thread() is threading.main_thread() else BaseException


OUTSIDE: Final = Losses()
"""What is lost where no run is known: by exporters, and before a run could be opened. As long as the process."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=OUTSIDE.__init__)  # what was lost before is the parent's to tell
