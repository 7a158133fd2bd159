"""Of which lanes are lines written? Of a small batch all; of a large one the slowest, the failing, and those asked for.

Host side, on the worker thread.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from soltrace.host.lanes import LaneTable
from soltrace.host.signals import Array

SMALL: Final = 16
"""Up to so many lanes, each has its lines."""
SLOWEST: Final = 8

LaneChoice: TypeAlias = Literal["auto", "all"] | Iterable[Iterable[int]]


@dataclass(frozen=True)
class Selection:
    """Chooses lanes."""

    every: bool = False
    chosen: frozenset[tuple[int, ...]] | None = None
    """Batch indices; None: chosen by how slow they are."""

    def running(self, lanes: LaneTable, index: Array) -> Array:
        """The lanes whose progress is told, in order of their index. `index`: `int[lanes, axes]`, the batch indices."""
        running = np.flatnonzero(lanes.running & ~lanes.stopped)
        if self.chosen is not None:
            return running[self._asked_for(index[running])]
        if self.every or lanes.count <= SMALL:
            return running
        return np.sort(_first(running, lanes.progress[running]))

    def ended(self, lanes: LaneTable, index: Array, *, last: bool) -> Array:
        """The lanes whose end is told now. Of a large batch that of the slowest is only known at the `last`."""
        unsaid = lanes.ended & ~lanes.said
        if self.every or (self.chosen is None and lanes.count <= SMALL):
            return np.flatnonzero(unsaid)
        told = lanes.failed
        if self.chosen is not None:
            told = told | self._asked_for(index)
        elif last:
            slowest = np.lexsort((-lanes.step, lanes.progress))[:SLOWEST]
            told = told | np.isin(np.arange(lanes.count), slowest)
        return np.flatnonzero(unsaid & told)

    def _asked_for(self, index: Array) -> Array:
        """Which of these indices are chosen. Not a loop over the lanes: there may be 100 000."""
        asked = np.zeros(len(index), bool)
        for chosen in self.chosen or ():
            if len(chosen) == index.shape[1]:
                asked |= (index == np.array(chosen)).all(axis=1)
        return asked


def _first(lanes: Array, progress: Array) -> Array:
    """The slowest of these lanes; among equals the first. Not a whole sort: there may be 100 000."""
    if len(lanes) <= SLOWEST:
        return lanes
    behind = np.flatnonzero(progress <= np.partition(progress, SLOWEST - 1)[SLOWEST - 1])
    return lanes[behind[np.argsort(progress[behind], kind="stable")[:SLOWEST]]]


def selection(lanes: LaneChoice) -> Selection:
    """The selection that `configure(lanes=...)` means."""
    if lanes == "auto":
        return Selection()
    if lanes == "all":
        return Selection(every=True)
    if isinstance(lanes, str):
        raise ValueError(lanes)  # noqa: TRY004 - a string is the right type, and a wrong one of them
    return Selection(chosen=frozenset(tuple(int(i) for i in index) for index in lanes))
