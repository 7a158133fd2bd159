"""Forward passes: of a solve, and of one that only a progress meter tells of.

Host side, on the worker thread.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from msgspec import UNSET, UnsetType

from soltrace.host.emission import Emission
from soltrace.host.index import BatchIndex
from soltrace.host.lanes import LaneTable, Shape, fraction_done
from soltrace.host.outcomes import EVENT, SUCCESSFUL, UNKNOWN, outcomes
from soltrace.host.passes import PassView, RunInfo
from soltrace.host.signals import Array
from soltrace.host.values import columns, common, is_single, traced_attributes
from soltrace.wire.array_values import written
from soltrace.wire.records import AnyRecord, Attribute, Number


@dataclass(frozen=True, slots=True)
class Memory:
    """What a forward pass leaves for the backward passes that may come. Small: thousands are kept."""

    shape: Shape
    lanes: Array
    """`float64[6, lanes]`: t0, t1, the t reached, direction, steps attempted, steps accepted."""
    single: bool
    index: BatchIndex
    attributes: dict[str, Attribute]
    lane_attributes: dict[str, tuple[Shape, Array]]

    def of_lanes(self, shape: Shape, which: Array) -> Self:
        """What a batch of that shape has to know, each of whose lanes is one of the lanes here."""
        own = {name: (shape, values[which]) for name, (_, values) in self.lane_attributes.items()}
        return replace(self, shape=shape, lanes=self.lanes[:, which], lane_attributes=own)


class Forward(PassView):
    """The forward pass of a solve."""

    def __init__(self, event: Emission, run: RunInfo) -> None:
        """Read the start."""
        entry = event.entry
        axes = event.ints.ndim - 1
        shape = event.ints.shape[:axes]
        shard, shards = (int(column[0]) for column in columns(event.ints, axes)[:2])
        floats = columns(event.floats.astype(np.float64), axes)
        t0, t1, direction, self._rtol, self._atol = floats[:5]
        lanes = LaneTable(shape, t0, t1, direction, outcomes(entry.info.results))
        index = BatchIndex(shard, shards, entry.info.sharded)
        super().__init__(entry, run, lanes, single=is_single(event.floats), index=index)
        same, self.lane_attributes = traced_attributes(entry.info.traced_attributes, event.extras, shape)
        self.attributes |= same

    def start(self, event: Emission) -> list[AnyRecord]:
        """Say that it begins."""
        lanes = self.lanes
        return self.started(
            event,
            rtol=self._tolerance(self._rtol),
            atol=self._tolerance(self._atol),
            t0=self._common(lanes.direction * lanes.t0 + 0.0),
            t1=self._common(lanes.direction * lanes.t1 + 0.0),
        )

    def step(self, event: Emission) -> list[AnyRecord]:
        """Say how far it is. A lane whose event is still to be located keeps its place: where is known at the end."""
        result, t = self._take(event)
        lanes, code = self.lanes, self.lanes.outcomes.code
        by_event = result == code(EVENT)
        if self.entry.info.events_located:
            lanes.stopped = lanes.stopped | by_event
        self._move(lanes.running & ~lanes.stopped, t)
        over = by_event | ((result == code(SUCCESSFUL)) & (t >= lanes.t1)) | ~lanes.outcomes.good[result]
        self.end_lanes(lanes.running & ~lanes.stopped & over, result)
        return self.progressed(event)

    def end(self, event: Emission) -> list[AnyRecord]:
        """Say how it ended, and where in truth."""
        result, t = self._take(event)
        running = self.lanes.running
        self._move(running, t)
        self.end_lanes(running, result)
        return self.finished(event)

    def _take(self, event: Emission) -> tuple[Array, Array]:
        axes = event.ints.ndim - 1
        _, step, accepted, result = columns(event.ints, axes)[:4]
        t = columns(event.floats, axes)[0]
        lanes = self.lanes
        step, accepted, result, t = lanes.fit(event.ints.shape[:axes], step, accepted, result, t)
        lanes.set("step", lanes.running, step)
        lanes.set("accepted", lanes.running, accepted)
        return lanes.outcomes.clean(result), t.astype(np.float64)

    def _move(self, which: Array, t: Array) -> None:
        self.lanes.set("t", which, t)
        self.lanes.advance(which, fraction_done(self.lanes.t0, self.lanes.t1, t))

    def memory(self) -> Memory:
        """What is kept when it has ended."""
        lanes = self.lanes
        kept = np.stack((lanes.t0, lanes.t1, lanes.t, lanes.direction, lanes.step, lanes.accepted))
        own = {name: (lanes.shape, self.fitted(*known)) for name, known in self.lane_attributes.items()}
        return Memory(lanes.shape, kept, self.single, self.index, self.attributes, own)

    def _tolerance(self, values: Array) -> Number | UnsetType:
        return UNSET if np.isnan(values).any() else self._common(values)

    def _common(self, values: Array) -> Number | UnsetType:
        value = common(values)
        return UNSET if value is None else written(value, single=self.single)


class Meter(PassView):
    """A forward pass of which only progress is known: its times are NaN, and its steps are not told apart."""

    def __init__(self, event: Emission, run: RunInfo) -> None:
        """Begin."""
        entry = event.entry
        shape = event.ints.shape[:-1]
        nowhere = np.full(int(np.prod(shape)), np.nan)
        lanes = LaneTable(shape, nowhere, nowhere, nowhere, outcomes(entry.info.results))
        index = BatchIndex(sharded="")
        super().__init__(entry, run, lanes, single=False, index=index)

    def start(self, event: Emission) -> list[AnyRecord]:
        """Say that it begins."""
        return self.started(event)

    def step(self, event: Emission) -> list[AnyRecord]:
        """Say how far it is."""
        self._take(event)
        return self.progressed(event)

    def end(self, event: Emission) -> list[AnyRecord]:
        """Say that it ended; how, a meter is not told."""
        self._take(event)
        running = self.lanes.running
        self.end_lanes(running, self.lanes.outcomes.code(UNKNOWN))
        return self.finished(event)

    def steps(self, lane: int | None) -> UnsetType:  # noqa: ARG002 - other passes know
        """Not known: a meter is not told which steps were accepted."""
        return UNSET

    def _take(self, event: Emission) -> None:
        axes = event.ints.ndim - 1
        step, progress = columns(event.ints, axes)[1], columns(event.floats, axes)[0]
        step, progress = self.lanes.fit(event.ints.shape[:axes], step, progress)
        self.lanes.advance(self.lanes.running, progress)
        self.lanes.set("step", self.lanes.running, step)
