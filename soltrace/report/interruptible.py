"""Long questions that end at once where somebody presses Ctrl-C, and say how far they are.

DuckDB itself notices a signal only between large pieces of its work, seconds later, and raises another error for it. So
it works on a thread of its own, while the main thread waits for signals.
"""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_T = TypeVar("_T")
_PATIENCE_S: Final = 5.0
"""For what was interrupted to end and remove its temporary files: the process would be aborted in the midst of it."""
ASKING: Final = "asking"
"""What is done where nothing else is said: many short questions, of which each would begin a bar anew."""
_BETWEEN_S: Final = 0.02
_LOOK_S: Final = 0.1
"""A signal that comes just before a thread begins to wait does not wake it: its exception is raised when it wakes."""


class _Open:
    """The connections that are open: of one question, so there is one at most."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._doing = ASKING
        self._connections: list[DuckDBPyConnection] = []

    def interrupt(self) -> None:
        """Have them give up what they do. Not while one is being closed: that would be the end of the process."""
        with self._lock:
            for connection in self._connections:
                connection.interrupt()

    @contextmanager
    def doing(self, what: str) -> Generator[None]:
        """Say what the questions of the block are for."""
        before, self._doing = self._doing, what
        try:
            yield
        finally:
            self._doing = before

    def progress(self) -> tuple[str, float | None]:
        """Return what is being done, and which share of it is; None where DuckDB does not know."""
        with self._lock:
            shares = [connection.query_progress() for connection in self._connections]
        known = shares[0] / 100 if shares else -1.0
        return self._doing, min(known, 1.0) if known >= 0 and self._doing != ASKING else None

    @contextmanager
    def holding(self, connection: "DuckDBPyConnection") -> Generator[None]:
        """Hold one while it is used."""
        with self._lock:
            self._connections.append(connection)
        try:
            yield
        finally:
            with self._lock:
                self._connections.remove(connection)


CONNECTIONS: Final = _Open()


def interruptible(work: Callable[[], _T], tell: Callable[[str, float | None], None] | None = None) -> _T:
    """Do some work, from which a signal's exception leaves at once.

    Args:
        work: Is called on another thread. What it asks of a connection in `CONNECTIONS` is given up.
        tell: Is called again and again meanwhile, with what is being done and which share of it is, if that is known.

    Returns:
        What the work returns. What it raises is raised.
    """
    results: list[_T] = []
    errors: list[BaseException] = []
    # Held until it is over. Not `join`: before Python 3.13, one that is interrupted takes the thread for ended. Nor an
    # event: what a signal's handler raises in its `wait` may come out as "release unlocked lock".
    going_on = threading.Lock()
    going_on.acquire()

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - it is raised where the work was asked for
            errors.append(error)
        finally:
            going_on.release()

    threading.Thread(target=run, name="soltrace-report", daemon=True).start()
    try:
        while not going_on.acquire(timeout=_LOOK_S):
            if tell is not None:
                tell(*CONNECTIONS.progress())
    except BaseException:
        _give_up(going_on)
        raise
    if errors:
        raise errors[0]
    return results[0]


def _give_up(going_on: threading.Lock) -> None:
    """Interrupt, again and again: between two questions nothing notices it."""
    deadline = time.monotonic() + _PATIENCE_S
    CONNECTIONS.interrupt()
    while not going_on.acquire(timeout=_BETWEEN_S) and time.monotonic() < deadline:
        CONNECTIONS.interrupt()
