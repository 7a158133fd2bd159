"""The one lane of a single solve, in plain numbers: what `lanes` does with arrays takes much longer for one.

Host side, on the worker thread. What is of a lane is a list of one, so that a pass is told in the words of a batch.
"""

from typing import Any, Final, TypeVar

import numpy as np

from soltrace.host.lanes import DIGITS, LaneTable, Shape
from soltrace.host.outcomes import EVENT, SUCCESSFUL, Outcomes
from soltrace.host.signals import Array
from soltrace.wire.record_parts import Steps

_SCALE: Final = 10.0**DIGITS
_Table = TypeVar("_Table", bound=LaneTable)


class OneLane:
    """Where the solve is. Times are the solver's own, as in a `LaneTable`."""

    shape: Shape = ()
    count = 1

    def __init__(self, t0: float, t1: float, direction: float, outcomes: Outcomes) -> None:
        """Begin at the start."""
        self.outcomes = outcomes
        self.t0, self.t1, self.direction, self.t = [t0], [t1], [direction], [t0]
        self.progress, self.step, self.accepted = [0.0], [0], [0]
        self.result = [outcomes.code(SUCCESSFUL)]
        self.ended = self.stopped = False

    def table(self) -> LaneTable:
        """Make the same of arrays: a batch that the start did not depend on shows only later."""
        t0, t1, direction = map(np.array, (self.t0, self.t1, self.direction))
        return self._taken_over(LaneTable((), t0, t1, direction, self.outcomes))

    def _taken_over(self, table: _Table) -> _Table:
        table.t, table.progress, table.result = map(np.array, (self.t, self.progress, self.result))
        table.step, table.accepted = np.array(self.step), np.array(self.accepted)
        table.ended, table.stopped = np.array([self.ended]), np.array([self.stopped])
        return table

    def first_failed(self) -> int | None:
        """0 if it has ended badly."""
        return 0 if self.ended and not self.outcomes.is_good(self.result[0]) else None

    def slowest(self) -> int:
        """The only one."""
        return 0

    def common(self, values: Any) -> Any:
        """The one value."""
        return values[0]

    def in_users_time(self, times: Any) -> Any:
        """A solver's time as the user's. Plus 0.0: there is no -0.0 then."""
        return [self.direction[0] * times[0] + 0.0]

    def count_steps(self, lane: int | None) -> Steps:  # noqa: ARG002 - of all is of one
        """Count the steps."""
        return Steps(accepted=self.accepted[0], rejected=self.step[0] - self.accepted[0])

    def take(self, ints: Array, floats: Array) -> tuple[int, float]:
        """Take a solve's steps, attempted and accepted, from what a signal tells; return its result and time."""
        step, accepted, result = ints.tolist()[1:4]
        if not self.ended:
            self.step[0], self.accepted[0] = step, accepted
        return self.outcomes.clean_one(result), float(floats[0])

    def go_on(self, ints: Array, floats: Array, *, events_located: bool) -> None:
        """Take over how far a solve is. One whose event is still to be located keeps its place until the end."""
        result, t = self.take(ints, floats)
        by_event = result == self.outcomes.code(EVENT)
        self.stopped |= events_located and by_event
        if self.ended or self.stopped:
            return
        self._move(t)
        arrived = result == self.outcomes.code(SUCCESSFUL) and t >= self.t1[0]
        if by_event or arrived or not self.outcomes.is_good(result):
            self.end_all(result)

    def arrive(self, ints: Array, floats: Array) -> None:
        """Take over where a solve has ended, and how."""
        result, t = self.take(ints, floats)
        if not self.ended:
            self._move(t)
            self.end_all(result)

    def end_all(self, result: int) -> None:
        """Unless it had ended, it has ended so."""
        if not self.ended:
            self.result[0], self.ended = result, True

    def advance(self, progress: float) -> None:
        """Move on, if it is on: never back, and NaN is nowhere."""
        # Rounded as numpy does, to which the digits of a batch are left.
        rounded = round(min(progress, 1.0) * _SCALE) / _SCALE if progress > 0.0 else 0.0
        self.progress[0] = max(self.progress[0], rounded)

    def memory(self) -> list[list[float]]:
        """What a backward pass has to know: t0, t1, the t reached, direction, steps attempted, steps accepted."""
        return [[float(x)] for (x,) in (self.t0, self.t1, self.t, self.direction, self.step, self.accepted)]

    def _move(self, t: float) -> None:
        self.t[0] = t
        self.advance(fraction(self.t0[0], self.t1[0], t))


def fraction(t0: float, t1: float, t: float) -> float:
    """Progress: `(t - t0) / (t1 - t0)`, and 1 where there is nothing to do."""
    length = t1 - t0
    return 1.0 if length == 0.0 else (t - t0) / length
