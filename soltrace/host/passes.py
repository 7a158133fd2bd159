"""A pass as the worker sees it: raw arrays go in, records come out. What forward and backward passes share.

Host side, on the worker thread alone.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from msgspec import UNSET, UnsetType

from soltrace.host.attempted import attempts
from soltrace.host.doing import stuck_in
from soltrace.host.emission import Abandonment, Emission, moment
from soltrace.host.index import BatchIndex
from soltrace.host.lanes import LaneTable, Shape
from soltrace.host.odd_cotangents import OddCotangents
from soltrace.host.odd_steps import OddSteps
from soltrace.host.one_lane import OneLane
from soltrace.host.outcomes import ABANDONED, CUT_SHORT
from soltrace.host.selection import Selection
from soltrace.host.signals import Array
from soltrace.host.table import PassEntry
from soltrace.host.values import columns, is_single, lanes_of, static_attributes
from soltrace.wire.array_values import attribute, written
from soltrace.wire.progress import RecentProgress
from soltrace.wire.record_parts import Steps, Usage
from soltrace.wire.records import (
    AnyRecord,
    Attribute,
    LaneEnded,
    LaneNonfinite,
    Level,
    LogResource,
    Nonfinite,
    Number,
    PassEnded,
    PassHeartbeat,
    PassProgress,
    PassStarted,
    PassSteps,
    Phase,
    Status,
)
from soltrace.wire.step_fields import ExplodedGradient


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What all records of a run share."""

    run_id: str
    selection: Selection
    find_process_index: Callable[[], int | UnsetType] = lambda: UNSET
    """Not a number: a recorder may be made before jax knows which of several processes this is."""
    find_resource: Callable[[], Mapping[str, Attribute]] | None = None
    """Finds the resource, with what was not known of it when the run was opened, if anything is; None: all was."""

    @property
    def process_index(self) -> int | UnsetType:
        """Which of the processes of one jax program this is, once that is known; UNSET where it is alone."""
        return self.find_process_index()

    def resource_record(self, resource: Mapping[str, Attribute], time_ns: int) -> LogResource:
        """Make the line that completes the first one."""
        return LogResource(
            timestamp=moment(time_ns),
            run_id=self.run_id,
            experiment=None,
            attributes={},
            process_index=self.process_index,
            resource=resource,
        )


