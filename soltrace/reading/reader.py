"""Drives a view: polls what is followed and shows what is asked for, until told to stop."""

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from soltrace.reading.files.follow import Follower
from soltrace.reading.files.source import LogEntry
from soltrace.reading.merge import ReorderBuffer
from soltrace.reading.outcome import Outcome
from soltrace.reading.parse import Rejected, Unknown
from soltrace.reading.phrases import lost_text
from soltrace.reading.plain import PlainView
from soltrace.reading.problems import Problems
from soltrace.reading.runs.run_watch import RunWatch
from soltrace.reading.select import RecordFilter
from soltrace.reading.text import clean
from soltrace.wire.records import LogOpened

if TYPE_CHECKING:
    from rich.console import Console

    from soltrace.reading.live.view import LiveView

POLL_S: Final = 0.1
"""The time between two looks at the files: what is written is seen about as soon as a person could see it."""
_LOOK_S: Final = 1.0
"""The time between two looks at which runs are lost."""
_ANSWERED_WITHIN_S: Final = 5.0
"""At the end, for so long a scheduler is waited for: all lines are shown by then."""
_LINES_AT_ONCE: Final = 20
"""Of runs that are lost: all of an array may be."""
_LONGEST_MESSAGE: Final = 2000
_BATCH: Final = 1000
"""Entries between two ticks of the view, lest it stands still while a long log is read from its beginning."""


def _nothing(problems: Problems) -> None:
    """Do nothing between batches."""


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Display:
    """Where entries are shown."""

    feed: Callable[[Sequence[LogEntry]], object]
    """Takes entries, in the order of time."""
    tick: Callable[[Problems], object] = _nothing
    """Is called after every batch, and after every look at the files that has found nothing."""
    wait: Callable[[float], object] | None = None
    """Waits for so many seconds, or until a key is pressed; None where there are no keys."""
    left: Callable[[], bool] = _never
    """Returns whether nobody is looking any more, so that nothing more is read."""

    @classmethod
    def plain(cls, view: PlainView, tick: Callable[[Problems], object] = _nothing) -> "Display":
        """Show as readable lines."""

        def feed(entries: Sequence[LogEntry]) -> None:
            view.feed((entry.value for entry in entries), (entry.late for entry in entries))

        return cls(feed, tick)

    @classmethod
    def live(cls, view: "LiveView", wait: Callable[[float], object] | None = None) -> "Display":
        """Show in a live view, which is entered and left by the caller."""

        def tick(problems: Problems) -> None:
            view.skipped = problems.total
            view.refresh()

        return cls(lambda entries: view.feed(entry.value for entry in entries), tick, wait, view.left.is_set)


class Reader:
    """Reads entries, counts those that nobody can understand, and shows those of the others that are asked for.

    ```python
    reader = Reader(Follower([Path("runs")], print), Display.plain(PlainView(print)))
    reader.once()
    ```

    Args:
        follower: What is read.
        show: Where it is shown.
        record_filter: What is asked for; None for everything.
        unknown: Whether events that this version does not know are shown too, where lines are passed on as they are.
        last: How many of the entries that are there already are shown, the latest of them; None for all.
        outcome: Is told of all passes that are asked for, and knows when they are over.
        watch: Is told of all that is read, and knows which runs are lost; None where the outcome does, or the view.
        say: Is called with a line for each run that is lost, once that is known.
    """

    def __init__(
        self,
        follower: Follower,
        show: Display,
        record_filter: RecordFilter | None = None,
        *,
        unknown: bool = False,
        last: int | None = None,
        outcome: Outcome | None = None,
        watch: RunWatch | None = None,
        say: Callable[[str], object] | None = None,
    ) -> None:
        self.problems = Problems()
        self._follower = follower
        self._show = show
        self._filter = record_filter or RecordFilter()
        self._about = None if outcome is None else self._filter.about()
        self._unknown = unknown
        self._last = last
        self._outcome = outcome
        self._watch = watch
        self._losses = None if say is None else LossTeller(outcome or watch, say)
        self._buffer = ReorderBuffer()

    def once(self) -> None:
        """Show what is there by now, including last lines without a newline: nobody waits for these to be completed."""
        if self._last is not None:
            self._take(self._ending(chain(self._follower.poll(every=True), self._follower.rest())))
        else:
            self._take(self._chosen(self._follower.poll(every=True)))
            self._take(self._chosen(self._follower.rest()))
        if self._losses is not None:
            self._losses.tell(last=True, whole=True)

    def follow(self, stop: threading.Event, over: Callable[[], bool] = _never) -> None:
        """Show what comes, until stopped. What was written before that is still shown.

        Args:
            stop: Stops it when set.
            over: Stops it too. It is called before each look at the files, and one more look follows.
        """
        # Not `stop.wait`: what a signal handler raises there, as Ctrl-C does, may come out as "release unlocked lock".
        wait = self._show.wait or time.sleep
        if self._last is not None:
            self._merge(self._ending(self._follower.poll(every=True)))
        stopping = False
        while not (stopping or self._show.left()):
            stopping = stop.is_set() or over() or self._is_over()
            self._merge(self._chosen(self._follower.poll(every=stopping)))
            if self._losses is not None:
                self._losses.tell(last=stopping)
            if not stopping:
                wait(POLL_S)
        if held := self._buffer.flush():
            self._show.feed(held)
            self._show.tick(self.problems)

    def _is_over(self) -> bool:
        return self._outcome is not None and self._outcome.status() is not None

    def _take(self, entries: Iterator[LogEntry]) -> None:
        while batch := list(islice(entries, _BATCH)):
            self._show.feed(batch)
            self._show.tick(self.problems)
        self._show.tick(self.problems)

    def _merge(self, entries: Iterator[LogEntry]) -> None:
        """Show entries that have waited for those of other files; where there is only one file, at once."""
        hold = len(self._follower) > 1
        while True:
            batch = list(islice(entries, _BATCH))
            if released := self._buffer.feed(batch, hold=hold):
                self._show.feed(released)
            self._show.tick(self.problems)
            if not batch or self._show.left():
                return

    def _ending(self, entries: Iterable[LogEntry]) -> Iterator[LogEntry]:
        yield from deque(self._chosen(entries), self._last)

    def _chosen(self, entries: Iterable[LogEntry]) -> Iterator[LogEntry]:
        """Leave out what is not asked for, and count what cannot be understood."""
        everything, chooses = self._filter.everything, self._filter.chooses
        about, outcome, watch = self._about, self._outcome, self._watch
        for entry in entries:
            value = entry.value
            if isinstance(value, Rejected):
                self.problems.add(value.reason, f"{entry.path}:{entry.number}")
                continue
            if isinstance(value, Unknown) and not self._unknown:
                self.problems.add(value.reason, f"{entry.path}:{entry.number}")
                continue
            # Where a run lives says which other run it replaces, whatever is asked for.
            if about is not None and outcome is not None and (isinstance(value, LogOpened) or about.admits(value)):
                outcome.feed(value)
            if watch is not None:
                watch.feed(value)
            if everything or chooses(entry):
                yield entry


