"""Which number of the state errs most in a step, and how much of the scaled error is its own.

Traced side; evaluated in the body of a loop, for one lane. The numbers of the state are counted one after the other,
array by array, in the order of the pytree.
"""

import math
from typing import Any, Final

import jax
import jax.numpy as jnp
import jax.tree_util as jtu

from soltrace import host
from soltrace.traced._jax import lenient
from soltrace.traced.state_paths import state_path

MOST: Final = 2**24
"""Numbers of a state of which each is told from the others: rows hold floats, and these are exact up to here."""


@lenient
def largest_error(errors: Any, roots: tuple[str, ...] = ()) -> tuple[Any, Any, tuple[host.Place, ...]]:
    """Find the largest of a step's errors.

    Args:
        errors: A pytree like that of the state: the error estimate of each number over its tolerance. None: not known.
        roots: As of `state_path`.

    Returns:
        Scalars: which, or -1 where they are zero or one is not finite; its share in the sum of their squares. And the
        arrays of the state: none where there is nothing to tell apart, nor to tell.
    """
    leaves = [(path, leaf) for path, leaf in jtu.tree_leaves_with_path(errors) if jnp.size(leaf)]
    components = tuple(host.Place("", state_path(p, roots), jnp.shape(x), staged=False) for p, x in leaves)
    if not 1 < sum(math.prod(place.shape) for place in components) < MOST:
        return -1, math.nan, ()
    # Without its derivative; over the largest, for its square may be no number any more.
    sizes = jnp.concatenate([jnp.abs(jax.lax.stop_gradient(leaf)).ravel() for _, leaf in leaves])
    which, most = jnp.argmax(sizes).astype(jnp.int32), sizes.max()
    share = jnp.minimum(1 / jnp.sum((sizes / most) ** 2), 1.0)  # or rounding makes it a little more
    return jnp.where(jnp.isfinite(share), which, -1), share, components
