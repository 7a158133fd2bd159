"""Backward passes: told by each transposed step, by solves of their own (stretches), or only by start and end.

Host side, on the worker thread.
"""

import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from msgspec import UNSET, UnsetType

from soltrace.host.emission import Emission
from soltrace.host.forward import Forward, Memory
from soltrace.host.index import BatchIndex
from soltrace.host.lanes import LaneTable, Shape, fraction_done
from soltrace.host.odd_cotangents import OddCotangents
from soltrace.host.odd_steps import OddSteps
from soltrace.host.one_lane import OneLane, fraction
from soltrace.host.outcomes import ABANDONED, SUCCESSFUL, outcomes
from soltrace.host.passes import PassView, RunInfo
from soltrace.host.signals import Array
from soltrace.host.table import PassEntry
from soltrace.host.values import columns, is_single, lanes_of
from soltrace.wire.array_values import plain, written
from soltrace.wire.record_parts import Steps
from soltrace.wire.records import AnyRecord, Number, Phase
from soltrace.wire.step_fields import OF_A_RESULT, ExplodedGradient, Nonfinite


class BackwardLanes(LaneTable):
    """Lanes that go from where the forward pass ended back to its `t0`."""

    def __init__(self, memory: Memory, results: tuple[str, ...]) -> None:
        """Begin where the forward pass ended: after an event or a failure that is not its `t1`."""
        t0, t1, reached, direction, attempted, accepted = np.array(memory.lanes)
        super().__init__(memory.shape, t0, t1, direction, outcomes(results))
        self.t = self.reached = reached
        self.attempted = attempted.astype(np.int64)
        self.forward_accepted = accepted.astype(np.int64)
        self.step_before: Array = np.zeros(self.count, np.int64)
        """Steps of the stretches that are over."""
        self.accepted_before: Array = np.zeros(self.count, np.int64)

    def go_back(self, ints: Array, floats: Array) -> None:
        """Take over how far it is. A lane whose handle is 0 is at no real step: a bounded loop pads short ones."""
        axes = ints.ndim - 1
        elapsed, _, handle = columns(floats, axes)[:3]
        index, elapsed, handle = self.fit(ints.shape[:axes], columns(ints, axes)[0], elapsed, handle)
        real = self.running & (handle != 0)
        self.set("step", real, self.attempted - index)
        self.move(real, self.t0 + elapsed)

    def move(self, which: Array, t: Array) -> None:
        """Take these lanes back to `t`."""
        self.set("t", which, t)
        self.advance(which, fraction_done(self.reached, self.t0, t))

    def return_home(self, *, step_by_step: bool) -> int:
        """They are where the forward pass began; if each of its steps was transposed, return how many, of the longest.

        Otherwise 0.
        """
        if step_by_step:
            self.step, self.accepted = self.attempted, self.forward_accepted
        running, self.t = self.running, self.t0
        self.advance(running, np.ones(self.count))
        self.end(running, self.outcomes.code(SUCCESSFUL))
        return int(self.attempted.max()) if step_by_step else 0


class OneBackwardLane(OneLane):
    """The same of a single solve."""

    def __init__(self, memory: Memory, results: tuple[str, ...]) -> None:
        """Begin where the forward pass ended."""
        (t0,), (t1,), (self.reached,), (direction,), (attempted,), (accepted,) = memory.lanes
        super().__init__(t0, t1, direction, outcomes(results))
        self._memory, self._results = memory, results
        self.t = [self.reached]
        self.attempted, self.forward_accepted = int(attempted), int(accepted)

    def table(self) -> BackwardLanes:
        """Make the same of arrays."""
        return self._taken_over(BackwardLanes(self._memory, self._results))

    def go_back(self, ints: Array, floats: Array) -> None:
        """Take over how far it is."""
        elapsed, _, handle = floats.tolist()[:3]
        if handle and not self.ended:
            self.step[0] = self.attempted - int(ints[0])
            self.t[0] = self.t0[0] + elapsed
            self.advance(fraction(self.reached, self.t0[0], self.t[0]))

    def return_home(self, *, step_by_step: bool) -> int:
        """It is where the forward pass began; if each of its steps was transposed, return how many, otherwise 0."""
        if step_by_step:
            self.step, self.accepted = [self.attempted], [self.forward_accepted]
        self.t = [*self.t0]
        self.advance(1.0)
        self.end_all(self.outcomes.code(SUCCESSFUL))
        return self.attempted if step_by_step else 0


