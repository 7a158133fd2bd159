"""What each signal is answered: opens and closes passes, and paces their reports. One type for each kind of signal.

Host side, on the threads of compiled programs, under the process's lock. Each method is one row of `Signal`: it returns
the answer, and the pass of whose run the worker is to be told, if any.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from soltrace.host.calls import calling_thread
from soltrace.host.context import Context
from soltrace.host.emission import Emission
from soltrace.host.outcomes import outcomes
from soltrace.host.pacing import Pace
from soltrace.host.registered import registered_solve
from soltrace.host.signals import (
    NEVER,
    NEVER_ELAPSED,
    NOTHING_KNOWN,
    Array,
    Kind,
    Role,
    default_answer,
    float_pair,
    int_pair,
)
from soltrace.host.table import HandleTable, OwningRun, PassEntry
from soltrace.wire.losses import What, Why

Answer = tuple[Array, PassEntry | None]


class Answers:
    """Answers the signals of one kind."""

    kind: Kind

    def __init__(self, table: HandleTable) -> None:
        """Answer from this table."""
        self._table = table

    def answer(self, event: Emission, run: OwningRun) -> Answer:
        """Answer one signal; what begins, begins in this run."""
        match event.signal.role:
            case Role.START:
                return self.start(event, run)
            case Role.STEP:
                return self.step(event)
            case Role.END:
                return self.end(event)
            case Role.DETAIL | Role.FINDING:
                return self.detail(event)

    def start(self, event: Emission, run: OwningRun) -> Answer:
        """Open a pass."""
        raise NotImplementedError

    def step(self, event: Emission) -> Answer:
        """Say when the next report is wanted."""
        raise NotImplementedError

    def end(self, event: Emission) -> Answer:
        """Close a pass."""
        raise NotImplementedError

    def detail(self, event: Emission) -> Answer:
        """Take what its steps were like. After its end, these are recomputed ones."""
        entry = self.find(event.ints_of_a_lane()[0])
        if entry is None or entry.ended:
            return _nothing(event)
        entry.seen(event.monotonic)
        return default_answer(event.signal), entry

    def find(self, handle: int) -> PassEntry | None:
        """Find the pass of that handle."""
        return self._table.find(handle, self.kind)

    def open(self, event: Emission, run: OwningRun, context: Context, solve_id: str, pass_id: str) -> PassEntry:
        """Open a pass."""
        # Nothing known: any solve may be meant, so that the last one tells nothing about the next.
        program = object() if event.info is NOTHING_KNOWN else event.info
        pace, now = run.pacing.pace(program, self.kind, event.monotonic), event.monotonic
        handle = self._table.new_handle()
        thread = calling_thread()
        entry = PassEntry(handle, self.kind, run, event.info, context, solve_id, pass_id, pace, now, now, thread)
        event.entry = entry
        self._table.add(entry)
        return entry

    def close(self, event: Emission, entry: PassEntry, position: float) -> None:
        """Close a pass that ends at this position of its pace."""
        event.entry = entry
        entry.pace.end(position, event.monotonic)
        self._table.end(entry)


class ForwardAnswers(Answers):
    """Of forward passes."""

    kind = Kind.FORWARD

    def start(self, event: Emission, run: OwningRun) -> Answer:
        """Open a solve's first pass."""
        context, solve_id = _place(run, *event.ints_of_a_lane()[2:]), run.new_solve()
        entry = self.open(event, run, context, solve_id, f"{solve_id}.forward")
        entry.began_at = event.floats[..., 0]
        return int_pair(entry.handle, _whole(entry.pace.first())), entry

    def step(self, event: Emission) -> Answer:
        """Pace it. After its end, this is a recomputed step, which is no progress."""
        entry = self.find(event.ints_of_a_lane()[0])
        return _nothing(event) if entry is None or entry.ended else _paced(event, entry)

    def end(self, event: Emission) -> Answer:
        """Close it; the answer is its handle, for the backward pass."""
        entry = self.find(handle := event.ints_of_a_lane()[0])
        if entry is None or entry.ended:
            return np.array(0 if entry is None else handle, np.int32), None
        entry.lanes = math.prod(event.ints.shape[:-1])
        entry.span, entry.began_at = _longest(entry.began_at, event.floats[..., 0]), None
        if not _all_good(event, entry):
            self._table.failed(entry, event.monotonic)
        self.close(event, entry, event.step())
        return np.array(handle, np.int32), entry


