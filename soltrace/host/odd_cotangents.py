"""Cotangents that are not finite, or too large: of each lane the first that a backward pass met.

Host side, on the worker thread. A program tells of one a lane, once it is through.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from msgspec import UNSET, UnsetType

from soltrace.host.odd_steps import EndedLanes
from soltrace.host.signals import Array
from soltrace.host.step_codes import Place, StepCode
from soltrace.wire.array_values import written
from soltrace.wire.line_values import Number
from soltrace.wire.step_fields import OF_A_RESULT, OF_AN_INPUT, ExplodedGradient, Nonfinite


class OddCotangents:
    """Those of one pass."""

    def __init__(self) -> None:
        """There are none."""
        self._lanes: dict[int, tuple[Array, Array, Place, bool]] = {}
        self._exploded: dict[int, tuple[Array, Array, Place, bool]] = {}

    def take(self, floats: Array, ints: Array, places: Sequence[Place], *, single: bool) -> None:
        """Take rows.

        Args:
            floats: `[lanes, 1, 6]`: t0, t1, what it is the cotangent of, the largest of all, the value, what it was
                before; or, if it has exploded, the largest that arrived.
            ints: int `[lanes, 1, 5]`: step, from 0, or -1 where there is none; code, -1, place, element.
            places: What the places are.
            single: Whether the floats have no more digits than a float32.
        """
        for lane in np.flatnonzero(ints[:, 0, 0] >= 0).tolist():
            row = ints[lane, 0]
            lanes = self._exploded if row[1] & StepCode.EXPLODED else self._lanes
            lanes.setdefault(lane, (floats[lane, 0], row, places[int(row[3])], single))

    def told(self, lanes: EndedLanes, *, explained: bool = False) -> dict[int, Nonfinite]:
        """Say what there is to tell of each lane that has something, in the order of the lanes.

        Args:
            lanes: Those of the pass.
            explained: Whether more is known of some lane. Then, or if one has a cotangent of its own, that is why what
                is the sum over lanes is not finite, and nothing is said of that.
        """
        own = {lane: found for lane, found in self._lanes.items() if not found[1][1] & StepCode.OF_ALL_LANES}
        told = sorted((own if own or explained else self._lanes).items())
        return {lane: _told(*found, float(lanes.direction[lane])) for lane, found in told}

    def exploded(self, lanes: EndedLanes, index: Array | None) -> ExplodedGradient | UnsetType:
        """Say how the gradient exploded, of the lane in which it grew most.

        Args:
            lanes: Those of the pass.
            index: Of each lane its index; None of a single solve.
        """
        if not self._exploded:
            return UNSET
        most = max(sorted(self._exploded), key=self._growth)
        which = {} if index is None else {"batch_index": index[most].tolist(), "lanes": len(self._exploded)}
        return _explosion(*self._exploded[most], float(lanes.direction[most]), which)

    def _growth(self, lane: int) -> float:
        floats, *_ = self._exploded[lane]
        return float(floats[3]) / float(floats[5])


def _explosion(
    floats: Array,
    ints: Array,
    place: Place,
    single: bool,  # noqa: FBT001 - a tuple's
    sign: float,
    known: dict[str, Any],
) -> ExplodedGradient:
    t0, t1, primal, largest, value, arrived = floats
    number: Callable[[float], Number] = lambda x: written(x, single=single)
    if place.found_in != OF_AN_INPUT:
        known |= {"step": int(ints[0]) + 1, "t": number(sign * t0 + 0.0), "dt": number(sign * (t1 - t0))}
    return ExplodedGradient(
        path=place.element(int(ints[4]))[0],
        value=number(value),
        primal=number(primal),
        arrived=number(arrived),
        largest=number(largest),
        **known,
    )


def _told(floats: Array, ints: Array, place: Place, single: bool, sign: float) -> Nonfinite:  # noqa: FBT001 - a tuple's
    t0, t1, primal, _, value, before = floats
    number: Callable[[float], Number] = lambda x: written(x, single=single)
    path, _ = place.element(int(ints[4]))
    if place.found_in == OF_AN_INPUT:
        return Nonfinite(found_in=place.found_in, path=path, value=number(value), primal=number(primal))
    # A step goes the other way on the way back: its place is named as on the way forwards.
    t = number(sign * t0 + 0.0)
    if place.found_in == OF_A_RESULT:
        return Nonfinite(t=t, found_in=place.found_in, path=path, value=number(value), primal=number(primal))
    return Nonfinite(
        step=int(ints[0]) + 1,
        t=t,
        dt=number(sign * (t1 - t0)),
        found_in=place.found_in,
        path=path,
        value=number(value),
        before=number(before),
        primal=number(primal),
    )
