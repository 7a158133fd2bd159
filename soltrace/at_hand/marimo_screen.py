"""The live view in a marimo notebook: the output of the cell that asks for it.

Host side, on the thread that draws, which is one of marimo's: its outputs go to the cell that has started it. marimo is
no dependency: where it runs a notebook, it is there.
"""

import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from soltrace.at_hand.feed import Fed
from soltrace.at_hand.html import area_html
from soltrace.at_hand.picture import Picture
from soltrace.at_hand.screens import AtOnce
from soltrace.at_hand.story import Story

_EVERY_S: Final = 0.5


def running() -> Any:
    """Find marimo, if it runs this notebook."""
    marimo = sys.modules.get("marimo")
    return marimo if marimo is not None and marimo.running_in_notebook() else None


class MarimoScreen:
    """Draws in one cell.

    Args:
        marimo: The module.
    """

    period_s = _EVERY_S

    def __init__(self, marimo: Any) -> None:
        self._marimo = marimo
        self.thread: type[threading.Thread] = marimo.Thread
        self._story = Story()
        self._picture = Picture(self._story)
        self._changed = False

    def begin(self, at_once: AtOnce) -> None:
        """Begin: the end of a cell is the end of the view, or goes unnoticed."""

    def feed(self, records: Sequence[Fed], now_s: float, dropped: int) -> None:
        """Take records in."""
        self._story.feed(records, now_s, dropped)
        self._changed = self._changed or bool(records)

    def show(self, now_s: float) -> None:
        """Draw, if anything has happened."""
        del now_s
        if self._changed and self._story.began:
            self._draw(last=False)

    def finish(self, now_s: float) -> None:
        """Leave the summary."""
        del now_s
        if self._story.began:
            self._draw(last=True)

    def abandon(self) -> None:
        """Leave what is there."""

    def _draw(self, *, last: bool) -> None:
        page = area_html(self._story, self._picture, datetime.now(UTC), last=last)
        self._marimo.output.replace(self._marimo.Html(page))
        self._changed = False
