"""Which part of a computation over several devices a solve is.

Traced side. Under `shard_map` and `pmap` the program runs once per device, and each run has a pass of its own.
"""

import math
from typing import Any, Literal

import jax

from soltrace.traced._jax import lenient

_PMAP_AXIS = "_internal_pmap_axis_name"
"""What `jax.pmap` calls its axis when the user gives no name."""


@lenient
def shard() -> tuple[tuple[Any, int], Literal["", "prepend", "offset"]]:
    """Find which of the parts this device computes, and how that enters the index of a lane.

    Returns:
        A pair of an int32 scalar, which part this is, and how many there are; and how a lane's index follows from it.
        `prepend`: `pmap` maps an axis of its own, which comes first. `offset`: `shard_map` cuts the first axis into
        blocks. Empty: there is one part.
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