class PassView:
    """What is known of a pass, and the lines that say it."""

    phase: ClassVar[Phase] = "forward"

    def __init__(
        self, entry: PassEntry, run: RunInfo, lanes: LaneTable | OneLane, *, single: bool, index: BatchIndex
    ) -> None:
        """Begin with the lanes that the start told."""
        self.entry, self.run, self.single, self.index = entry, run, single, index
        self.lanes = lanes
        self.attributes: dict[str, Attribute] = {**entry.context.attributes, **static_attributes(entry.info.attributes)}
        self.lane_attributes: dict[str, tuple[Shape, Array]] = {}
        """Traced attributes that differ between lanes: on the lines of a lane."""
        self.over = False
        self._odd: OddSteps | OddCotangents = OddSteps()
        self._watched: Sequence[Array] | Array | None = None
        """What the user watches: of each quantity, its values in the lanes."""
        self._watched_single = True
        self._recent = RecentProgress()

    def started(self, event: Emission, **known: Any) -> list[AnyRecord]:
        """The first line."""
        info = self.entry.info
        self._recent.add(event.time_ns / 1e9, 0.0)
        solver, adjoint, controller = info.names
        return [
            PassStarted(
                **self._every_line(event.time_ns),
                solver=solver,
                adjoint=adjoint,
                controller=controller,
                max_steps=info.max_steps,
                batch_shape=self.index.shape(self.lanes.shape),
                **known,
            )
        ]

    def progressed(self, event: Emission) -> list[AnyRecord]:
        """The lines of a report: lanes that have ended, lanes that run, the whole."""
        lines = self._ended_lanes(event, last=False)
        common_part, batch = self._every_line(event.time_ns), self.batch
        if batch is not None:
            index = self.index.rows(batch.shape)
            for lane in self.run.selection.running(batch, index).tolist():
                lines.append(
                    PassProgress(
                        **(common_part | self._of_lane(lane)),
                        **self._place(lane),
                        steps=self.steps_so_far(lane),
                        batch_index=index[lane].tolist(),
                        watched=self._watched_of(lane),
                    )
                )
        whole = self._place(self.lanes.slowest())
        self._recent.add(event.time_ns / 1e9, whole["progress"])
        lines.append(
            PassProgress(
                **common_part,
                **whole,
                steps=self.steps_so_far(None),
                lanes=UNSET if batch is None else batch.summary(),
                watched=self._watched_of(self.lanes.slowest()),
            )
        )
        return lines

    def detail(self, event: Emission) -> list[AnyRecord]:
        """The line that says what its steps were like."""
        return self.attempted(event, lambda: self.lanes.direction)

    def attempted(
        self,
        event: Emission,
        direction: Callable[[], Sequence[float] | Array],
        before: Callable[[], Array] | None = None,
    ) -> list[AnyRecord]:
        """The line that has the steps of an event.

        Args:
            event: Tells them.
            direction: Finds, once it is known which lanes there are, the sign by which the time of each was multiplied.
            before: Finds, likewise, how many steps each has taken before the first of the program; None: none.
        """
        axes, (floats, ints) = event.ints.ndim - 1, event.extras
        self.look_for_lanes(event)
        rows = [lanes_of(floats, axes), lanes_of(ints, axes)]
        if isinstance(self.lanes, LaneTable):
            rows = self.lanes.fit(event.ints.shape[:axes], *rows)
        batch = self.batch
        index = None if batch is None else self.index.rows(batch.shape)
        found = attempts(rows[0], rows[1], direction(), index, event.info.components, before and before())
        return [] if found is None else [PassSteps(**self._every_line(event.time_ns), attempts=found)]

    def watch(self, event: Emission) -> None:
        """Take what the user watches from a report, or from the end, if it is there."""
        names = self.entry.info.watched
        if not names:
            return
        axes = event.ints.ndim - 1
        values = columns(event.floats, axes)[1 : 1 + len(names)]
        if not len(values):
            return
        if isinstance(self.lanes, LaneTable):
            values = self.lanes.fit(event.ints.shape[:axes], *values)
        self._watched, self._watched_single = values, is_single(event.floats)

    def _watched_of(self, lane: int) -> dict[str, Number] | UnsetType:
        names, single = self.entry.info.watched, self._watched_single
        if self._watched is None:
            return UNSET
        return {name: written(of[lane], single=single) for name, of in zip(names, self._watched, strict=True)}

    def found(self, event: Emission) -> list[AnyRecord]:
        """Keep what was found in its steps, until it is known whether it went on so."""
        self.look_for_lanes(event)
        axes, single = event.ints.ndim - 1, is_single(event.extras[0])
        rows = [lanes_of(extra, axes) for extra in event.extras]
        if isinstance(self.lanes, LaneTable):
            rows = self.lanes.fit(event.ints.shape[:axes], *rows)
        self._odd.take(rows[0], rows[1], event.info.places, single=single)
        return []

    def heartbeat(self, time_ns: int, now: float, usage: Usage | UnsetType, *, stalled: bool) -> PassHeartbeat:
        """Say that it is still open."""
        eta_s = self._recent.eta_s
        return PassHeartbeat(
            **self._every_line(time_ns, "warning" if stalled else "info"),
            open_s=now - self.entry.began,
            silent_s=max(0.0, now - self.entry.last_seen),
            stalled=stalled,
            **self._place(self.lanes.slowest()),
            rate=self._recent.rate or 0.0,
            eta_s=UNSET if eta_s is None else eta_s,
            doing=stuck_in() if stalled else UNSET,
            usage=usage,
        )

    def finished(self, event: Emission | Abandonment) -> list[AnyRecord]:
        """The last lines. All lanes have ended by now."""
        self.over = True
        lines = self._ended_lanes(event, last=True)
        lanes, batch = self.lanes, self.batch
        odd = self.nonfinite()
        lines += [self._lane_nonfinite(event, lane, found) for lane, found in odd.items()]
        slowest, failed = lanes.slowest(), lanes.first_failed()
        result = int(lanes.result[slowest if failed is None else failed])
        status = "ok" if failed is None else "error"
        lines.append(
            PassEnded(
                **self._every_line(event.time_ns, _level(status)),
                status=status,
                result=lanes.outcomes.names[result],
                duration_s=event.monotonic - self.entry.began,
                **self._place(slowest),
                steps=self.steps(None),
                lanes=UNSET if batch is None else batch.summary(),
                watched=self._watched_of(slowest),
                nonfinite=next(iter(odd.values()), UNSET),
                exploded=self.exploded(),
            )
        )
        return lines

    def abandoned(self, event: Emission | Abandonment) -> list[AnyRecord]:
        """Give up: whatever still ran is said to have been abandoned, or interrupted."""
        why = CUT_SHORT if isinstance(event, Abandonment) and event.interrupted else ABANDONED
        self.lanes.end_all(self.lanes.outcomes.code(why))
        return self.finished(event)

    def look_for_lanes(self, event: Emission) -> None:
        """Have lanes from the first signal on that knows of a batch."""
        if event.ints.ndim > 1 and isinstance(self.lanes, OneLane):
            self.lanes = self.lanes.table()

    @property
    def batch(self) -> LaneTable | None:
        """The lanes, if there are some to tell apart."""
        return self.lanes if isinstance(self.lanes, LaneTable) and self.index.shape(self.lanes.shape) else None

    def steps(self, lane: int | None) -> Steps | UnsetType:
        """Steps of a lane, or of all (None), if they are known."""
        return self.lanes.count_steps(lane)

    def nonfinite(self) -> dict[int, Nonfinite]:
        """What each lane has that is not finite, in the order of the lanes."""
        return self._odd.told(self.lanes)

    def exploded(self) -> ExplodedGradient | UnsetType:
        """How its gradient exploded, if it did."""
        return UNSET

    def steps_so_far(self, lane: int | None) -> Steps | UnsetType:
        """The same while the pass is under way, if it is known."""
        return self.steps(lane)

    def time(self, lane: int) -> Number | UnsetType:
        """Where a lane is, in the user's time."""
        return self.user_time(lane, self.lanes.t)

    def user_time(self, lane: int, times: Sequence[float] | Array) -> Number | UnsetType:
        """A solver's time as the user's, if times are known at all. Plus 0.0: there is no -0.0 then."""
        direction = self.lanes.direction[lane]
        return UNSET if math.isnan(direction) else _time(float(direction * times[lane] + 0.0), single=self.single)

    def _place(self, lane: int) -> dict[str, Any]:
        lanes = self.lanes
        return {"step": int(lanes.step[lane]), "progress": float(lanes.progress[lane]), "t": self.time(lane)}

    def _ended_lanes(self, event: Emission | Abandonment, *, last: bool) -> list[AnyRecord]:
        if (lanes := self.batch) is None:
            return []
        index = self.index.rows(lanes.shape)
        told = self.run.selection.ended(lanes, index, last=last)
        lanes.said[told] = True
        return [self._lane_ended(event, lane, index[lane].tolist()) for lane in told.tolist()]

    def _lane_nonfinite(self, event: Emission | Abandonment, lane: int, found: Nonfinite) -> AnyRecord:
        batch = self.batch
        return LaneNonfinite(
            **(self._every_line(event.time_ns, "warning") | self._of_lane(lane)),
            batch_index=UNSET if batch is None else self.index.rows(batch.shape)[lane].tolist(),
            nonfinite=found,
        )

    def _lane_ended(self, event: Emission | Abandonment, lane: int, index: list[int]) -> AnyRecord:
        result = int(self.lanes.result[lane])
        status = self.lanes.outcomes.status(result)
        return LaneEnded(
            **(self._every_line(event.time_ns, _level(status)) | self._of_lane(lane)),
            batch_index=index,
            status=status,
            result=self.lanes.outcomes.names[result],
            **self._place(lane),
            t0=self.user_time(lane, self.lanes.t0),
            t1=self.user_time(lane, self.lanes.t1),
            steps=self.steps(lane),
            watched=self._watched_of(lane),
        )

    def _of_lane(self, lane: int) -> dict[str, Any]:
        if not self.lane_attributes:
            return {}
        own = {name: attribute(self.fitted(*known)[lane]) for name, known in self.lane_attributes.items()}
        return {"attributes": {**self.attributes, **own}}

    def fitted(self, shape: Shape, values: Array) -> Array:
        """Values of a smaller batch, as large as the lanes are now."""
        return values if isinstance(self.lanes, OneLane) else self.lanes.fit(shape, values)[0]

    def _every_line(self, time_ns: int, level: Level = "info") -> dict[str, Any]:
        entry, run = self.entry, self.run
        return {
            "timestamp": moment(time_ns),
            "level": level,
            "run_id": run.run_id,
            "experiment": entry.context.experiment,
            "attributes": self.attributes,
            "process_index": run.process_index,
            "context": entry.context.variables or UNSET,
            "solve_id": entry.solve_id,
            "pass_id": entry.pass_id,
            "phase": self.phase,
        }


@lru_cache(maxsize=1024)
def _time(value: float, *, single: bool) -> Number:
    """Write a time: in a loop of solves it is the same again and again."""
    return written(value, single=single)


def _level(status: Status) -> Level:
    return "info" if status == "ok" else "error"
