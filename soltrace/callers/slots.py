"""Slots: which thread holds which number, and what that thread is in.

A compiled program knows no caller: it is traced once, runs for many, and calls the host on threads that inherit
nothing. What it can know is a small number that was a part of jit's key when it was traced. A thread holds the lowest
number that is free from the first thing that it enters (an experiment, a span of OpenTelemetry's) to the last that it
leaves. So one thread after another has number 0, for which nothing is compiled again; only threads that are in
something at the same time have further ones.
"""

import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

from soltrace.callers.jit_key import KEY
from soltrace.callers.tasks import beside, context_of_task, current_task
from soltrace.wire.flags import THREADS_APART, flag
from soltrace.wire.system_thread import SystemLocal, system_thread

ENTRIES_AT_MOST: Final = 256
"""What a thread enters and never leaves must not grow without end; nothing nests this deep."""

LATE_AT_MOST: Final = 64
"""Changes while programs are under way; beyond that, the first are forgotten."""

EXPERIMENT: Final[ContextVar[Any]] = ContextVar("soltrace_experiment", default=None)
"""The context of the experiment that the calling thread or task is in. Callbacks don't see it, and callers do."""


class UnderWay(NamedTuple):
    """Programs that have been called and may not have started."""

    done: Sequence[Callable[[], bool]]
    """Each says whether it is done."""
    settling_s: float = 0.0
    """How long that may take to be said after the next program has started."""


class Entry(NamedTuple):
    """Something that was entered."""

    token: object
    """By which it is left."""
    experiment: Any
    """The context of the experiment that its caller was in."""
    span: Any
    """The context of OpenTelemetry's that was current then; None: none, or not known."""
    task: Any = None
    """A weak reference to the task of asyncio's, or the greenlet, that entered it."""


NOTHING: Final = (Entry(None, None, None),)
"""What a program belongs to that was called when its thread was in nothing, where that thread is in something now."""


class Slot:
    """A number, and what its holder has entered and not left."""

    __slots__ = ("_late", "_lock", "entries", "held", "holder", "number")

    def __init__(self, number: int) -> None:
        """Begin with nothing."""
        self.number = number
        self.held = True
        self.holder = system_thread()
        """The thread that holds it, or held it last."""
        self.entries: tuple[Entry, ...] = ()
        """The innermost last. Replaced as a whole, so that a reader needs no lock."""
        self._lock = threading.Lock()
        self._late: list[tuple[tuple[Entry, ...], UnderWay]] = []

    def add(self, entry: Entry, under_way: UnderWay | None) -> None:
        """Enter something, while some programs are under way that were called before."""
        with self._lock:
            self._note(under_way)
            self.entries = (*self.entries[-ENTRIES_AT_MOST + 1 :], entry)

    def has(self, token: object) -> bool:
        """Say whether something was entered, and not left."""
        return any(entry.token is token for entry in self.entries)

    def remove(self, token: object, under_way: UnderWay | None) -> None:
        """Leave it, in whatever order."""
        with self._lock:
            self._note(under_way)
            self.entries = tuple(entry for entry in self.entries if entry.token is not token)

    def current(self, *, settle: bool = False) -> tuple[Entry, ...]:
        """What counts for a program that starts now.

        The programs of a device start in the order in which they were called. So while one is under way that was called
        before the last change, whatever starts now was called before it too.
        """
        with self._lock:
            if settle and self._late:
                time.sleep(self._late[0][1].settling_s)
            while self._late and all(done() for done in self._late[0][1].done):
                self._late.pop(0)
            return self._late[0][0] if self._late else self.entries

    @property
    def free(self) -> bool:
        """Whether nobody holds it, nor will a program start that was called by who did."""
        return not self.held and self.current() is self.entries

    def _note(self, under_way: UnderWay | None) -> None:
        if under_way is not None:
            self._late = [*self._late[-LATE_AT_MOST + 1 :], (self.entries or NOTHING, under_way)]


class _Hold:
    """A thread's hold on a slot: until it lets go, or is no more."""

    __slots__ = ("let_go", "setting", "slot")

    def __init__(self, slot: Slot, let_go: Callable[[Slot], None]) -> None:
        self.slot, self.let_go = slot, let_go
        self.setting = KEY.hold(slot.number)

    def __del__(self) -> None:
        self.let_go(self.slot)


class _Here(SystemLocal):
    """What a thread knows of itself."""

    hold: _Hold | None = None
    last: Slot | None = None
    """The slot that it held last: its own programs may still be under way there."""


