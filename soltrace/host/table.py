"""The passes of this process: their handles, and what `receive` must know of a pass to answer for it.

Host side. Its user locks. One table for all runs, because compiled programs and pullbacks outlive a run: a handle names
one pass for as long as the process, and a backward pass finds its forward one in whichever run that was. Memory: open
passes, and a bounded number of forward passes that have ended, because backward passes may come for them later, any
number of them, or none ever.
"""

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary

from soltrace.host.context import Context
from soltrace.host.pacing import Pace, Pacing, Silent
from soltrace.host.signals import Array, Kind, SolveInfo
from soltrace.wire.losses import Losses, Why

LARGEST_HANDLE: Final = 2**23
"""Handles pass through float32, whose whole numbers are exact up to 2**24."""
ENDED_AT_MOST: Final = 4096
LANES_AT_MOST: Final = 2**18
"""Of all ended passes together: what is kept of a lane is some 50 bytes."""
OPEN_AT_MOST: Final = 4096
"""More open passes than this have lost their ends: a program that died never tells."""


class OwningRun(Protocol):
    """The run that a pass begins in, as far as a pass has to know it."""

    pacing: Pacing
    losses: Losses

    def new_solve(self) -> str:
        """Number a solve: its `solve_id`."""
        ...

    def context(self, token: int = 0, caller: int | None = None) -> Context:
        """Where a pass belongs whose program names this experiment, or else this number of its caller."""
        ...

    def tell(self, event: Any) -> None:
        """Be told what happened to one of its passes."""
        ...

    def abandon(self, entry: "PassEntry", why: Why | None, *, interrupted: bool = False) -> None:
        """Give one of its passes up."""
        ...


@dataclass(slots=True, eq=False)
class PassEntry:
    """One pass (or stretch), from its start on."""

    handle: int
    kind: Kind
    run: OwningRun
    """The run that it began in: all that is told of it is told there."""
    info: SolveInfo
    context: Context
    solve_id: str
    pass_id: str
    pace: Pace
    began: float
    last_seen: float
    thread: threading.Thread | None = None
    """Which is in the call of its program, as its start has shown; None: not known."""
    parent: "PassEntry | None" = None
    """Of a backward pass its forward one, unless that is forgotten; of a stretch its backward pass."""
    began_at: Array | None = None
    """Of a forward pass that is open: where its lanes began, in the solver's time."""
    span: float = float("nan")
    """The longest time that a lane of the forward pass has covered; known once that has ended."""
    usual_gap: float = 0.0
    """The longest time between two signals so far."""
    cost_s: float = 0.0
    """What the last report took inside `receive`."""
    ended: bool = False
    lanes: int = 1
    forward_handle: int = 0
    """Of a backward pass; known even where the forward pass is forgotten."""
    backward_passes: int = 0
    stretch_pace: Pace | None = None
    """Of a backward pass made of stretches; it counts the steps of all of them."""
    wanted: float = 0.0
    """The step at which its next report is due."""
    steps_before: int = 0
    """Steps of the stretches that are over."""
    view: object = None
    """What the worker knows of the pass: see `soltrace.host.passes`. Only the worker touches it."""

    def seen(self, now: float) -> None:
        """Note a sign of life."""
        self.usual_gap = max(self.usual_gap, now - self.last_seen)
        self.last_seen = now


class HandleTable:
    """Entries by handle."""

    def __init__(self, last_handle: int = 0) -> None:
        """Begin empty, with the handle after this one."""
        self.open: dict[int, PassEntry] = {}
        self._ended: OrderedDict[int, PassEntry] = OrderedDict()
        self._ended_lanes = 0
        self.last_handle = last_handle
        self._stopped: WeakKeyDictionary[SolveInfo, float] = WeakKeyDictionary()

    def new_handle(self) -> int:
        """The next number that is not in use."""
        while True:
            self.last_handle = self.last_handle % LARGEST_HANDLE + 1
            if self.last_handle not in self.open and self.last_handle not in self._ended:
                return self.last_handle

    def add(self, entry: PassEntry) -> None:
        """Open it."""
        self.open[entry.handle] = entry

    def find(self, handle: int, kind: Kind) -> PassEntry | None:
        """The entry of that handle, open or remembered, if it is of that kind."""
        entry = self.open.get(handle)
        if entry is None and (entry := self._ended.get(handle)) is not None:
            self._ended.move_to_end(handle)
        return entry if entry is not None and entry.kind is kind else None

    def newest_backward(self, forward_handle: int) -> PassEntry | None:
        """The backward pass of that forward pass that was opened last and is still open."""
        for entry in reversed(self.open.values()):
            if entry.kind is Kind.BACKWARD and entry.forward_handle == forward_handle:
                return entry
        return None

    def end(self, entry: PassEntry) -> None:
        """Close it; of a forward pass, keep a memory."""
        entry.ended = True
        self.open.pop(entry.handle, None)
        if entry.kind is Kind.FORWARD:
            self._ended[entry.handle] = entry
            self._ended_lanes += entry.lanes
            self._forget()

    def failed(self, entry: PassEntry, now: float) -> None:
        """Note that the solve of a forward pass has failed; if it throws, its program is being stopped."""
        if entry.info.throws:
            self._stopped[entry.info] = now

    def is_stopped(self, entry: PassEntry) -> bool:
        """Say whether a solve of the same program has failed and thrown since the solve of this pass began.

        It need not be this one: of a program on several devices each has a pass, and the error of one stops them all.
        """
        forward = entry.parent or entry
        return self._stopped.get(forward.info, -math.inf) >= forward.began

    def _forget(self) -> None:
        while len(self._ended) > 1 and (len(self._ended) > ENDED_AT_MOST or self._ended_lanes > LANES_AT_MOST):
            _, entry = self._ended.popitem(last=False)
            self._ended_lanes -= entry.lanes

    def open_in(self, run: OwningRun) -> list[PassEntry]:
        """The passes (and stretches) of one run that are open."""
        return [entry for entry in self.open.values() if entry.run is run]

    def silence(self) -> dict[PassEntry, Silent]:
        """Want nothing more of the passes that are open but their ends; return them, with what says if they know."""
        silent: dict[PassEntry, Silent] = {}
        for entry in self.open.values():
            if entry.stretch_pace is not None:
                silent[entry] = entry.stretch_pace = Silent(entry.stretch_pace)
                entry.wanted = math.inf
            elif entry.kind is not Kind.STRETCH:
                silent[entry] = entry.pace = Silent(entry.pace)
        return silent

    def longest_silent(self) -> PassEntry | None:
        """The open pass to give up when there are too many."""
        if len(self.open) <= OPEN_AT_MOST:
            return None
        return min(self.open.values(), key=lambda entry: entry.last_seen)