class Backward(PassView):
    """One backward pass."""

    phase: ClassVar[Phase] = "backward"
    lanes: BackwardLanes | OneBackwardLane

    def __init__(self, event: Emission, run: RunInfo) -> None:
        """Read the start, and what the forward pass has left, if that has not been forgotten."""
        entry, shape = event.entry, event.ints.shape[:-1]
        memory = _memory(entry.parent)
        self._forgotten = memory is None
        memory = memory or _nothing_known(shape)
        if shape or isinstance(memory.lanes, np.ndarray):
            _, which = columns(event.ints, len(shape))
            if len(memory.lanes[0]) == which.max() + 1:  # the shapes alone don't tell lanes from outputs
                memory = memory.of_lanes(shape, which)
            lanes = BackwardLanes(memory, entry.info.results)
            lanes.fit(shape)
        else:
            lanes = OneBackwardLane(memory, entry.info.results)
        super().__init__(entry, run, lanes, single=memory.single, index=memory.index)
        self.attributes |= memory.attributes
        self.lane_attributes = memory.lane_attributes
        self._has_stretches = False
        self._odd = self._odd_cotangents = OddCotangents()
        self._odd_steps, self._directions = OddSteps(), None
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
        """Say how far it is."""
        self.look_for_lanes(event)
        self.lanes.go_back(event.ints, event.floats)
        return self.progressed(event)

    def end(self, event: Emission) -> list[AnyRecord]:
        """Say that it is over: it reached the beginning."""
        info = self.entry.info
        attempted = self.lanes.return_home(step_by_step=info.backward == "steps" and not self._has_stretches)
        self._recomputed = info.recomputed(attempted) if attempted and info.recomputed is not None else 0
        return self.finished(event)

    def begin_stretch(self) -> None:
        """Note that it is made of solves."""
        self._has_stretches = True

    def take_stretch(self, event: Emission, shape: Shape, direction: Array) -> Array:
        """Take what a solve inside it tells, whose time goes that way; return how each lane fares, as a code."""
        axes = event.ints.ndim - 1
        _, step, accepted, result = columns(event.ints, axes)[:4]
        t = columns(event.floats, axes)[0]
        lanes = self._table()
        step, accepted, result, t = lanes.fit(event.ints.shape[:axes], step, accepted, result, t)
        (direction,) = lanes.fit(shape, direction)
        lanes.step, lanes.accepted = lanes.step_before + step, lanes.accepted_before + accepted
        lanes.move(lanes.running, direction * t)
        return lanes.outcomes.translated(outcomes(event.entry.info.results), result)

    def take_steps(self, event: Emission, shape: Shape, direction: Array) -> list[AnyRecord]:
        """Say what the steps of a solve inside it were like, whose time goes that way."""
        lanes = self._table()
        fitted: Callable[[], Array] = lambda: lanes.direction * lanes.fit(shape, direction)[0]
        return self.attempted(event, fitted, lambda: lanes.step_before)

    def take_found(self, event: Emission, shape: Shape, direction: Array) -> None:
        """Keep what a solve inside it has found in its steps, whose time goes that way."""
        lanes, axes = self._table(), event.ints.ndim - 1
        floats, ints = lanes.fit(event.ints.shape[:axes], *[lanes_of(extra, axes) for extra in event.extras])
        self._directions = lanes.direction * lanes.fit(shape, direction)[0]
        ints = ints.astype(np.int64)
        ints[..., 0] += np.where(ints[..., 0] >= 0, lanes.step_before[:, None], 0)
        self._odd_steps.take(floats, ints, event.info.places, single=is_single(event.extras[0]))

    def end_stretch(self, event: Emission, result: Array) -> list[AnyRecord]:
        """Add up its steps. One that failed ends the pass: an error in the program would let no other end arrive."""
        lanes = self._table()
        lanes.step_before, lanes.accepted_before = lanes.step, lanes.accepted
        if not event.closing:
            return self.progressed(event) if event.report else []
        self._recomputed = 0
        failing, code = ~lanes.outcomes.good[result], lanes.outcomes.code
        others = np.where(lanes.progress >= 1.0, code(SUCCESSFUL), code(ABANDONED))
        lanes.end(lanes.running, np.where(failing, result, others))
        return self.finished(event)

    def _table(self) -> BackwardLanes:
        if isinstance(self.lanes, OneBackwardLane):
            self.lanes = self.lanes.table()
        return self.lanes

    def steps(self, lane: int | None) -> Steps:
        """Steps, and those evaluated again: as often in each lane, for the lanes go together."""
        counted, again = self.lanes.count_steps(lane), self._recomputed
        if lane is None and again is not UNSET:
            again *= self.lanes.count
        return Steps(accepted=counted.accepted, rejected=counted.rejected, recomputed=again)

    def nonfinite(self) -> dict[int, Nonfinite]:
        """What each lane has that is not finite: what arrived so, or of what the solves inside it met the first."""
        in_steps = {} if self._directions is None else self._odd_steps.told(self.lanes, self._directions)
        found = self._odd_cotangents.told(self.lanes, explained=bool(in_steps))
        arrived = {lane for lane, one in found.items() if one.found_in == OF_A_RESULT}
        found |= {lane: one for lane, one in in_steps.items() if lane not in arrived}
        return dict(sorted(found.items()))

    def exploded(self) -> ExplodedGradient | UnsetType:
        """How its gradient exploded, if it did."""
        batch = self.batch
        index = None if batch is None else self.index.rows(batch.shape)
        return self._odd_cotangents.exploded(self.lanes, index)

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

    def _common(self, times: Any) -> Number | UnsetType:
        value = None if self._forgotten else self.lanes.common(self.lanes.in_users_time(times))
        return UNSET if value is None else written(value, single=self.single)