class Callers:
    """The slots of this process."""

    def __init__(self) -> None:
        """Begin with none."""
        self.enabled: Callable[[], bool] = lambda: True
        """Whether telemetry is; asked when a thread enters something."""
        self.apart: bool | None = None
        """Whether threads are told apart; None: unless SOLTRACE_THREADS_APART is false."""
        self.programs: Callable[[bool], UnderWay | None] | None = None
        """Finds what programs are under way; it is told whether several threads call any."""
        self._with_solves: set[int] = set()
        """Numbers with which a program was traced that has a solve in it."""
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
        task = current_task()
        entry = Entry(token, experiment, span, None if task is None else weakref.ref(task))
        hold.slot.add(entry, self._under_way(hold.slot))

    @property
    def inside(self) -> bool:
        """Whether the calling thread is in something."""
        return self._here.hold is not None

    def left(self, token: object) -> None:
        """Note that something was left, on whichever thread."""
        if not self.left_here(token):
            for slot in (*list(self._slots.values()), self._common):
                if slot.has(token):
                    slot.remove(token, self._under_way(slot))
                    return

    def left_here(self, token: object) -> bool:
        """Note that something was left, if the calling thread had entered it; say whether it had."""
        hold = self._here.hold
        if hold is None or not hold.slot.has(token):
            return False
        hold.slot.remove(token, self._under_way(hold.slot))
        if not hold.slot.entries:
            self._let_go(hold)
        return True

    def traced(self) -> int:
        """The number that a solve is to tell which the calling thread is tracing."""
        self._with_solves.add(KEY.number)
        return KEY.number

    def _under_way(self, slot: Slot) -> UnderWay | None:
        if self.programs is None or slot.number not in self._with_solves:
            return None
        return self.programs(len(self._slots) > 1)

    def at(self, number: int) -> tuple[tuple[Entry, ...], bool]:
        """What is entered and not left under a number, the innermost last; and whether it has been left by now.

        Where tasks share the thread, a program that is under way has most likely been called by the one that runs: that
        one waits for it. Of what other tasks have entered, nothing counts then.
        """
        slot = self._slots.get(number, self._common)
        if number == 0 and slot is not self._common and self._is_in_nothing(slot):
            return (), False
        entries = slot.current(settle=True)
        return (entries, True) if entries is not slot.entries else (_of_the_running(entries), False)

    def _is_in_nothing(self, slot: Slot) -> bool:
        """Say whether the calling thread is in nothing, and has a number only because every such thread has that.

        A thread that Python knows runs its own program: threads of the device's are unknown to it.
        """
        if self._here.hold is not None or slot.holder == system_thread():
            return False
        return not isinstance(threading.current_thread(), threading._DummyThread)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]

    def _take(self) -> _Hold | None:
        if not self._tells_apart():
            return _Hold(self._common, self._free)
        with self._lock:
            last = self._here.last
            if last is not None and not last.held and self._slots.get(last.number) is last:
                last.held = True
                return _Hold(last, self._free)
            self._slots = {number: slot for number, slot in self._slots.items() if not slot.free}
            number = next(n for n in range(len(self._slots) + 1) if n not in self._slots)
            if number and KEY.tracing():
                # The program that is being traced is kept by a key without this number, and would have it in it.
                return None
            slot = self._here.last = self._slots[number] = Slot(number)
        return _Hold(slot, self._free)

    def _let_go(self, hold: _Hold) -> None:
        self._here.hold = None
        KEY.let_go(hold.setting)
        self._free(hold.slot)

    def _free(self, slot: Slot) -> None:
        with self._lock:
            slot.held = False
            if slot.free and self._slots.get(slot.number) is slot:
                del self._slots[slot.number]

    def _tells_apart(self) -> bool:
        return flag(THREADS_APART) if self.apart is None else self.apart

    def forget(self) -> None:
        """Start afresh in the child of a fork: of its parent's threads there is one, and it is the first here."""
        hold, self._here = self._here.hold, _Here()
        self._lock, self._slots, self._common = threading.RLock(), {}, Slot(0)
        if hold is None:
            return
        KEY.let_go(hold.setting)
        if hold.slot.entries and (mine := self._take()) is not None:
            mine.slot.entries, self._here.hold = hold.slot.entries, mine


def _of_the_running(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    tasks = [task for entry in entries if entry.task is not None and (task := entry.task()) is not None]
    running = beside(tasks[-1]) if tasks else None
    if running is None:
        return entries
    if any(task is running for task in tasks):
        return tuple(entry for entry in entries if entry.task is None or entry.task() is running)
    if (inherited := context_of_task(running)) is None:
        return entries
    return tuple(entry for entry in entries if entry.experiment is inherited.get(EXPERIMENT))


CALLERS: Final = Callers()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=CALLERS.forget)
