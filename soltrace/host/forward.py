"""Forward passes: of a solve, and of one that only a progress meter tells of.

Host side, on the worker thread.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Self

import numpy as np
from msgspec import UNSET, UnsetType

from soltrace.host.emission import Emission
from soltrace.host.index import BatchIndex
from soltrace.host.lanes import LaneTable, Shape
from soltrace.host.one_lane import OneLane
from soltrace.host.outcomes import UNKNOWN, outcomes
from soltrace.host.passes import PassView, RunInfo
from soltrace.host.signals import Array
from soltrace.host.values import columns, is_single, traced_attributes
from soltrace.wire.array_values import written
from soltrace.wire.records import AnyRecord, Attribute, Number


@dataclass(frozen=True, slots=True)
class Memory:
    """What a forward pass leaves for the backward passes that may come. Small: thousands are kept."""

    shape: Shape
    lanes: Array | list[list[float]]
    """`[6, lanes]`: t0, t1, the t reached, direction, steps attempted, steps accepted. Of one lane it is a list."""
    single: bool
    index: BatchIndex
    attributes: dict[str, Attribute]
    lane_attributes: dict[str, tuple[Shape, Array]]

    def of_lanes(self, shape: Shape, which: Array) -> Self:
        """What a batch of that shape has to know, each of whose lanes is one of the lanes here."""
        own = {name: (shape, values[which]) for name, (_, values) in self.lane_attributes.items()}
        return replace(self, shape=shape, lanes=np.array(self.lanes)[:, which], lane_attributes=own)


class Forward(PassView):
    """The forward pass of a solve."""

    def __init__(self, event: Emission, run: RunInfo) -> None:
        """Read the start."""
        info = event.entry.info
        shape = event.ints.shape[:-1]
        shard, shards, *_ = event.ints_of_a_lane()
        index = BatchIndex(shard, shards, info.sharded)
        self._rtol: Sequence[Any] | Array
        self._atol: Sequence[Any] | Array
        if shape or info.sharded:
            t0, t1, direction, self._rtol, self._atol = columns(event.floats.astype(np.float64), len(shape))[:5]
            lanes = LaneTable(shape, t0, t1, direction, outcomes(info.results))
        else:
            t0, t1, direction, rtol, atol = event.floats.tolist()[:5]
            lanes, self._rtol, self._atol = OneLane(t0, t1, direction, outcomes(info.results)), [rtol], [atol]
        super().__init__(event.entry, run, lanes, single=is_single(event.floats), index=index)
        if info.traced_attributes:
            same, self.lane_attributes = traced_attributes(info.traced_attributes, event.extras, shape)
            self.attributes |= same

    def start(self, event: Emission) -> list[AnyRecord]:
        """Say that it begins."""
        return self.started(event, **self._settings(), dtype=self.entry.info.dtype)

    def _settings(self) -> Mapping[str, Number | UnsetType]:
        lanes = self.lanes
        if isinstance(lanes, OneLane):  # in a loop they are the same each time
            known = (None if math.isnan(number) else number for number in (self._rtol[0], self._atol[0]))
            return _of_one_lane(lanes.t0[0], lanes.t1[0], lanes.direction[0], *known, single=self.single)
        return {
            "rtol": self._tolerance(self._rtol),
            "atol": self._tolerance(self._atol),
            "t0": self._common(lanes.in_users_time(lanes.t0)),
            "t1": self._common(lanes.in_users_time(lanes.t1)),
        }

    def step(self, event: Emission) -> list[AnyRecord]:
        """Say how far it is."""
        self.look_for_lanes(event)
        self.lanes.go_on(event.ints, event.floats, events_located=self.entry.info.events_located)
        self.watch(event)
        return self.progressed(event)

    def end(self, event: Emission) -> list[AnyRecord]:
        """Say how it ended, and where in truth."""
        self.look_for_lanes(event)
        self.lanes.arrive(event.ints, event.floats)
        self.watch(event)
        return self.finished(event)

    def memory(self) -> Memory:
        """What is kept when it has ended."""
        shape = self.lanes.shape
        own = {name: (shape, self.fitted(*known)) for name, known in self.lane_attributes.items()}
        return Memory(shape, self.lanes.memory(), self.single, self.index, self.attributes, own)

    def _tolerance(self, values: Any) -> Number | UnsetType:
        return UNSET if any(map(math.isnan, values)) else self._common(values)

    def _common(self, values: Any) -> Number | UnsetType:
        value = self.lanes.common(values)
        return UNSET if value is None else written(value, single=self.single)


@lru_cache(maxsize=256)
def _of_one_lane(
    t0: float, t1: float, direction: float, rtol: float | None, atol: float | None, *, single: bool
) -> Mapping[str, Number | UnsetType]:
    # A tolerance that is not there is None and not NaN, which is found in no table again.
    tell: Callable[[float], Number] = lambda value: written(value, single=single)
    return {
        "rtol": UNSET if rtol is None else tell(rtol),
        "atol": UNSET if atol is None else tell(atol),
        "t0": tell(direction * t0 + 0.0),
        "t1": tell(direction * t1 + 0.0),
    }


class Meter(PassView):
    """A forward pass of which only progress is known: its times are NaN, and its steps are not told apart."""

    lanes: LaneTable

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
        self.lanes.end_all(self.lanes.outcomes.code(UNKNOWN))
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