class BackwardAnswers(Answers):
    """Of backward passes."""

    kind = Kind.BACKWARD

    def start(self, event: Emission, run: OwningRun) -> Answer:
        """Open one; it is its forward pass's, whichever run that was in."""
        handle = event.ints_of_a_lane()[0]
        if handle <= 0:
            return _nothing(event)
        forward = self._table.find(handle, Kind.FORWARD)
        if forward is None:  # forgotten, because it ended long ago
            solve_id, number, context = run.new_solve(), 1, run.context()
        else:
            forward.backward_passes += 1
            solve_id, number, context = forward.solve_id, forward.backward_passes, forward.context
        pass_id = f"{solve_id}.backward" if number == 1 else f"{solve_id}.backward.{number}"
        entry = self.open(event, run, context, solve_id, pass_id)
        entry.parent, entry.forward_handle = forward, handle
        entry.span = math.nan if forward is None else forward.span
        return float_pair(_elapsed(entry, entry.pace.first()), entry.handle), entry

    def step(self, event: Emission) -> Answer:
        """Pace it by the lane that has farthest to go."""
        handles = event.floats[..., 2]
        entry = self.find(int(handles.max()))
        if entry is None:
            return _nothing(event)
        elapsed = float(np.where(handles != 0, event.floats[..., 0], np.inf).min())
        position = min(max(1.0 - elapsed / entry.span, 0.0), 1.0) if entry.span > 0 else 1.0
        entry.seen(event.monotonic)
        wanted = entry.pace.next(position, event.monotonic, entry.cost_s)
        return float_pair(_elapsed(entry, wanted), entry.handle), entry

    def detail(self, event: Emission) -> Answer:
        """Take what was found in its cotangents. A lane that has nothing to tell may have no handle."""
        entry = self.find(int(event.ints[..., 0].max()))
        if entry is None or entry.ended:
            return _nothing(event)
        entry.seen(event.monotonic)
        return default_answer(event.signal), entry

    def end(self, event: Emission) -> Answer:
        """Close it. No handle: the backward pass of a gradient's gradient, of which nothing told the start."""
        entry = self.find(int(event.floats[..., 0].max()))
        if entry is None:
            return _nothing(event)
        if entry.stretch_pace is not None:
            entry.stretch_pace.end(entry.steps_before, event.monotonic)
        self.close(event, entry, 1.0)
        return default_answer(event.signal), entry


class StretchAnswers(Answers):
    """Of solves inside a backward pass. All of them together are paced by their steps: one alone may be short."""

    kind = Kind.STRETCH

    def start(self, event: Emission, run: OwningRun) -> Answer:  # noqa: ARG002 - it begins where its backward pass did
        """Open one, in the run of its backward pass."""
        backward = self._table.newest_backward(event.ints_of_a_lane()[0])
        if backward is None:
            return _nothing(event)
        entry = self.open(event, backward.run, backward.context, backward.solve_id, backward.pass_id)
        entry.parent = backward
        if backward.stretch_pace is None:
            backward.stretch_pace, backward.wanted = entry.pace, entry.pace.first()
        backward.seen(event.monotonic)
        wanted = max(1.0, backward.wanted - backward.steps_before)
        return int_pair(entry.handle, _whole(wanted)), entry

    def step(self, event: Emission) -> Answer:
        """Pace it."""
        entry, backward, pace = self._open(event)
        if entry is None or backward is None or pace is None:
            return _nothing(event)
        backward.wanted = pace.next(backward.steps_before + event.step(), event.monotonic, entry.cost_s)
        return np.array(_whole(backward.wanted - backward.steps_before), np.int32), entry

    def end(self, event: Emission) -> Answer:
        """Close it, and its backward pass too if it failed: an error in the program would let no other end arrive."""
        entry, backward, pace = self._open(event)
        if entry is None or backward is None or pace is None:
            return _nothing(event)
        self._table.end(entry)
        backward.steps_before += event.step()
        event.report = backward.steps_before >= backward.wanted
        if event.report:
            backward.wanted = pace.next(backward.steps_before, event.monotonic, entry.cost_s)
        event.closing = not _all_good(event, entry)
        if event.closing:
            self._table.end(backward)
        return np.array(entry.handle, np.int32), entry

    def _open(self, event: Emission) -> tuple[PassEntry | None, PassEntry | None, Pace | None]:
        """Find the stretch, its backward pass, and the pace of all its stretches, if they are open."""
        entry = self.find(event.ints_of_a_lane()[0])
        backward = None if entry is None else entry.parent
        if entry is None or backward is None or backward.ended:
            return None, None, None
        entry.seen(event.monotonic)
        backward.seen(event.monotonic)
        return entry, backward, backward.stretch_pace


