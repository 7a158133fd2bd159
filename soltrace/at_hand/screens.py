"""Where the live view is shown: what a screen is, and which one suits this process.

Host side. A terminal on stderr, a notebook, or neither: then a line is written every few seconds.
"""

import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeAlias

from soltrace.at_hand.feed import Fed
from soltrace.host.child import is_child_of_multiprocessing

LONGEST_PAUSE_S: Final = 1.0
"""From one picture to the next, at most, whatever they cost."""
_NO_TERMINALS: Final = frozenset({"", "dumb", "unknown"})


AtOnce: TypeAlias = Callable[[Callable[[float], object]], None]
"""Takes all records in that there are by now, and then calls something with the time, while nobody else draws."""


class LiveScreen(Protocol):
    """Shows records, on one thread at a time."""

    period_s: float
    """The time from one picture to the next."""
    thread: type[threading.Thread]
    """What the thread that draws is to be."""

    def begin(self, at_once: AtOnce) -> None:
        """Begin; `at_once` is for what cannot wait for the next picture."""
        ...

    def feed(self, records: Sequence[Fed], now_s: float, dropped: int) -> None:
        """Take records in: what happened, when that is on a monotonic clock, and how many were dropped so far."""
        ...

    def show(self, now_s: float) -> None:
        """Draw what there is, if it is time."""
        ...

    def finish(self, now_s: float) -> None:
        """Leave the place as it is to stay."""
        ...

    def abandon(self) -> None:
        """Leave it as it was, for something has gone wrong."""
        ...


def suitable() -> LiveScreen | None:
    """Make the one for this process; None for a child of `multiprocessing`, whose parent has the terminal."""
    from soltrace.at_hand import marimo_screen, notebook_screen

    if (marimo := marimo_screen.running()) is not None:
        return marimo_screen.MarimoScreen(marimo)
    # Only now: marimo's own kernels are such children.
    if is_child_of_multiprocessing():
        return None
    if (shell := notebook_screen.kernels_shell()) is not None:
        return notebook_screen.NotebookScreen(shell)
    if (fd := _terminal()) is not None:
        from soltrace.at_hand.terminal_screen import TerminalScreen

        return TerminalScreen(fd)
    from soltrace.at_hand.line_screen import LineScreen

    return LineScreen()


def _terminal() -> int | None:
    """The terminal that stderr is, if it can be drawn on."""
    if os.name != "posix" or os.environ.get("TERM", "") in _NO_TERMINALS:
        return None
    try:
        fd = sys.stderr.fileno()
        return fd if os.isatty(fd) else None
    except (AttributeError, OSError, ValueError):  # no file, closed, or none at all
        return None
