"""Backward passes: told by each transposed step, by solves of their own (stretches), or only by start and end.

Host side, on the worker thread.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from msgspec import UNSET, UnsetType

from soltrace.host.emission import Emission
from soltrace.host.forward import Memory
from soltrace.host.index import BatchIndex
from soltrace.host.lanes import LaneTable, Shape, fraction_done
from soltrace.host.outcomes import ABANDONED, SUCCESSFUL, outcomes
from soltrace.host.passes import PassView, Run
from soltrace.host.signals import Array
from soltrace.host.table import Entry
from soltrace.host.values import columns, common
from soltrace.wire.attributes import plain, written
from soltrace.wire.records import AnyRecord, Number, Phase, Steps


class BackwardLanes(LaneTable):
    """Lanes that go from where the forward pass ended back to its `t0`."""

    def __init__(self, memory: Memory, results: tuple[str, ...]) -> None:
        """Begin where the forward pass ended: after an event or a failure that is not its `t1`."""
        t0, t1, reached, direction, attempted, accepted = memory.lanes
        super().__init__(memory.shape, t0, t1, direction, outcomes(results))
        self.t = self.reached = reached
        self.attempted = attempted.astype(np.int64)
        self.forward_accepted = accepted.astype(np.int64)
        self.step_before: Array = np.zeros(self.count, np.int64)
        """Steps of the stretches that are over."""
        self.accepted_before: Array = np.zeros(self.count, np.int64)

    def move(self, which: Array, t: Array) -> None:
        """Take these lanes back to `t`."""
        self.set("t", which, t)
        self.advance(which, fraction_done(self.reached, self.t0, t))


@dataclass(frozen=True, slots=True)
class Stretch:
    """What the steps of a solve inside a backward pass don't say themselves."""

    shape: Shape
    direction: Array
    """The sign by which its time was multiplied."""


class Backward(PassView):
    """One backward pass."""

    phase: ClassVar[Phase] = "backward"
    lanes: BackwardLanes

    def __init__(self, entry: Entry, run: Run, event: Emission, memory: Memory | None) -> None:
        """Read the start; `memory` is the forward pass's, if it has not been forgotten."""
        shape = event.ints.shape[:-1]
        self._forgotten = memory is None
        memory = memory or _nothing_known(shape)
        super().__init__(
            entry, run, BackwardLanes(memory, entry.info.results), single=memory.single, index=memory.index
        )
        self.lanes.fit(shape)
        self.attributes |= memory.attributes
        self.lane_attributes = memory.lane_attributes
        self._has_stretches = False
        self._recomputed: int | UnsetType = UNSET

    def start(self, event: Emission) -> list[AnyRecord]:
        """Say that it begins."""
        parent = self.entry.parent
        return self.started(
            event,
            t0=self._common(self.lanes.t0),
            t1=self._common(self.lanes.t1),
            forward_pass_id=UNSET if parent is None else parent.pass_id,
        )

    def step(self, event: Emission) -> list[AnyRecord]:
        """Say how far it is. A lane whose handle is 0 is at no real step: a bounded loop pads the shorter lanes."""
        axes = event.ints.ndim - 1
        index = columns(event.ints, axes)[0]
        elapsed, _, handle = columns(event.floats, axes)[:3]
        lanes = self.lanes
        index, elapsed, handle = lanes.fit(event.ints.shape[:axes], index, elapsed, handle)
        real = lanes.running & (handle != 0)
        lanes.set("step", real, lanes.attempted - index)
        lanes.move(real, lanes.t0 + elapsed)
        return self.progressed(event)

    def stretch_step(self, event: Emission) -> list[AnyRecord]:
        """Say how far a solve inside this pass is."""
        self._take_stretch(event)
        return self.progressed(event)

    def stretch_end(self, event: Emission) -> list[AnyRecord]:
        """Add up its steps. One that failed ends the pass: an error in the program would let no other end arrive."""
        result = self._take_stretch(event)
        lanes = self.lanes
        lanes.step_before, lanes.accepted_before = lanes.step, lanes.accepted
        if not event.closing:
            return self.progressed(event) if event.report else []
        self._recomputed = 0
        failing = ~lanes.outcomes.good[result]
        self.end_lanes(lanes.running, np.where(failing, result, lanes.outcomes.code(ABANDONED)))
        return self.finished(event)

    def end(self, event: Emission) -> list[AnyRecord]:
        """Say that it is over: it reached the beginning."""
        lanes, info = self.lanes, self.entry.info
        self._recomputed = 0
        if info.backward == "steps" and not self._has_stretches:
            lanes.step, lanes.accepted = lanes.attempted, lanes.forward_accepted
            if info.recomputed is not None:
                self._recomputed = info.recomputed(int(lanes.attempted.max()))
        running = lanes.running
        lanes.t = lanes.t0
        lanes.advance(running, np.ones(lanes.count))
        self.end_lanes(running, lanes.outcomes.code(SUCCESSFUL))
        return self.finished(event)

    def stretch_start(self, event: Emission) -> list[AnyRecord]:
        """Note which way the time of a solve inside this pass goes."""
        axes = event.ints.ndim - 1
        direction = columns(event.floats, axes)[2]
        event.entry.view = Stretch(event.ints.shape[:axes], direction)
        self._has_stretches = True
        return []

    def _take_stretch(self, event: Emission) -> Array:
        axes = event.ints.ndim - 1
        shape = event.ints.shape[:axes]
        _, step, accepted, result = columns(event.ints, axes)[:4]
        t = columns(event.floats, axes)[0]
        lanes, stretch = self.lanes, event.entry.view
        if not isinstance(stretch, Stretch):
            raise TypeError("a stretch whose start could not be read")
        step, accepted, result, t = lanes.fit(shape, step, accepted, result, t)
        (direction,) = lanes.fit(stretch.shape, stretch.direction)
        lanes.step, lanes.accepted = lanes.step_before + step, lanes.accepted_before + accepted
        lanes.move(lanes.running, direction * t)
        return lanes.outcomes.translated(outcomes(event.entry.info.results), result)

    def steps(self, lane: int | None) -> Steps:
        """Steps, and those evaluated again: as often in each lane, for the lanes go together."""
        counted, again = self.counted(lane), self._recomputed
        if lane is None and again is not UNSET:
            again *= self.lanes.count
        return Steps(accepted=counted.accepted, rejected=counted.rejected, recomputed=again)

    def steps_so_far(self, lane: int | None) -> Steps | UnsetType:  # noqa: ARG002 - other passes know
        """Not known under way: which of the steps that were transposed had been accepted is not told."""
        return UNSET

    def time(self, lane: int) -> Number | UnsetType:
        """Where a lane is. A transposed step tells the time elapsed since `t0` in float32: no digits beyond those."""
        if self._has_stretches or self._forgotten:
            return super().time(lane)
        lanes = self.lanes
        elapsed = plain(lanes.t[lane] - lanes.t0[lane], single=True)
        return written(lanes.direction[lane] * (lanes.t0[lane] + elapsed) + 0.0, single=self.single)

    def _common(self, times: Array) -> Number | UnsetType:
        value = UNSET if self._forgotten else common(self.lanes.direction * times + 0.0)
        return UNSET if value is UNSET or value is None else written(value, single=self.single)


def _nothing_known(shape: Shape) -> Memory:
    count = math.prod(shape)
    unknown = [np.full(count, np.nan)]
    return Memory(
        shape,
        np.stack(unknown * 4 + [np.zeros(count)] * 2),
        single=False,
        index=BatchIndex(),
        attributes={},
        lane_attributes={},
    )
