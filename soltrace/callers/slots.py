"""Slots: which thread holds which number, and what that thread is in.

A compiled program knows no caller: it is traced once, runs for many, and calls the host on threads that inherit
nothing. What it can know is a small number that was a part of jit's key when it was traced. A thread holds the lowest
number that is free from the first thing that it enters (an experiment, a span of OpenTelemetry's) to the last that it
leaves. So one thread after another has number 0, for which nothing is compiled again; only threads that are in
something at the same time have further ones.
"""

import os
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

from soltrace.callers.jit_key import KEY

YES: Final = frozenset({"", "1", "true", "yes", "on"})
ENTRIES_AT_MOST: Final = 256
"""What a thread enters and never leaves must not grow without end; nothing nests this deep."""

EXPERIMENT: Final[ContextVar[Any]] = ContextVar("soltrace_experiment", default=None)
"""The context of the experiment that the calling thread or task is in. Callbacks don't see it, and callers do."""


class Entry(NamedTuple):
    """Something that was entered."""

    token: object
    """By which it is left."""
    experiment: Any
    """The context of the experiment that its caller was in."""
    span: Any
    """The context of OpenTelemetry's that was current then; None: none, or not known."""


class Slot:
    """A number, and what its holder has entered and not left."""

    __slots__ = ("_lock", "entries", "number")

    def __init__(self, number: int) -> None:
        """Begin with nothing."""
        self.number = number
        self.entries: tuple[Entry, ...] = ()
        """The innermost last. Replaced as a whole, so that a reader needs no lock."""
        self._lock = threading.Lock()

    def add(self, entry: Entry) -> None:
        """Enter something."""
        with self._lock:
            self.entries = (*self.entries[-ENTRIES_AT_MOST + 1 :], entry)

    def remove(self, token: object) -> bool:
        """Leave it, in whatever order; say whether it was there."""
        with self._lock:
            kept = tuple(entry for entry in self.entries if entry.token is not token)
            found, self.entries = len(kept) < len(self.entries), kept
        return found


class _Hold:
    """A thread's hold on a slot: until it lets go, or is no more."""

    __slots__ = ("let_go", "setting", "slot")

    def __init__(self, slot: Slot, let_go: Callable[[Slot], None]) -> None:
        self.slot, self.let_go = slot, let_go
        self.setting = KEY.hold(slot.number)

    def __del__(self) -> None:
        self.let_go(self.slot)


class _Here(threading.local):
    """What a thread knows of itself."""

    hold: _Hold | None = None


class Callers:
    """The slots of this process."""

    def __init__(self) -> None:
        """Begin with none."""
        self.enabled: Callable[[], bool] = lambda: True
        """Whether telemetry is; asked when a thread enters something."""
        self.apart: bool | None = None
        """Whether threads are told apart; None: unless SOLTRACE_THREADS_APART is false."""
        self._slots: dict[int, Slot] = {}
        self._common = Slot(0)
        """Of all threads together, where they are not told apart."""
        self._here = _Here()
        # It can be taken again by who holds it: a thread's end may come in the midst of anything.
        self._lock = threading.RLock()

    @property
    def nobody(self) -> bool:
        """Whether no thread is in anything."""
        return not self._slots and not self._common.entries

    def entered(self, token: object, experiment: Any, span: Any) -> None:
        """Note that the calling thread is in something from now on.

        Args:
            token: by which it is left; compared by identity.
            experiment: the context of the experiment that it is in.
            span: the context of OpenTelemetry's that is current.
        """
        hold = self._here.hold
        if hold is None:
            if not self.enabled() or (hold := self._take()) is None:
                return
            self._here.hold = hold
        hold.slot.add(Entry(token, experiment, span))

    @property
    def inside(self) -> bool:
        """Whether the calling thread is in something."""
        return self._here.hold is not None

    def left(self, token: object) -> None:
        """Note that something was left, on whichever thread."""
        if not self.left_here(token):
            for slot in (*list(self._slots.values()), self._common):
                if slot.remove(token):
                    return

    def left_here(self, token: object) -> bool:
        """Note that something was left, if the calling thread had entered it; say whether it had."""
        hold = self._here.hold
        if hold is None or not hold.slot.remove(token):
            return False
        if not hold.slot.entries:
            self._let_go(hold)
        return True

    def at(self, number: int) -> tuple[Entry, ...]:
        """What is entered and not left under a number, the innermost last."""
        return self._slots.get(number, self._common).entries

    def _take(self) -> _Hold | None:
        if not self._tells_apart():
            return _Hold(self._common, self._free)
        with self._lock:
            number = next(n for n in range(len(self._slots) + 1) if n not in self._slots)
            if number and KEY.tracing():
                # The program that is being traced is kept by a key without this number, and would have it in it.
                return None
            slot = self._slots[number] = Slot(number)
        return _Hold(slot, self._free)

    def _let_go(self, hold: _Hold) -> None:
        self._here.hold = None
        KEY.let_go(hold.setting)
        self._free(hold.slot)

    def _free(self, slot: Slot) -> None:
        with self._lock:
            if self._slots.get(slot.number) is slot:
                del self._slots[slot.number]

    def _tells_apart(self) -> bool:
        if self.apart is not None:
            return self.apart
        return os.environ.get("SOLTRACE_THREADS_APART", "").strip().lower() in YES

    def forget(self) -> None:
        """Start afresh in the child of a fork: of its parent's threads there is one, and it is the first here."""
        hold, self._here = self._here.hold, _Here()
        self._lock, self._slots, self._common = threading.RLock(), {}, Slot(0)
        if hold is None:
            return
        KEY.let_go(hold.setting)
        if hold.slot.entries and (mine := self._take()) is not None:
            mine.slot.entries, self._here.hold = hold.slot.entries, mine


CALLERS: Final = Callers()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=CALLERS.forget)
