"""Which programs are over, as the threads show that have called them: an error may have stopped one in mid-pass.

Host side, any thread. Nothing tells that a program has died. But on a CPU the call of a program that reports returns
only when the program is over, unless what it is given is still being computed. So where its caller does something else,
no end of its passes will come.
"""

import concurrent.futures.thread
import math
import selectors
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

from soltrace.host.table import PassEntry

Done: TypeAlias = Callable[[], bool]
Mark: TypeAlias = Callable[[], Done]
"""Called on a thread, it returns what says whether all programs are over that this thread has called before."""
CHECK_S: Final = 0.5
"""Who waits for passes looks this often whether one has fallen silent for too long."""
CHECK_SOON_S: Final = 0.01
"""As often while it is about to be known which programs are over."""
LEFT_ALONE_S: Final = 1.0
"""Where other threads idle, one of them may have left a program alone whose results nobody has kept: it has this long
to give a sign of life."""


def calling_thread() -> threading.Thread | None:
    """The thread that is in the call of the program which calls this; None: not known, for this is one of XLA's."""
    thread = threading.current_thread()
    return None if _is_foreign(thread) else thread


class Calls:
    """What the thread that makes this knows of the calls of programs: it is in none itself."""

    def __init__(
        self, mark: Mark | None, threads: Callable[[], Iterable[threading.Thread]] = threading.enumerate
    ) -> None:
        """Mark what this thread has called. No lock of ours is to be held: it calls a program.

        Args:
            mark: is called here; None: what runs on threads of XLA's stays unknown.
            threads: finds all that Python knows.
        """
        self._threads = threads
        self._own_are_over: Done | None = None
        if mark is not None:
            try:
                self._own_are_over = mark()
            except Exception:  # noqa: BLE001 - jax may be set to whatever; then this is not known
                self._own_are_over = None

    @property
    def check_s(self) -> float:
        """How often to look."""
        return CHECK_S if self._own_are_over is None or self._own_are_over() else CHECK_SOON_S

    def over_from(self, entry: PassEntry) -> float:
        """Say from when on the program of an open pass is known to be over; infinity: it may go on."""
        if entry.thread is not None:
            return math.inf if _may_be_in_a_call(entry.thread) else -math.inf
        if self._own_are_over is None or not self._own_are_over():
            return math.inf
        others = [thread for thread in self._threads() if not _is_foreign(thread) and not _is_ours(thread)]
        if any(map(_may_be_in_a_call, others)):
            return math.inf
        return -math.inf if others == [threading.current_thread()] else entry.last_seen + LEFT_ALONE_S

    def may_go_on(self, entry: PassEntry) -> bool:
        """Say whether the program of a pass may still report."""
        return not entry.ended and self.over_from(entry) != -math.inf


def _may_be_in_a_call(thread: threading.Thread) -> bool:
    if thread is threading.current_thread() or not thread.is_alive():
        return False
    frame = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    return frame is None or frame.f_code not in _IDLE


def _is_foreign(thread: threading.Thread) -> bool:
    return isinstance(thread, threading._DummyThread)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage, reportUnknownMemberType, reportAttributeAccessIssue]


def _is_ours(thread: threading.Thread) -> bool:
    return thread.name.startswith("soltrace-")


def _codes(*functions: Any) -> frozenset[Any]:
    return frozenset(function.__code__ for function in functions if hasattr(function, "__code__"))


_IDLE: Final = _codes(
    threading.Condition.wait,
    threading.Thread.join,
    getattr(threading.Thread, "_wait_for_tstate_lock", None),  # of `join`, before Python 3.13
    concurrent.futures.thread._worker,  # noqa: SLF001 # pyright: ignore[reportPrivateUsage, reportUnknownMemberType, reportAttributeAccessIssue]
    *(getattr(kind, "select", None) for kind in vars(selectors).values()),
)
"""Where a thread waits for others. The innermost Python of one in a program's call is its caller."""
