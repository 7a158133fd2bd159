"""Programs that have been dispatched: a jitted function returns before its program is done.

Traced side, on the thread that waits or asks.
"""

import contextlib
import weakref
from collections.abc import Callable
from typing import Any, Final

import jax
import jax.numpy as jnp

from soltrace.callers.slots import UnderWay

NEWEST: Final = 16
"""Arrays that are looked at: all would take long. jax lists the newest first, and a device's programs end in order."""
SETTLING_S: Final = 0.0005
"""On a CPU a program starts before all arrays of the one before it are said to be ready."""


def wait_for_programs() -> None:
    """Block until every array that is still alive is ready.

    An array whose program failed raises when it is waited for: that is for its owner to see.
    """
    for array in jax.live_arrays():
        with contextlib.suppress(Exception):
            array.block_until_ready()


def mark() -> Callable[[], bool]:
    """Enqueue a program that does nothing; what is returned says whether it is done, and all before it.

    A device runs its programs one after the other; a CPU those of one thread, whichever of its devices they are for.
    Programs whose results nobody has kept are among them.
    """
    devices = jax.local_devices()
    marks: list[jax.Array] = []
    for device in devices if jax.default_backend() != "cpu" else devices[:1]:
        with jax.default_device(device):
            marks.append(_nothing())
    return lambda: all(map(_is_ready, marks))


@jax.jit
def _nothing() -> jax.Array:
    return jnp.zeros(())


def programs_under_way(several_threads: bool) -> UnderWay | None:  # noqa: FBT001 - as it is called
    """Find the programs that are not done, by the arrays that they have still to compute.

    On a CPU each thread's programs run in an order of their own, and whose an array is is not known: so what is under
    way there says nothing where several threads call programs.
    """
    pending = [weakref.ref(array) for array in jax.live_arrays()[:NEWEST] if not _is_ready(array)]
    if not pending:
        return None
    on_cpu = jax.default_backend() == "cpu"
    return None if several_threads and on_cpu else UnderWay(list(map(_Done, pending)), SETTLING_S if on_cpu else 0.0)


def _is_ready(array: Any) -> bool:
    try:
        return array.is_ready()
    except RuntimeError:  # it has been deleted
        return True


class _Done:
    """Says whether an array has been computed, without keeping it."""

    def __init__(self, array: "weakref.ref[jax.Array]") -> None:
        self._array = array

    def __call__(self) -> bool:
        """Say so. Nobody knows any more of one that is gone."""
        array = self._array()
        return array is None or _is_ready(array)
