"""When is the next report wanted? The host decides, because it knows how long steps take; the device obeys.

Host side, pure: no clock is read here, times are arguments. A pass is somewhere on a line that grows, its *position*:
steps attempted for a forward pass, the fraction done for a backward one. After each report its `Pace` is asked for the
position of the next.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, Protocol

from soltrace.host.signals import Kind

TRIP_S: Final = 20e-6
"""What a report costs beside the time inside `receive`: the way out of the program and back, 4 to 15 us on a CPU."""
GROWTH: Final = 8.0
"""The first steps of a run may not be like the rest (they warm caches up): reach at most so much further each time."""
SMALLEST_FRACTION: Final = 1e-3
"""From where a backward pass's growth counts: its first report may be at fraction 0."""
PROGRAMS_AT_MOST: Final = 256
"""Programs whose speed is remembered; the one not run for longest is forgotten."""


class Pace(Protocol):
    """The pacing of one pass."""

    def first(self) -> float:
        """The position at which the first report is wanted."""
        ...

    def next(self, position: float, now: float, cost_s: float) -> float:
        """The position at which the report after this one is wanted; `cost_s` is what a report took inside the host."""
        ...

    def end(self, position: float, now: float) -> None:
        """The pass is over: learn from it."""
        ...


class Pacing(Protocol):
    """A policy: makes the pace of each pass."""

    def pace(self, program: object, part: Kind, now: float) -> Pace:
        """Make the pace of a pass that starts now.

        Args:
            program: the same object for every run of the same program.
            part: what part of it; positions are fractions in [0, 1] of `backward`, and whole numbers from 1 of others.
            now: seconds, monotonic.
        """
        ...


@dataclass
class Budget:
    """At most so many reports a second, and so much of a pass's time."""

    max_reports_per_s: float = 10.0
    max_overhead: float = 0.02
    """The fraction of a pass's time that reports may take."""
    _speeds: OrderedDict[tuple[int, Kind], tuple[object, float]] = field(
        default_factory=OrderedDict[tuple[int, Kind], tuple[object, float]]
    )

    def interval_s(self, cost_s: float) -> float:
        """Seconds from one report to the next."""
        return max(1.0 / self.max_reports_per_s, (cost_s + TRIP_S) / self.max_overhead)

    def pace(self, program: object, part: Kind, now: float) -> Pace:
        """Make a pace that begins with what the last run of the program was like."""
        return _BudgetPace(self, program, part, now)

    def seconds_per_unit(self, program: object, part: Kind) -> float | None:
        """How long one step, or the whole of a backward pass, took when the program ran last."""
        known = self._speeds.get((id(program), part))
        return None if known is None else known[1]

    def learn(self, program: object, part: Kind, seconds_per_unit: float) -> None:
        """Remember it. The program itself is kept too, or its `id` could come to mean another one."""
        key = (id(program), part)
        self._speeds[key] = (program, seconds_per_unit)
        self._speeds.move_to_end(key)
        if len(self._speeds) > PROGRAMS_AT_MOST:
            self._speeds.popitem(last=False)


class _BudgetPace:
    def __init__(self, budget: Budget, program: object, part: Kind, now: float) -> None:
        self._budget, self._program = budget, program
        self._part = part
        self._whole_steps = part != Kind.BACKWARD
        self._began = self._last_time = now
        self._last_position = 0.0

    def first(self) -> float:
        smallest = 1.0 if self._whole_steps else 0.0
        speed = self._budget.seconds_per_unit(self._program, self._part)
        return smallest if speed is None else max(smallest, _stride(self._budget.interval_s(0.0), speed))

    def next(self, position: float, now: float, cost_s: float) -> float:
        # From the latest stretch alone: steps may get slower, and the whole pass's mean would see it too late.
        covered, took = position - self._last_position, now - self._last_time
        stride = _stride(self._budget.interval_s(cost_s), took / covered) if covered > 0 else 0.0
        self._last_position, self._last_time = position, now
        if self._whole_steps:
            return position + max(1.0, min(stride, GROWTH * position))
        return position + min(stride, GROWTH * max(position, SMALLEST_FRACTION))

    def end(self, position: float, now: float) -> None:
        if position > 0 and now > self._began:
            self._budget.learn(self._program, self._part, (now - self._began) / position)


def _stride(interval_s: float, seconds_per_unit: float) -> float:
    return interval_s / seconds_per_unit if seconds_per_unit > 0 else math.inf


@dataclass(frozen=True)
class Every:
    """Report every so many steps, and backward every such fraction: whatever it costs, the same each time."""

    steps: int = 1
    fraction: float = 0.0
    """0: each step of a backward pass."""

    def pace(self, program: object, part: Kind, now: float) -> Pace:  # noqa: ARG002 - whatever they are
        """Make the pace of a pass."""
        return _EveryPace(self.fraction if part == Kind.BACKWARD else float(self.steps))


@dataclass(frozen=True)
class _EveryPace:
    distance: float

    def first(self) -> float:
        return self.distance

    def next(self, position: float, now: float, cost_s: float) -> float:  # noqa: ARG002 - whatever they are
        if self.distance == 0.0:
            return position
        reached = math.floor(position / self.distance + 1e-9) + 1
        return reached * self.distance

    def end(self, position: float, now: float) -> None:
        pass


@dataclass
class Silent:
    """The pace of a pass that is to report nothing more but its end."""

    pace: Pace
    """What it was before."""
    known: bool = False
    """Whether the pass has been told so."""

    def first(self) -> float:
        """Never."""
        self.known = True
        return math.inf

    def next(self, position: float, now: float, cost_s: float) -> float:  # noqa: ARG002 - whatever they are
        """Never."""
        self.known = True
        return math.inf

    def end(self, position: float, now: float) -> None:
        """Learn from it all the same."""
        self.pace.end(position, now)
