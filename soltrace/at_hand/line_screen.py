"""The live view where there is no terminal: a line on stderr every few seconds, if there is news, and a summary.

Host side, on the thread that draws. There are no colours, and nothing is ever rewritten: in a file each line stays.
"""

import os
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from soltrace.at_hand.feed import Fed
from soltrace.at_hand.picture import Picture
from soltrace.at_hand.screens import AtOnce
from soltrace.at_hand.story import Story

_EVERY_S: Final = 5.0
_WIDTH: Final = 160


class LineScreen:
    """Writes lines.

    Args:
        every_s: The time from one line to the next, in seconds.
    """

    period_s = 0.5
    thread = threading.Thread

    def __init__(self, every_s: float = _EVERY_S) -> None:
        self._every_s = every_s
        self._story = Story()
        self._picture = Picture(self._story, ascii_only=True)
        self._written_s: float | None = None
        self._said = ""

    def begin(self, at_once: AtOnce) -> None:
        """Begin: nothing is urgent here."""

    def feed(self, records: Sequence[Fed], now_s: float, dropped: int) -> None:
        """Take records in."""
        self._story.feed(records, now_s, dropped)

    def show(self, now_s: float) -> None:
        """Write a line, if the last one is old enough and something has changed."""
        if self._written_s is None:
            self._written_s = now_s
        if now_s - self._written_s < self._every_s or not self._story.began:
            return
        line = self._picture.line(datetime.now(UTC))
        self._written_s = now_s
        if line != self._said:
            self._said = line
            _write([line])

    def finish(self, now_s: float) -> None:
        """Write the summary."""
        del now_s
        _write([line.plain.rstrip() for line in self._picture.summary(datetime.now(UTC), _WIDTH)])

    def abandon(self) -> None:
        """Do nothing: what is written stays."""


def _write(lines: Sequence[str]) -> None:
    """Write to stderr, past its buffer where it is a file: its lock may be held when the process ends."""
    text = "".join(f"{line}\n" for line in lines)
    stream = sys.stderr
    if not text or stream is None:  # pyright: ignore[reportUnnecessaryComparison] - it is under pythonw and daemons
        return
    try:
        fd = stream.fileno()
    except (AttributeError, OSError, ValueError):
        stream.write(text)
    else:
        os.write(fd, text.encode(errors="replace"))
