"""What each signal is answered: opens and closes passes, and paces their reports.

Host side, on the threads of compiled programs, under the recorder's lock. Each method is one row of `Signal`: it
returns the answer, and the pass of which the worker is to be told, if any.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from soltrace.host.context import Context, Contexts
from soltrace.host.emission import Emission
from soltrace.host.losses import Losses
from soltrace.host.outcomes import outcomes
from soltrace.host.pacing import Pacing, Part
from soltrace.host.registered import registered_attributes
from soltrace.host.signals import (
    NEVER,
    NEVER_ELAPSED,
    NOTHING_KNOWN,
    Array,
    Signal,
    default_answer,
    float_pair,
    int_pair,
)
from soltrace.host.table import Entry, Kind, Table

STARTS: Final = frozenset({Signal.FORWARD_START, Signal.BACKWARD_START, Signal.STRETCH_START, Signal.METER_START})


Answer = tuple[Array, Entry | None]


class Answering:
    """Answers signals from the table of passes."""

    def __init__(self, run_id: str, table: Table, contexts: Contexts, pacing: Pacing, losses: Losses) -> None:
        """Begin with the first solve to come."""
        self._run_id, self._table, self._contexts, self._pacing = run_id, table, contexts, pacing
        self._losses = losses
        self._solves = itertools.count(1)
        self._rows: dict[Signal, Callable[[Emission], Answer]] = {
            Signal.FORWARD_START: self._forward_start,
            Signal.FORWARD_STEP: self._forward_step,
            Signal.FORWARD_END: self._forward_end,
            Signal.BACKWARD_START: self._backward_start,
            Signal.BACKWARD_STEP: self._backward_step,
            Signal.BACKWARD_END: self._backward_end,
            Signal.STRETCH_START: self._stretch_start,
            Signal.STRETCH_STEP: self._stretch_step,
            Signal.STRETCH_END: self._stretch_end,
            Signal.METER_START: self._meter_start,
            Signal.METER_STEP: self._meter_step,
            Signal.METER_END: self._meter_end,
        }

    def answer(self, event: Emission) -> Answer:
        """Answer one signal."""
        return self._rows[event.signal](event)

    # Forward passes

    def _forward_start(self, event: Emission) -> Answer:
        token, *own = event.ints_of_a_lane()[2:]
        context = self._with_own(self._contexts.named(token), *own)
        solve_id = self._new_solve()
        entry = self._open(event, Kind.FORWARD, "forward", context, solve_id, f"{solve_id}.forward")
        entry.span = _span(event.floats)
        return int_pair(entry.handle, _whole(entry.pace.first())), entry

    def _with_own(self, context: Context, token: int = 0, *_: int) -> Context:
        """Add the attributes that a solve registered to those of the place that it belongs to."""
        own = registered_attributes(token)
        if own is None:
            self._losses.add("attributes of a solve", "forgotten before it started")
        return replace(context, attributes={**context.attributes, **own}) if own else context

    def _forward_step(self, event: Emission) -> Answer:
        entry = self._table.find(event.ints_of_a_lane()[0], Kind.FORWARD)
        if entry is None or entry.ended:  # ended: a recomputed step, which is no progress
            return self._nothing(event)
        return self._paced(event, entry)

    def _forward_end(self, event: Emission) -> Answer:
        handle = event.ints_of_a_lane()[0]
        entry = self._table.find(handle, Kind.FORWARD)
        if entry is None or entry.ended:
            return np.array(0 if entry is None else handle, np.int32), None
        entry.lanes = math.prod(event.ints.shape[:-1])
        entry.pace.end(event.step(), event.monotonic)
        self._table.end(entry)
        return np.array(handle, np.int32), entry

    # Backward passes

    def _backward_start(self, event: Emission) -> Answer:
        handle = event.ints_of_a_lane()[0]
        if handle <= 0:
            return self._nothing(event)
        forward = self._table.find(handle, Kind.FORWARD)
        if forward is None:  # forgotten, because it ended long ago
            solve_id, number, context = self._new_solve(), 1, self._contexts.current
        else:
            forward.backward_passes += 1
            solve_id, number, context = forward.solve_id, forward.backward_passes, forward.context
        pass_id = f"{solve_id}.backward" if number == 1 else f"{solve_id}.backward.{number}"
        entry = self._open(event, Kind.BACKWARD, "backward", context, solve_id, pass_id)
        entry.parent, entry.forward_handle = forward, handle
        entry.span = math.nan if forward is None else forward.span
        return float_pair(_elapsed(entry, entry.pace.first()), entry.handle), entry

    def _backward_step(self, event: Emission) -> Answer:
        handles = event.floats[..., 2]
        entry = self._table.find(int(handles.max()), Kind.BACKWARD)
        if entry is None:
            return self._nothing(event)
        elapsed = float(np.where(handles != 0, event.floats[..., 0], np.inf).min())
        position = min(max(1.0 - elapsed / entry.span, 0.0), 1.0) if entry.span > 0 else 1.0
        entry.seen(event.monotonic)
        wanted = entry.pace.next(position, event.monotonic, entry.cost_s)
        return float_pair(_elapsed(entry, wanted), entry.handle), entry

    def _backward_end(self, event: Emission) -> Answer:
        # No handle: the backward pass of a gradient's gradient, of which nothing told the start.
        entry = self._table.find(int(event.floats[..., 0].max()), Kind.BACKWARD)
        if entry is None:
            return self._nothing(event)
        entry.pace.end(1.0, event.monotonic)
        if entry.stretch_pace is not None:
            entry.stretch_pace.end(entry.steps_before, event.monotonic)
        self._table.end(entry)
        return default_answer(event.signal), entry

    # Solves inside a backward pass. Reports are paced by the steps of all of them together: one alone may be short

    def _stretch_start(self, event: Emission) -> Answer:
        backward = self._table.newest_backward(event.ints_of_a_lane()[0])
        if backward is None:
            return self._nothing(event)
        entry = self._open(event, Kind.STRETCH, "stretch", backward.context, backward.solve_id, backward.pass_id)
        entry.parent = backward
        if backward.stretch_pace is None:
            backward.stretch_pace, backward.wanted = entry.pace, entry.pace.first()
        backward.seen(event.monotonic)
        wanted = max(1.0, backward.wanted - backward.steps_before)
        return int_pair(entry.handle, _whole(wanted)), entry

    def _stretch_step(self, event: Emission) -> Answer:
        entry, backward = self._stretch(event)
        if entry is None or backward is None or backward.stretch_pace is None:
            return self._nothing(event)
        position = backward.steps_before + event.step()
        backward.wanted = backward.stretch_pace.next(position, event.monotonic, entry.cost_s)
        return np.array(_whole(backward.wanted - backward.steps_before), np.int32), entry

    def _stretch_end(self, event: Emission) -> Answer:
        entry, backward = self._stretch(event)
        if entry is None or backward is None or backward.stretch_pace is None:
            return self._nothing(event)
        self._table.end(entry)
        backward.steps_before += event.step()
        report = backward.steps_before >= backward.wanted
        if report:
            backward.wanted = backward.stretch_pace.next(backward.steps_before, event.monotonic, entry.cost_s)
        known = outcomes(entry.info.results)
        closing = not bool(known.good[known.clean(event.ints[..., 3])].all())
        if closing:
            self._table.end(backward)
        event.closing, event.report = closing, report
        return np.array(entry.handle, np.int32), entry

    def _stretch(self, event: Emission) -> tuple[Entry | None, Entry | None]:
        entry = self._table.find(event.ints_of_a_lane()[0], Kind.STRETCH)
        backward = None if entry is None else entry.parent
        if entry is None or backward is None or backward.ended:
            return None, None
        entry.seen(event.monotonic)
        backward.seen(event.monotonic)
        return entry, backward

    # Progress meters

    def _meter_start(self, event: Emission) -> Answer:
        solve_id = self._new_solve()
        entry = self._open(event, Kind.METER, "meter", self._contexts.current, solve_id, f"{solve_id}.forward")
        return int_pair(entry.handle, _whole(entry.pace.first())), entry

    def _meter_step(self, event: Emission) -> Answer:
        entry = self._table.find(event.ints_of_a_lane()[0], Kind.METER)
        if entry is None:  # ended: a recomputed step
            return self._nothing(event)
        return self._paced(event, entry)

    def _meter_end(self, event: Emission) -> Answer:
        entry = self._table.find(event.ints_of_a_lane()[0], Kind.METER)
        if entry is None:
            return self._nothing(event)
        entry.pace.end(event.step(), event.monotonic)
        self._table.end(entry)
        return default_answer(event.signal), entry

    def _new_solve(self) -> str:
        return f"{self._run_id}.{next(self._solves)}"

    def _open(self, event: Emission, kind: Kind, part: Part, context: Context, solve_id: str, pass_id: str) -> Entry:
        # Nothing known: any solve may be meant, so that the last one tells nothing about the next.
        program = object() if event.info is NOTHING_KNOWN else event.info
        pace = self._pacing.pace(program, part, event.monotonic)
        handle, now = self._table.new_handle(), event.monotonic
        entry = Entry(handle, kind, event.info, context, solve_id, pass_id, pace, began=now, last_seen=now)
        self._table.add(entry)
        return entry

    def _paced(self, event: Emission, entry: Entry) -> Answer:
        entry.seen(event.monotonic)
        wanted = entry.pace.next(event.step(), event.monotonic, entry.cost_s)
        return np.array(_whole(wanted), np.int32), entry

    def _nothing(self, event: Emission) -> Answer:
        return default_answer(event.signal), None


def _span(floats: Array) -> float:
    """The largest `t1 - t0`."""
    if floats.ndim == 1:
        t0, t1 = floats[:2].tolist()
        return t1 - t0
    return float((floats[..., 1] - floats[..., 0]).max())


def _whole(wanted: float) -> int:
    return NEVER if wanted >= NEVER else math.ceil(wanted)


def _elapsed(entry: Entry, wanted: float) -> float:
    """A position of a backward pass as time left to its beginning, in units of the solver's time."""
    return (1.0 - wanted) * entry.span if wanted <= 1.0 and math.isfinite(entry.span) else NEVER_ELAPSED
