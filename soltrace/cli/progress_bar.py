"""A bar on a terminal while a command works: on stderr, never in what it writes, and gone when it is done."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from rich.progress import Progress

TellProgress: TypeAlias = Callable[[str, float | None], None]
"""Is called with what is being done, and which share of it is: in [0, 1], None where that is not known."""


@contextmanager
def progress_bar() -> Generator[TellProgress]:
    """Draw a bar while the block lasts, if stderr is a terminal.

    What is printed to stderr meanwhile stands above it. It appears when it is first told something, so that work which
    is done at once shows none.
    """
    if not sys.stderr.isatty():
        yield lambda _doing, _share: None
        return
    bar = _Bar()
    try:
        yield bar.tell
    finally:
        bar.end()


class _Bar:
    def __init__(self) -> None:
        self._drawn: Progress | None = None

    def tell(self, doing: str, share: float | None) -> None:
        """Show how far something is."""
        if self._drawn is None:
            self._drawn = _started()
        (task,) = self._drawn.tasks
        # Without a total it moves to and fro.
        total = None if share is None else 1.0
        if total != task.total or (share is not None and share < task.completed):  # or else no time would be told
            self._drawn.reset(task.id, total=total)
        self._drawn.update(task.id, description=doing, total=total, completed=share or 0.0)

    def end(self) -> None:
        """Take it away."""
        if self._drawn is not None:
            self._drawn.stop()


def _started() -> "Progress":
    # rich takes its time to import.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    doing = TextColumn("{task.description}", markup=False)
    # Stdout is not its business: what is written there is another program's input.
    console = Console(stderr=True)
    drawn = Progress(
        BarColumn(),
        TaskProgressColumn(),
        doing,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        redirect_stdout=False,
    )
    drawn.add_task("", total=None)
    drawn.start()
    return drawn
