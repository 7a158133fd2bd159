"""Drive a view: poll what is followed, show what is chosen, until told to stop."""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from soltrace.reading.follow import Entry, Follower
from soltrace.reading.parse import Rejected, Unknown
from soltrace.reading.plain import PlainView
from soltrace.reading.problems import Problems
from soltrace.reading.select import Selection

if TYPE_CHECKING:
    from rich.console import Console

    from soltrace.reading.live import LiveView

POLL_S: Final = 0.1
"""Between two looks at the files: what is written is seen about as soon as a person could."""
_BATCH: Final = 1000
"""Records between two looks at the clock, lest a long log read from its beginning stands still."""


def _nothing(problems: Problems) -> None:
    """Do nothing between batches."""


@dataclass(frozen=True)
class Show:
    """Where chosen lines go."""

    feed: Callable[[Sequence[Entry]], object]
    """Takes lines, in time order."""
    tick: Callable[[Problems], object] = _nothing
    """Is called after every batch, and after every look at the files that brought nothing."""

    @classmethod
    def plain(cls, view: PlainView, tick: Callable[[Problems], object] = _nothing) -> "Show":
        """Show as readable lines."""
        return cls(lambda entries: view.feed(entry.value for entry in entries), tick)

    @classmethod
    def live(cls, view: "LiveView") -> "Show":
        """Show in a live view, which is entered and left by the caller."""

        def tick(problems: Problems) -> None:
            view.skipped = problems.total
            view.refresh()

        return cls(lambda entries: view.feed(entry.value for entry in entries), tick)


class Reader:
    """Read lines, count what is none of ours, choose from the rest, and show it.

    Args:
        follower: What is read.
        show: Where it goes.
        selection: What is chosen.
        unknown: Whether events that this version does not know are shown like the others: where lines are passed on.
    """

    def __init__(
        self, follower: Follower, show: Show, selection: Selection | None = None, *, unknown: bool = False
    ) -> None:
        self.problems = Problems()
        self._follower = follower
        self._show = show
        self._selection = selection or Selection()
        self._unknown = unknown

    def once(self) -> None:
        """Show what is there by now, and last lines without a newline too: nobody waits for it."""
        self._take(self._follower.poll())
        self._take(self._follower.rest())

    def follow(self, stop: threading.Event) -> None:
        """Show what comes, until stopped; what was written before that is still shown."""
        stopping = False
        while not stopping:
            stopping = stop.is_set()
            self._take(self._follower.poll())
            if not stopping:
                stop.wait(POLL_S)

    def _take(self, entries: Iterator[Entry]) -> None:
        while batch := list(islice(entries, _BATCH)):
            self._show.feed([entry for entry in batch if self._chosen(entry)])
            self._show.tick(self.problems)
        self._show.tick(self.problems)

    def _chosen(self, entry: Entry) -> bool:
        value = entry.value
        if isinstance(value, Rejected) or (isinstance(value, Unknown) and not self._unknown):
            self.problems.add(value.reason, f"{entry.path}:{entry.number}")
            return False
        return self._selection.admits(value)


def watch(
    paths: Sequence[Path], console: "Console", stop: threading.Event, *, plain: bool = False, utc: bool = False
) -> Problems:
    """Show what is written to logs, as `soltrace tail` does, until stopped. Blocks: for use on a thread of its own.

    Args:
        paths: Log files and directories of them; they need not exist yet.
        console: Where to draw: a live view if it is a terminal, else plain lines.
        stop: Ends it. What was written before it was set is shown first.
        plain: Write plain lines on a terminal too.
        utc: Show UTC instead of this machine's local time.

    Returns:
        What could not be read.
    """
    zone = UTC if utc else None
    follower = Follower(paths, lambda message: print(f"soltrace: {message}", file=sys.stderr))  # noqa: T201
    if plain or not console.is_terminal or console.is_dumb_terminal:

        def flush(problems: Problems) -> None:
            del problems
            console.file.flush()

        reader = Reader(follower, Show.plain(PlainView(console.file.write, zone), flush))
        reader.follow(stop)
        return reader.problems
    # rich takes its time to import, and plain lines do without.
    from soltrace.reading.live import LiveView

    with LiveView(console, title=", ".join(str(path) for path in paths), zone=zone) as view:
        reader = Reader(follower, Show.live(view))
        reader.follow(stop)
    return reader.problems
