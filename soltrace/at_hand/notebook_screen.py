"""The live view in a notebook: one output area for each cell that solves, which updates and stays as a summary.

Host side, on the thread that draws, and at the beginning and the end of a cell on the main one. IPython is no
dependency: where it has a kernel, it is there. Areas are display outputs with an id, which Jupyter, VS Code and Colab
all know, and which are saved with the notebook as they were last.
"""

import importlib
import sys
import threading
import uuid
from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from datetime import UTC, datetime
from typing import Any, Final

from soltrace.at_hand.feed import Fed
from soltrace.at_hand.html import area_html
from soltrace.at_hand.picture import Picture
from soltrace.at_hand.screens import AtOnce
from soltrace.at_hand.story import Story
from soltrace.wire.records import PassRecord

_PERIOD_S: Final = 0.5
"""Each picture is a message, which goes through a server to a browser."""
_CALM_S: Final = 2.0
_WIDTH: Final = 120
"""Columns of the text beside the HTML."""
_MOST_AREAS: Final = 20
"""Of cells that are over, while passes of theirs are still open."""


def kernels_shell() -> Any:
    """Find the IPython shell of a kernel; None in a terminal, or where there is no IPython."""
    get_ipython: Callable[[], Any] | None = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = None if get_ipython is None else get_ipython()
    return None if shell is None or "terminal" in type(shell).__module__ else shell


class Area:
    """The output area of one cell."""

    def __init__(self) -> None:
        self.story = Story()
        self.note: str | None = None
        """How the cell has ended; None while it runs."""
        self.changed = False
        """Whether something has happened since it was drawn."""
        self._picture = Picture(self.story)
        self._id = ""
        self._drawn_s = 0.0

    def draw(self, cell: Context, now_s: float, *, last: bool = False) -> None:
        """Draw it, if anything has happened.

        Args:
            cell: The one that runs now, or has run last: whoever executes a notebook listens to what comes from it.
            now_s: The present, on a monotonic clock.
            last: Whether it is not to be drawn again.
        """
        # While a cell runs, silence has a time, and an estimate runs down.
        calm = self.note is not None or not self.story.open or now_s - self._drawn_s < _CALM_S
        if not self.story.began or (not self.changed and calm and not last):
            return
        over, now = last or self.note is not None, datetime.now(UTC)
        lines = [line.plain.rstrip() for line in self._picture.summary(now, _WIDTH)]
        page = area_html(self.story, self._picture, now, self.note or "", last=over)
        # A copy, for the cell itself may be running in it.
        cell.copy().run(self._publish, {"text/html": page, "text/plain": "\n".join(lines)})
        self.changed, self._drawn_s = False, now_s

    def _publish(self, data: dict[str, str]) -> None:
        ipython: Any = importlib.import_module("IPython.display")
        if self._id:
            ipython.update_display(data, raw=True, display_id=self._id)
        else:
            self._id = uuid.uuid4().hex
            ipython.display(data, raw=True, display_id=self._id)


class NotebookScreen:
    """Draws in the cells of a notebook.

    Args:
        shell: IPython's.
    """

    period_s = _PERIOD_S
    thread = threading.Thread

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._cell = copy_context()
        """The context of the cell that runs, or has run last: by it the kernel knows where an output belongs."""
        self._area = Area()
        """Its output area."""
        self._former: list[Area] = []
        """Those of cells before it, whose passes are still open."""
        self._at_once: AtOnce = lambda action: None  # noqa: ARG005
        self._dropped = 0

    def begin(self, at_once: AtOnce) -> None:
        """Begin, in the cell that runs now."""
        self._at_once = at_once
        self._shell.events.register("pre_run_cell", self._before)
        self._shell.events.register("post_run_cell", self._after)

    def feed(self, records: Sequence[Fed], now_s: float, dropped: int) -> None:
        """Give each record to the area of the cell in which its pass began."""
        shares: dict[int, tuple[Area, list[Fed]]] = {}
        for record in records:
            area = self._area_of(record) if self._former else self._area
            shares.setdefault(id(area), (area, []))[1].append(record)
        for area, share in shares.values():
            area.story.feed(share, now_s, dropped - self._dropped if area is self._area else area.story.dropped)
            area.changed = True

    def show(self, now_s: float) -> None:
        """Draw the areas in which something has happened."""
        for area in (*self._former, self._area):
            area.draw(self._cell, now_s)
        self._former = [area for area in self._former if area.story.open][-_MOST_AREAS:]

    def finish(self, now_s: float) -> None:
        """Leave the summaries."""
        self._forget_the_cells()
        for area in (*self._former, self._area):
            area.draw(self._cell, now_s, last=True)

    def abandon(self) -> None:
        """Leave what is there."""
        self._forget_the_cells()

    def _area_of(self, record: Fed) -> Area:
        if isinstance(record, PassRecord):
            return next((area for area in self._former if area.story.holds(record)), self._area)
        return self._area

    def _before(self, info: object = None) -> None:
        """Begin another area, which is to be seen when something happens."""
        del info
        cell = copy_context()
        self._at_once(lambda now_s: self._next(cell, now_s))

    def _next(self, cell: Context, now_s: float) -> None:
        self._area.draw(self._cell, now_s)
        if self._area.story.open:
            self._former.append(self._area)
        self._dropped += self._area.story.dropped
        self._cell, self._area = cell, Area()

    def _after(self, result: Any = None) -> None:
        """Draw the summary while the cell is still the one that runs: what comes later may not be saved with it."""
        self._at_once(lambda now_s: self._over(_how(result), now_s))

    def _over(self, note: str, now_s: float) -> None:
        self._area.note, self._area.changed = note, True
        self.show(now_s)

    def _forget_the_cells(self) -> None:
        for event, call in (("pre_run_cell", self._before), ("post_run_cell", self._after)):
            if call in self._shell.events.callbacks.get(event, ()):
                self._shell.events.unregister(event, call)


def _how(result: Any) -> str:
    """Say how a cell has ended, if not well."""
    error = getattr(result, "error_in_exec", None) or getattr(result, "error_before_exec", None)
    if error is None:
        return ""
    return "the cell was interrupted" if isinstance(error, KeyboardInterrupt) else f"the cell raised {_name(error)}"


def _name(error: object) -> str:
    return type(error).__name__