class Stretch:
    """A solve inside a backward pass: what its steps don't say themselves. The lines are the pass's."""

    def __init__(self, event: Emission, run: RunInfo) -> None:  # noqa: ARG002 - the run is that of the pass
        """Read the start."""
        axes = event.ints.ndim - 1
        self._shape: Shape = event.ints.shape[:axes]
        self._direction: Array = columns(event.floats, axes)[2]
        """The sign by which its time was multiplied."""
        parent = event.entry.parent
        self._backward = None if parent is None else parent.view

    @property
    def over(self) -> bool:
        """Its pass has ended, or was never understood."""
        return not isinstance(self._backward, Backward) or self._backward.over

    def start(self, event: Emission) -> list[AnyRecord]:  # noqa: ARG002 - nothing of it is told
        """Say nothing: it is no pass."""
        if isinstance(self._backward, Backward):
            self._backward.begin_stretch()
        return []

    def step(self, event: Emission) -> list[AnyRecord]:
        """Say how far the pass is."""
        if not isinstance(self._backward, Backward):
            return []
        self._backward.take_stretch(event, self._shape, self._direction)
        return self._backward.progressed(event)

    def detail(self, event: Emission) -> list[AnyRecord]:
        """Say what its steps were like, in a line of the pass."""
        if not isinstance(self._backward, Backward):
            return []
        return self._backward.take_steps(event, self._shape, self._direction)

    def found(self, event: Emission) -> list[AnyRecord]:
        """Keep what was found in its steps, until the pass is over."""
        if isinstance(self._backward, Backward):
            self._backward.take_found(event, self._shape, self._direction)
        return []

    def end(self, event: Emission) -> list[AnyRecord]:
        """Add its steps to those of the pass."""
        if not isinstance(self._backward, Backward):
            return []
        result = self._backward.take_stretch(event, self._shape, self._direction)
        return self._backward.end_stretch(event, result)


def _memory(forward: PassEntry | None) -> Memory | None:
    """What is known of the forward pass of a backward pass, ended or not."""
    view = None if forward is None else forward.view
    if isinstance(view, Forward):
        return view.memory()
    return view if isinstance(view, Memory) else None


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
