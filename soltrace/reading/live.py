"""The live view of a terminal: a row per open pass, what ended scrolls above. The only module that draws with rich."""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, tzinfo
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType
from rich.text import Text

from soltrace.reading.endings import Endings
from soltrace.reading.frame import ASCII, Glyphs, Painter
from soltrace.reading.parse import Parsed
from soltrace.reading.state import OpenPass, Table
from soltrace.reading.text import clean, plural

FRAME_S: Final = 0.1
"""Frames are no closer than this: more often is seen by nobody, and felt by a remote terminal."""
_BRIEF_S: Final = 1.0
"""A younger pass is not shown while others of its kind stream by, or the frame would flicker."""
_FORGOTTEN_S: Final = 600.0
"""A pass silent for longer is counted and has no row: most likely its run was killed."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class LiveView:
    """Show what is going on. A context manager; used from one thread.

    Args:
        console: Where to draw. What is printed on it meanwhile appears above.
        title: What is being followed.
        zone: Whose times are shown; None for this machine's.
        now: Tells the time, to see since when a pass is silent.
        monotonic: Tells seconds, for the pace of what is drawn.
    """

    def __init__(
        self,
        console: Console,
        *,
        title: str = "",
        zone: tzinfo | None = None,
        now: Callable[[], datetime] = _utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.skipped = 0
        """Lines that could not be read, to be said in the last row."""
        self._console = console
        self._title = clean(title)
        self._now = now
        self._monotonic = monotonic
        self._table = Table()
        self._endings = Endings()
        self._glyphs = ASCII if console.options.ascii_only else Glyphs()
        self._painter = Painter(zone, self._glyphs)
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")
        self._drawn_s: float | None = None
        self._frame: list[Text] = []
        self._size = console.size

    def __enter__(self) -> Self:
        self._live.start()
        self.refresh(force=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.refresh(last=True)
        self._live.stop()

    def feed(self, records: Iterable[Parsed]) -> None:
        """Take records, in time order. Nothing is drawn before `refresh`."""
        taken = list(records)
        self._table.feed(taken)
        self._endings.feed(taken, self._monotonic())

    def refresh(self, *, force: bool = False, last: bool = False) -> None:
        """Draw, unless the frame before is too young.

        Args:
            force: Draw in any case.
            last: Draw what stays on the screen when the view is left.
        """
        now = self._monotonic()
        if not (force or last) and self._drawn_s is not None and now - self._drawn_s < FRAME_S:
            return
        self._drawn_s = now
        size = self._console.size
        scrolled = [self._painter.scrolled(item) for item in self._endings.due(now, last=last)]
        frame = self._rows(last=last)
        if not scrolled and frame == self._frame and size == self._size:
            return
        self._mend_after_resize(size.width)
        self._frame = frame
        self._size = size
        self._live.update(Group(*frame))
        with self._console:  # One write for both, or the frame would flicker.
            if scrolled:
                self._console.print(Group(*scrolled))
            self._live.refresh()

    def _rows(self, *, last: bool) -> list[Text]:
        now = self._now()
        passes, forgotten = self._shown(now)
        blocks = self._painter.rows(self._endings.tallies, passes, now, self._console.width)
        room = max(1, self._console.height - 4)
        rows = [line for block in blocks for line in block]
        if len(rows) > room:
            rows = [block[0] for block in blocks]  # Lanes are the first to go.
        if len(rows) > room:
            rows = [*rows[: room - 1], Text(f"and {len(rows) - room + 1:,} more", "dim")]
        if last:
            return [Text(), *rows] if rows else []
        return [Text(), *rows, self._status(len(passes), forgotten)]

    def _shown(self, now: datetime) -> tuple[list[OpenPass], int]:
        heard: list[OpenPass] = []
        forgotten = 0
        for at in self._table.open:
            brief = (now - at.first.timestamp).total_seconds() < _BRIEF_S
            if (now - at.latest).total_seconds() > _FORGOTTEN_S:
                forgotten += 1
            elif not (brief and self._endings.streaming(at.first, at.first.phase)):
                heard.append(at)
        return heard, forgotten

    def _status(self, shown: int, forgotten: int) -> Text:
        table = self._table
        parts = [self._title] if self._title else []
        if shown or table.ended or forgotten:
            parts += [f"{plural(shown, 'pass') if shown else 'none'} open", f"{table.ended:,} ended"]
        else:
            parts.append("waiting for the first solve")
        line = Text(self._glyphs.dot.join(parts), "dim", no_wrap=True, overflow="ellipsis")
        for count, what, style in (
            (table.failed, "failed", "red"),
            (forgotten, "silent for long", "dim"),
            (table.lost, "records lost", "yellow"),
            (self.skipped, "lines skipped", "yellow"),
        ):
            if count:
                line.append(self._glyphs.dot, "dim").append(f"{count:,} {what}", style)
        line.truncate(self._console.width, overflow="ellipsis")
        return line

    def _mend_after_resize(self, width: int) -> None:
        """Take back the rows that the frame gained when the terminal became narrower and wrapped its lines.

        Rich goes up by as many rows as it drew, and would leave the others standing.
        """
        if width >= self._size.width or not self._console.is_terminal:
            return
        wrapped = sum(max(0, line.cell_len - 1) // width for line in self._frame)
        for _ in range(wrapped):
            self._console.control(Control((ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1)))