class LossTeller:
    """Says which runs are lost, each once."""

    def __init__(self, found: "Outcome | RunWatch | None", say: Callable[[str], object]) -> None:
        self._found = found
        self._say = say
        self._said: set[tuple[str, datetime]] = set()
        self._due_s = 0.0

    def tell(self, *, last: bool = False, whole: bool = False) -> None:
        """Say what is not said yet, unless it was looked just now.

        Args:
            last: Whether nothing is said afterwards: then one looks in any case, and waits a moment for a scheduler.
            whole: Whether the logs were read to their ends, and nobody waits for more.
        """
        if self._found is None or not (last or time.monotonic() >= self._due_s):
            return
        self._due_s = time.monotonic() + _LOOK_S
        if last and self._found.jobs is not None:
            self._found.jobs.look(wait_s=_ANSWERED_WITHIN_S)
        new = [lost for lost in self._found.lost(whole=whole) if (lost.run_id, lost.since) not in self._said]
        self._said |= {(lost.run_id, lost.since) for lost in new}
        for lost in new[:_LINES_AT_ONCE]:
            self._say(lost_text(lost))
        if len(new) > _LINES_AT_ONCE:
            self._say(f"and {len(new) - _LINES_AT_ONCE:,} more runs are lost")


def _say(message: str) -> None:
    print(f"soltrace: {clean(message, _LONGEST_MESSAGE)}", file=sys.stderr)  # noqa: T201


def watch(
    paths: Sequence[Path], console: "Console", stop: threading.Event, *, plain: bool = False, utc: bool = False
) -> Problems:
    """Show what is written to logs, as `soltrace tail` does, until stopped. It blocks, and wants a thread of its own.

    ```python
    stop = threading.Event()
    thread = threading.Thread(target=watch, args=([Path("soltrace-runs")], Console(), stop))
    thread.start()
    ...
    stop.set()
    thread.join()
    ```

    Args:
        paths: Log files, and directories of them. They need not exist yet.
        console: Where to draw: a live view if it is a terminal, else plain lines.
        stop: Ends it when set. What was written before that is shown first.
        plain: Whether to write plain lines on a terminal too.
        utc: Whether to show UTC instead of this machine's local time.

    Returns:
        What could not be read.
    """
    zone = UTC if utc else None
    follower = Follower(paths, _say)
    if plain or not console.is_terminal or console.is_dumb_terminal:

        def flush(problems: Problems) -> None:
            del problems
            console.file.flush()

        reader = Reader(follower, Display.plain(PlainView(console.file.write, zone), flush))
        reader.follow(stop)
        return reader.problems
    # rich takes its time to import, and plain lines do without.
    from soltrace.reading.live.view import LiveView

    with LiveView(console, title=", ".join(str(path) for path in paths), zone=zone) as view:
        reader = Reader(follower, Display.live(view))
        reader.follow(stop)
    return reader.problems
