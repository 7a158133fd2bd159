"""Which experiment does a pass belong to? The one of whoever called its program.

Host side, any thread. A jitted function is traced once and runs under many experiments, on threads that do not inherit
the caller's context variables. So a program says in the start of a solve under which number its caller is found
(`soltrace.callers`), or names an experiment that it was given.
"""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from soltrace.callers import EXPERIMENT
from soltrace.callers.tasks import current_task, is_over
from soltrace.host.signals import LARGEST_TOKEN
from soltrace.sinks import Ids
from soltrace.wire.records import Attribute

NAMED_AT_MOST: Final = 4096
"""Experiments that have a number for programs to name; the oldest that were left go first."""


@dataclass(frozen=True, eq=False)
class Context:
    """Where passes belong. Immutable: a backward pass takes its forward pass's, whatever is current by then."""

    experiment: str | None = None
    attributes: Mapping[str, Attribute] = field(default_factory=dict[str, Attribute])
    parent: object = None
    """What the tracing library calls the place under which spans are opened; opaque here."""
    ids: Ids | None = None
    """Of the experiment's span."""
    outer: "Context | None" = None
    """The enclosing experiment's."""
    scope: object = None
    """The same object for every context that belongs to one experiment."""
    on_main_thread: bool = False
    """Where it was entered."""
    task: Callable[[], Any] | None = None
    """A weak reference to the task of asyncio's, or the greenlet, that entered it."""
    variables: Mapping[str, Attribute] = field(default_factory=dict[str, Attribute])
    """What was bound there with `structlog.contextvars`."""

    def within(self, scope: object) -> bool:
        """Say whether this belongs to that experiment or to one inside it."""
        here: Context | None = self
        while here is not None:
            if here.scope is scope:
                return True
            here = here.outer
        return False


class Contexts:
    """The open experiments of this process, and those that a program may name: whichever run. Its user locks.

    Where no experiment is meant there is None: what is outside of all belongs to the run.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self.open: list[Context] = []
        """The experiments that are open, in the order in which they were entered."""
        self._closers: dict[Context, Callable[[BaseException], object]] = {}
        self._named: OrderedDict[int, Context] = OrderedDict()
        # Not 0: a number of another process, pickled with an adjoint or kept over a fork, is to mean nobody here.
        self._last_token = secrets.randbelow(LARGEST_TOKEN) + 1

    @property
    def callers(self) -> Context | None:
        """The innermost open one that the calling thread or task is in.

        Who is in none is inside that of the main thread: that of another worker, or of a task beside this one, is no
        more around it than the other way round.
        """
        own = self.open_around(EXPERIMENT.get())
        if own is not None:
            return own
        if threading.current_thread() is threading.main_thread():
            return _innermost([context for context in self._main_threads() if not _of_another_task(context)])
        return self.main_threads

    @property
    def main_threads(self) -> Context | None:
        """The innermost one of the main thread's; where it is in several side by side, what is around those."""
        return _innermost(self._main_threads())

    def _main_threads(self) -> list[Context]:
        return [context for context in self.open if context.on_main_thread]

    def open_around(self, context: Context | None) -> Context | None:
        """Find the innermost one that is still open, of an experiment and those around it."""
        while context is not None and context not in self.open:
            context = context.outer
        return context

    def enter(self, context: Context, close: Callable[[BaseException], object] | None = None) -> None:
        """Note that an experiment is open.

        Args:
            context: Its own.
            close: Ends it with an error, where the process ends and nobody has left it.
        """
        self.open.append(context)
        if close is not None:
            self._closers[context] = close

    def leave(self, context: Context) -> bool:
        """Note that it is not; say whether it was. Not a pop: experiments on several threads end in any order."""
        self._closers.pop(context, None)
        if was_open := context in self.open:
            self.open.remove(context)
        return was_open

    def close_all(self, ended_by: str) -> None:
        """End what is open, the innermost first, because the process ends."""
        for context in reversed(self.open):
            if (close := self._closers.get(context)) is not None:
                close(InterruptedError(ended_by))

    def name(self, context: Context) -> int:
        """Give an experiment a number from 1, which a program may name; kept for as long as it is open, and longer."""
        self._last_token = self._last_token % LARGEST_TOKEN + 1
        self._named[self._last_token] = context
        if len(self._named) > NAMED_AT_MOST:
            over = next((token for token, named in self._named.items() if named not in self.open), None)
            self._named.pop(over or next(iter(self._named)))
        return self._last_token

    def named(self, token: int) -> Context | None:
        """The one of that number; None where it has been forgotten."""
        return self._named.get(token)


def _innermost(entered: Sequence[Context]) -> Context | None:
    """Of several, the last; where they are not all around or inside one another, what is around them."""
    here = entered[-1] if entered else None
    while here is not None and not all(here.within(one.scope) or one.within(here.scope) for one in entered):
        here = here.outer
    return here if here in entered else None


def _of_another_task(context: Context) -> bool:
    task = None if context.task is None else context.task()
    return task is not None and not is_over(task) and task is not current_task()
