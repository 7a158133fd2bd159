"""Which part of a computation over several devices this is.

Traced side. Under `shard_map` and `pmap` the program runs once per device, each run with a pass of its own.
"""

import math
from typing import Any, Literal

import jax

from soltrace.traced._jax import lenient

_PMAP_AXIS = "_internal_pmap_axis_name"
"""What `jax.pmap` calls its axis when the user gives no name."""


@lenient
def shard() -> tuple[tuple[Any, int], Literal["", "prepend", "offset"]]:
    """Find this device's place among all, and how it enters the index of a lane.

    Returns:
        ((int32 scalar, which part; how many parts), how). `prepend`: `pmap` maps an axis of its own, that comes first.
        `offset`: `shard_map` cuts the first axis into blocks.
    """
    mesh = jax.sharding.get_abstract_mesh()
    axes = mesh.manual_axes
    if not axes:
        return (0, 1), ""
    place: Any = 0
    for axis in axes:
        place = place * mesh.shape[axis] + jax.lax.axis_index(axis)
    how = "prepend" if axes == (_PMAP_AXIS,) else "offset"
    return (place, math.prod(mesh.shape[axis] for axis in axes)), how
