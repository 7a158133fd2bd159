"""Which experiment does a pass belong to? The one that is current when its program runs.

Host side, any thread. A jitted function is traced once and runs under many experiments, on threads that do not inherit
the caller's context variables: so the current experiment is a matter of the process, and the innermost one wins. Who
runs several at once registers a context and names it in the start of the solve.
"""

from collections import OrderedDict
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final, Protocol

from soltrace.host.signals import LARGEST_TOKEN
from soltrace.sinks import Ids
from soltrace.wire.records import Attribute

REGISTERED_AT_MOST: Final = 4096
"""Contexts are registered per call of a solver, and a program may keep its number for long; the oldest go."""


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


CALLERS: Final[ContextVar[Context | None]] = ContextVar("soltrace_experiment", default=None)
"""The experiment that the calling thread or task is in. Callbacks don't see it, and callers do."""


class HasContext(Protocol):
    """An experiment, as far as this room knows it."""

    @property
    def context(self) -> Context:
        """Where its passes belong."""
        ...


class Contexts:
    """The open experiments of this process, and the registered contexts: whichever run. Its user locks.

    Where no experiment is meant there is None: what is outside of all belongs to the run.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self.open: list[Context] = []
        """The experiments that are open, in the order in which they were entered."""
        self._registered: OrderedDict[int, Context] = OrderedDict()
        self._pinned: dict[int, Context] = {}
        self._last_token = 0

    @property
    def current(self) -> Context | None:
        """The innermost open experiment's."""
        return self.open[-1] if self.open else None

    @property
    def callers(self) -> Context | None:
        """The one that the calling thread is in; the current one where it is in none."""
        own = CALLERS.get()
        return own if own is not None and own in self.open else self.current

    @property
    def enclosing(self) -> Context | None:
        """The one that an experiment entered on the calling thread is inside.

        Where the thread is in none, the innermost of the main thread's: that of another worker is no more around this
        one than the other way round.
        """
        own = CALLERS.get()
        if own is not None and own in self.open:
            return own
        return next((context for context in reversed(self.open) if context.on_main_thread), None)

    def enter(self, context: Context) -> None:
        """Make an experiment's current."""
        self.open.append(context)

    def leave(self, context: Context) -> None:
        """Make it current no more. Not a pop: experiments on several threads end in any order."""
        if context in self.open:
            self.open.remove(context)
        self._pinned = {token: pinned for token, pinned in self._pinned.items() if pinned is not context}

    def register(self, context: Context) -> int:
        """Remember a context, for a while, under a number from 1."""
        token = self._new_token()
        self._registered[token] = context
        if len(self._registered) > REGISTERED_AT_MOST:
            self._registered.popitem(last=False)
        return token

    def pin(self, context: Context) -> int:
        """Remember a context under a number until it is left: an experiment that is open is not forgotten."""
        token = self._new_token()
        self._pinned[token] = context
        return token

    def named(self, token: int) -> Context | None:
        """The context of that number; the current one for 0, and for one that has been forgotten."""
        if token in self._pinned:
            return self._pinned[token]
        context = self._registered.get(token)
        if context is None:
            return self.current
        self._registered.move_to_end(token)
        return context

    def _new_token(self) -> int:
        self._last_token = self._last_token % LARGEST_TOKEN + 1
        return self._last_token
