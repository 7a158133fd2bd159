"""Wait for programs that have been dispatched: a jitted function returns before its program is done.

Traced side, on the thread that waits.
"""

import contextlib

import jax


def wait_for_programs() -> None:
    """Block until every array that is still alive is ready.

    An array whose program failed raises when it is waited for: that is for its owner to see.
    """
    for array in jax.live_arrays():
        with contextlib.suppress(Exception):
            array.block_until_ready()
