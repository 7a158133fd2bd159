"""Steps in which something is not finite: of each lane the first that the solve did not get past.

Host side, on the worker thread. One that was rejected, and tried again with success, is nothing to tell of; nor is one
of a solve that ended well with all finite.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from msgspec import UNSET

from soltrace.host.lanes import LaneTable
from soltrace.host.one_lane import OneLane
from soltrace.host.signals import Array
from soltrace.host.step_codes import Place, StepCode
from soltrace.wire.array_values import written
from soltrace.wire.line_values import Number
from soltrace.wire.step_fields import Nonfinite

EndedLanes: TypeAlias = LaneTable | OneLane
"""Those of a pass that is over."""


@dataclass(slots=True)
class _Odd:
    """What the first of them had, and when it was so again."""

    floats: Array
    """Of the first: t0, t1, error, share, value, before."""
    place: Place
    element: int
    first: int
    last: int
    single: bool
    to_the_end: bool


class OddSteps:
    """Those of one pass."""

    def __init__(self) -> None:
        """There are none."""
        self._lanes: dict[int, _Odd] = {}

    def take(self, floats: Array, ints: Array, places: Sequence[Place], *, single: bool) -> None:
        """Take rows.

        Args:
            floats: `[lanes, rows, 6]`: t0, t1, error, share, value, before.
            ints: int `[lanes, rows, 5]`: step, from 0, or -1 where there is none; code, largest, place, element.
            places: What the places are.
            single: Whether the floats have no more digits than a float32.
        """
        for lane, row in zip(*np.nonzero(ints[..., 0] >= 0), strict=True):
            step, code, _, place, element = map(int, ints[lane, row])
            known = self._lanes.get(int(lane))
            if known is not None and (step == known.last + 1 or floats[lane, row, 0] < known.floats[1]):
                known.last = step
            else:
                goes_on = bool(code & StepCode.TO_THE_END)
                own = floats[lane, row], places[place], element, step, step, single, goes_on
                self._lanes[int(lane)] = _Odd(*own)

    def told(self, lanes: EndedLanes, direction: Sequence[float] | Array | None = None) -> dict[int, Nonfinite]:
        """Say what there is to tell of each lane that has something, in the order of the lanes.

        Args:
            lanes: Those of the pass.
            direction: The sign by which the time of each was multiplied; None: that of the pass.
        """
        signs = lanes.direction if direction is None else direction
        return {
            lane: _told(found, float(signs[lane]))
            for lane, found in sorted(self._lanes.items())
            if found.to_the_end
            or found.last + 1 >= lanes.step[lane]
            or not lanes.outcomes.is_good(int(lanes.result[lane]))
        }


def _told(found: _Odd, sign: float) -> Nonfinite:
    t0, t1, _, _, value, before = found.floats
    path, stage = found.place.element(found.element)
    number: Callable[[float], Number] = lambda x: written(x, single=found.single)
    is_first = found.place.found_in == "initial state"
    return Nonfinite(
        step=found.first + 1,
        t=number(sign * t0 + 0.0),
        dt=number(sign * (t1 - t0)),
        found_in=found.place.found_in,
        stage=UNSET if stage is None else stage,
        path=path,
        value=number(value),
        before=UNSET if is_first else number(before),
    )
