"""Batch indices: which element of the enclosing vmaps, and of the devices, a lane is.

Host side, on the worker thread.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from soltrace.host.lanes import Shape
from soltrace.host.signals import Array


@dataclass(frozen=True, slots=True)
class BatchIndex:
    """How a lane's index follows from its place in the program and the device that ran it."""

    shard: int = 0
    shards: int = 1
    sharded: Literal["", "prepend", "offset"] = ""

    def shape(self, local: Shape) -> list[int]:
        """The sizes of the whole batch, over all devices."""
        if not self.sharded:
            return list(local)
        if self.sharded == "prepend" or not local:
            return [self.shards, *local]
        return [self.shards * local[0], *local[1:]]

    def rows(self, local: Shape) -> Array:
        """The index of each lane: `int[lanes, axes]`."""
        count = math.prod(local)
        rows = np.stack(np.unravel_index(np.arange(count), local), -1) if local else np.zeros((1, 0), np.int64)
        if not self.sharded:
            return rows
        if self.sharded == "prepend" or not local:
            return np.column_stack((np.full(count, self.shard), rows))
        rows[:, 0] += self.shard * local[0]
        return rows
