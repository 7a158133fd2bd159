"""Wait for what has been dispatched: a jitted function returns before its program is done.

Traced side, on the thread that waits.
"""

import contextlib

import jax


def wait_for_programs() -> None:
    """Block until every array that anybody still holds is there.

    An array whose program failed raises when it is waited for; that is its owner's to see, not ours.
    """
    for array in jax.live_arrays():
        with contextlib.suppress(Exception):
            array.block_until_ready()
