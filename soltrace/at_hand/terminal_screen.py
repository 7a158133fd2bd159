"""The live view on the terminal that stderr is: a few rows at its foot, and a summary when it is left.

Host side, on the thread that draws.
"""

import io
import os
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from rich.console import Console
from rich.segment import Segment, Segments
from rich.text import Text

from soltrace.at_hand.attention import Attention, Watcher
from soltrace.at_hand.feed import Fed
from soltrace.at_hand.guard import Guard
from soltrace.at_hand.picture import Picture
from soltrace.at_hand.region import Region
from soltrace.at_hand.screens import LONGEST_PAUSE_S, AtOnce
from soltrace.at_hand.story import Story

_PERIOD_S: Final = 0.25
"""As often as anybody looks. What a picture takes of the interpreter's lock, the program may want."""
_CALM_S: Final = 1.0
"""While nothing is heard, so often: somebody may have cleared the screen, and silence has a time."""
_STOPPED_S: Final = LONGEST_PAUSE_S + 0.25
"""Later than this after a look, the process may have been stopped, and others have drawn."""
_MOST_ROWS: Final = 10
_SHARE: Final = 3
"""No more than one row in so many."""
_LEAST_HEIGHT: Final = 4
_WIDTH: Final = 80
"""Of a terminal that does not know its own."""


class TerminalScreen:
    """Draws on a terminal.

    Args:
        fd: Of the terminal.
    """

    period_s = _PERIOD_S
    thread = threading.Thread

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._guard = Guard(fd)
        self._region = Region(fd, self._guard)
        self._watcher = Watcher(fd)
        self._story = Story()
        encoding = (getattr(sys.stderr, "encoding", None) or "ascii").lower().replace("-", "")
        self._picture = Picture(self._story, ascii_only=not encoding.startswith("utf"))
        self._console = Console(file=io.StringIO(), force_terminal=True, highlight=False, legacy_windows=False)
        self._shown_s = self._looked_s = 0.0
        self._anew = self._news = True

    def begin(self, at_once: AtOnce) -> None:
        """Begin: nothing is urgent here."""

    def feed(self, records: Sequence[Fed], now_s: float, dropped: int) -> None:
        """Take records in."""
        self._story.feed(records, now_s, dropped)
        self._news = self._news or bool(records)

    def show(self, now_s: float) -> None:
        """Draw, if there is news and the terminal is ours."""
        if self._looked_s and now_s - self._looked_s > _STOPPED_S:
            self._anew = True
        self._looked_s = now_s
        attention = self._watcher.look()
        if attention is Attention.DEBUGGER:
            self._region.tidy()
        elif attention is Attention.ELSEWHERE:
            self._region.forget()
        if attention is not Attention.OURS:
            self._anew = True
            return
        size = os.get_terminal_size(self._fd)
        changed = size != os.terminal_size((self._console.width, self._console.height))
        if not (self._anew or self._news or changed or now_s - self._shown_s >= _CALM_S):
            return
        self._console.size = size  # pyright: ignore[reportAttributeAccessIssue] - a pair, as rich's own
        if size.lines < _LEAST_HEIGHT:
            self._region.tidy()
            return
        room = max(1, min(_MOST_ROWS, size.lines // _SHARE))
        lines = self._picture.frame(datetime.now(UTC), now_s, size.columns, room)
        self._region.show(self._rendered(lines), anew=self._anew)
        self._anew = self._news = False
        self._shown_s = now_s

    def finish(self, now_s: float) -> None:
        """Leave a summary, where it disturbs nobody."""
        del now_s
        attention = self._watcher.look()
        if attention is Attention.ELSEWHERE:
            self._region.forget()
        ours = attention in {Attention.OURS, Attention.DEBUGGER}
        width = os.get_terminal_size(self._fd).columns or _WIDTH
        self._console.size = (width, _LEAST_HEIGHT)  # pyright: ignore[reportAttributeAccessIssue] - as above
        self._region.leave(self._rendered(self._picture.summary(datetime.now(UTC), width)) if ours else [])
        self._guard.dismiss()

    def abandon(self) -> None:
        """Leave nothing."""
        self._region.tidy()
        self._guard.dismiss()

    def _rendered(self, lines: Sequence[Text]) -> list[str]:
        # Not one by one as texts, which rich would measure, wrap and pad: they fit.
        console = self._console
        segments: list[Segment] = []
        for line in lines:
            segments += Segment.apply_style(line.render(console), console.get_style(line.style))
            segments.append(Segment.line())
        with console.capture() as captured:
            console.print(Segments(segments), end="", crop=False)
        return captured.get().splitlines()