class MeterAnswers(Answers):
    """Of forward passes that only a progress meter tells of."""

    kind = Kind.METER

    def start(self, event: Emission, run: OwningRun) -> Answer:
        """Open one."""
        solve_id, context = run.new_solve(), run.context(caller=next(iter(event.ints_of_a_lane()), None))
        entry = self.open(event, run, context, solve_id, f"{solve_id}.forward")
        return int_pair(entry.handle, _whole(entry.pace.first())), entry

    def step(self, event: Emission) -> Answer:
        """Pace it. After its end, this is a recomputed step."""
        entry = self.find(event.ints_of_a_lane()[0])
        return _nothing(event) if entry is None else _paced(event, entry)

    def end(self, event: Emission) -> Answer:
        """Close it."""
        entry = self.find(event.ints_of_a_lane()[0])
        if entry is None:
            return _nothing(event)
        self.close(event, entry, event.step())
        return default_answer(event.signal), entry


_TYPES: Final = (ForwardAnswers, BackwardAnswers, StretchAnswers, MeterAnswers)


def answers(table: HandleTable) -> Mapping[Kind, Answers]:
    """Make what answers each kind of signal from this table."""
    return {kind.kind: kind(table) for kind in _TYPES}


def _place(run: OwningRun, token: int, registered: int = 0, caller: int | None = None, *_: int) -> Context:
    """Find where a solve belongs, and add the attributes that it brings itself."""
    own = registered_solve(registered)
    if own is None:
        run.losses.add(What.ATTRIBUTES, Why.FORGOTTEN)
    place = None if token or own is None else own.place
    context = run.context(token, caller) if place is None else place
    return replace(context, attributes={**context.attributes, **own.attributes}) if own and own.attributes else context


def _all_good(event: Emission, entry: PassEntry) -> bool:
    """Say whether no lane of a solve that ends has failed."""
    known = outcomes(entry.info.results)
    if event.ints.ndim == 1:
        return known.is_good(known.clean_one(int(event.ints[3])))
    return bool(known.good[known.clean(event.ints[..., 3])].all())


def _nothing(event: Emission) -> Answer:
    return default_answer(event.signal), None


def _paced(event: Emission, entry: PassEntry) -> Answer:
    entry.seen(event.monotonic)
    wanted = entry.pace.next(event.step(), event.monotonic, entry.cost_s)
    return np.array(_whole(wanted), np.int32), entry


def _longest(began_at: Array | None, ended_at: Array) -> float:
    """The longest time that a lane has covered: an event or a failure may end it long before its `t1`."""
    if began_at is None:
        return math.nan
    if not (began_at.ndim or ended_at.ndim):
        return float(ended_at) - float(began_at)
    if began_at.shape != ended_at.shape:  # one of them is the same for several lanes; for which is not told
        began_at = np.fmin.reduce(began_at, axis=None)
    return float(np.fmax.reduce(ended_at - began_at, axis=None))


def _whole(wanted: float) -> int:
    return NEVER if wanted >= NEVER else math.ceil(wanted)


def _elapsed(entry: PassEntry, wanted: float) -> float:
    """A position of a backward pass as time left to its beginning, in units of the solver's time."""
    return (1.0 - wanted) * entry.span if wanted <= 1.0 and math.isfinite(entry.span) else NEVER_ELAPSED
