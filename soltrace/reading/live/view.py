"""The live view of a terminal: a row for each open pass, news above it; keys select, sort and look closer.

It has the console to itself, on one thread; with a keyboard, that is the main one.
"""

import threading
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

from soltrace.reading.live.columns import ASCII, Glyphs
from soltrace.reading.live.controls import Controls
from soltrace.reading.live.detail import DetailRenderer
from soltrace.reading.live.frame import FrameRenderer
from soltrace.reading.live.keyboard import Keyboard
from soltrace.reading.live.rows import RowRenderer
from soltrace.reading.live.snapshot import Tracker
from soltrace.reading.live.state import Runs
from soltrace.reading.parse import Parsed
from soltrace.reading.runs.run_watch import RunWatch
from soltrace.reading.text import clean

FRAME_S: Final = 0.1
"""The least time between two frames: more of them nobody would see, and a remote terminal would feel."""
FRAME_SHARE: Final = 0.04
"""Of a core, for frames: of ten thousand passes, each takes some time."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class LiveView:
    """Shows what is going on. A context manager, used from one thread.

    ```python
    with LiveView(Console()) as view:
        view.feed(records)
        view.refresh()
    ```

    Args:
        console: Where to draw. What is printed on it meanwhile appears above the frame.
        title: What is being followed.
        zone: The zone in which times are shown; None for this machine's.
        keyboard: Where keys come from; None for a view that only shows.
        watch: Knows which runs are lost; None where nobody is to ask.
        now: Returns the time, by which passes are silent.
        monotonic: Returns seconds, by which frames are drawn.
    """

    def __init__(
        self,
        console: Console,
        *,
        title: str = "",
        zone: tzinfo | None = None,
        keyboard: Keyboard | None = None,
        watch: RunWatch | None = None,
        now: Callable[[], datetime] = _utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.skipped = 0
        """How many lines could not be read: for the last row."""
        self.left = threading.Event()
        """Set when `q` is pressed."""
        self._console = console
        self._keyboard = keyboard if keyboard is not None and keyboard.connected else None
        self._now = now
        self._monotonic = monotonic
        self._ascii = console.options.ascii_only
        runs = Runs()
        glyphs = ASCII if self._ascii else Glyphs()
        self._tracker = Tracker(runs, watch)
        self._controls = Controls()
        self._rows = RowRenderer(zone, glyphs, runs)
        detail = DetailRenderer(self._rows, runs, zone, glyphs)
        self._frames = FrameRenderer(
            self._rows, detail, glyphs, title=clean(title), interactive=self._keyboard is not None
        )
        self._live = self._new_live()
        self._drawn_s: float | None = None
        self._rest_s = FRAME_S
        """For so long nothing is drawn after it."""
        self._frame: list[Text] = []
        self._size = console.size

    def __enter__(self) -> Self:
        if self._keyboard is not None:
            self._keyboard.__enter__()
        if self._keyboard is None or not self._keyboard.away:
            self._live.start()
        self.refresh(force=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._draw(last=True)
            self._live.stop()
        finally:
            if self._keyboard is not None:
                self._keyboard.__exit__()

    def feed(self, records: Iterable[Parsed]) -> None:
        """Take in records, in the order of time. Nothing is drawn before `refresh`."""
        self._tracker.feed(list(records), self._monotonic())

    def refresh(self, *, force: bool = False) -> None:
        """Take keys and draw, unless the last frame is too young.

        Args:
            force: Whether to draw in any case.
        """
        if self._keyboard is not None:
            self.press(*self._keyboard.read())
            if not self._at_the_keyboard(self._keyboard):
                return
        now = self._monotonic()
        young = self._drawn_s is not None and now - self._drawn_s < self._rest_s
        if force or not (young or self._controls.held):
            self._draw()

    def press(self, *keys: str) -> None:
        """Take keys by their names, and show at once what they do."""
        for key in keys:
            self._controls.press(key, self._tracker.snapshot(self._now(), self._controls.query).passes)
        if self._controls.left:
            self.left.set()
        if keys:
            self._draw()

    def listen(self, timeout_s: float) -> None:
        """Wait so many seconds, and take the keys that are pressed meanwhile."""
        until = time.monotonic() + timeout_s
        while not self.left.is_set() and (remaining := until - time.monotonic()) > 0:
            if self._keyboard is None:
                time.sleep(remaining)
            else:
                self.press(*self._keyboard.read(remaining))

    def _at_the_keyboard(self, keyboard: Keyboard) -> bool:
        """Stop when told to, and return whether the terminal is ours to draw on."""
        if keyboard.stop_asked:
            self._stop_drawing()
            keyboard.stop()
        if keyboard.away:
            return False
        if keyboard.take():
            self._start_anew()
        return True

    def _stop_drawing(self) -> None:
        self._live.update(Text())
        self._live.stop()

    def _start_anew(self) -> None:
        """Begin below what another program has written meanwhile."""
        if self._live.is_started:
            # Rich goes up as many rows as it drew, wherever the cursor is now: let these be empty ones.
            self._console.file.write("\n" * len(self._frame))
            self._stop_drawing()
        self._live = self._new_live()
        self._live.start()
        self._frame = []

    def _new_live(self) -> Live:
        return Live(console=self._console, auto_refresh=False, vertical_overflow="crop")

    def _draw(self, *, last: bool = False) -> None:
        began = time.process_time()
        self._compose(last=last)
        self._rest_s = max(FRAME_S, (time.process_time() - began) / FRAME_SHARE)

    def _compose(self, *, last: bool) -> None:
        now = self._drawn_s = self._monotonic()
        size = self._console.size
        held = self._controls.held and not last
        due = [] if held else self._tracker.due(now, self._controls.query, last=last)
        announced = [self._rows.news_line(item) for item in due]
        snapshot = self._tracker.snapshot(self._now(), self._controls.query)
        if last:
            frame = self._frames.remains(snapshot, size)
        else:
            frame = self._frames.frame(snapshot, self._controls, size, self.skipped)
        if self._ascii:
            _spell(announced, frame)
        if not announced and frame == self._frame and size == self._size:
            return
        self._mend_after_resize(size.width)
        self._frame = frame
        self._size = size
        self._live.update(Group(*frame))
        with self._console:  # One write for both, or the frame would flicker.
            if announced:
                self._console.print(Group(*announced))
            self._live.refresh()

    def _mend_after_resize(self, width: int) -> None:
        """Take back the rows that the frame gained when the terminal became narrower and wrapped its lines.

        Rich goes up by as many rows as it drew, and would leave the others standing.
        """
        if width >= self._size.width or not self._console.is_terminal:
            return
        wrapped = sum(max(0, line.cell_len - 1) // width for line in self._frame)
        for _ in range(wrapped):
            self._console.control(Control((ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1)))


def _spell(announced: Iterable[Text], frame: Iterable[Text]) -> None:
    """Write what the terminal has no sign for in signs that it has."""
    for line in announced:
        line.plain = line.plain.encode("ascii", "backslashreplace").decode()
    for line in frame:
        # Not as above: a row that became wider than the terminal would wrap, and rich would lose count of the rows.
        line.plain = line.plain.encode("ascii", "replace").decode()
