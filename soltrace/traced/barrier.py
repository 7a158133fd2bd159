"""Programs that have been dispatched: a jitted function returns before its program is done.

Traced side, on the thread that waits or asks.
"""

import contextlib
import weakref
from collections.abc import Callable
from typing import Any

import jax


def wait_for_programs() -> None:
    """Block until every array that is still alive is ready.

    An array whose program failed raises when it is waited for: that is for its owner to see.
    """
    for array in jax.live_arrays():
        with contextlib.suppress(Exception):
            array.block_until_ready()


def programs_under_way(several_threads: bool) -> list[Callable[[], bool]]:  # noqa: FBT001 - as the host calls it
    """Find the programs that are not done, by the arrays that they have still to compute.

    On a CPU each thread's programs run in an order of their own, and whose an array is is not known: so what is under
    way there says nothing where several threads call programs.

    Returns:
        For each of them, what says whether it is done.
    """
    if several_threads and jax.default_backend() == "cpu":
        return []
    return [_Done(weakref.ref(array)) for array in jax.live_arrays() if not _is_ready(array)]


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
