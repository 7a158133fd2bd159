"""What the primitives of this room share: small pieces over JAX's extension interface.

`jax.extend`, `jax.interpreters` and `jax.core` are the interface that JAX offers to those who write primitives. Nothing
here or beside it imports `jax._src`.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import wraps
from inspect import isfunction
from typing import Any, NamedTuple, ParamSpec, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jax.core import ShapedArray
from jax.extend.core import unsafe_am_i_under_a_jit_DO_NOT_USE  # pyright: ignore[reportPrivateImportUsage]
from jax.interpreters import ad, batching
from jax.sharding import NamedSharding, PartitionSpec
from jax.typing import ArrayLike

_Args = ParamSpec("_Args")
_Result = TypeVar("_Result")

Dims = Sequence[int | None]
"""Where each operand of a batching rule has its new axis; None: it has none."""


def promoting(function: Callable[_Args, _Result]) -> Callable[_Args, _Result]:
    """Shield our own arithmetic from the user's dtype and rank promotion settings."""

    @wraps(function)
    def wrapped(*args: _Args.args, **kwargs: _Args.kwargs) -> _Result:
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            return function(*args, **kwargs)

    return wrapped


def lenient(function: Callable[_Args, _Result]) -> Callable[_Args, _Result]:
    """Shield arithmetic that is all ours from these, and from jax's search for NaN and infinities.

    A NaN of ours says what is not known, such as the tolerances of a constant step size. Where jax evaluates one
    operation after the other, without `jit` or to find the one that has made a NaN, it would stop at ours.
    """
    shielded = promoting(function)

    @wraps(function)
    def wrapped(*args: _Args.args, **kwargs: _Args.kwargs) -> _Result:
        with jax.debug_nans(False), jax.debug_infs(False):  # noqa: FBT003 - as jax has it
            return shielded(*args, **kwargs)

    return wrapped


def scalar_type(dtype: Any) -> ShapedArray:
    """Make the type of a scalar that isn't sharded, in a program over whatever mesh is set.

    A type that names no mesh can't be computed with under one whose axes are explicit.
    """
    return ShapedArray((), dtype, sharding=NamedSharding(jax.sharding.get_abstract_mesh(), PartitionSpec()))


def on_device(number: int) -> ArrayLike:
    """Make a number of ours an int32 scalar that a program takes, whatever transfers the user has forbidden."""
    if under_a_jit():
        return np.int32(number)
    with jax.transfer_guard_host_to_device("allow"):
        return jax.device_put(np.int32(number))


def split_arrays(tree: Any) -> tuple[list[Any], Any]:
    """Flatten a pytree into its arrays, and all that `join_arrays` needs beside them."""
    arrays, static = eqx.partition(tree, eqx.is_array)
    leaves, treedef = jtu.tree_flatten(arrays)
    return leaves, (treedef, static)


def join_arrays(leaves: Any, rest: Any) -> Any:
    """Put arrays in their places again."""
    treedef, static = rest
    return eqx.combine(jtu.tree_unflatten(treedef, leaves), static)


def stage(function: Callable[[Any], Any], tree: Any) -> tuple[Any, list[Any], Any]:
    """Trace a function from a pytree to a pytree.

    Returns:
        Its closed jaxpr, from arrays to arrays; the arrays of the tree; what `join_arrays` needs for what comes out.
    """
    leaves, rest = split_arrays(tree)
    out_rest: list[Any] = []

    def flat(*leaves: Any) -> list[Any]:
        out, static = split_arrays(function(join_arrays(leaves, rest)))
        out_rest.append(static)
        return out

    return jax.make_jaxpr(flat)(*leaves), leaves, out_rest[-1]


def under_a_jit() -> bool:
    """Say whether what is called now is traced into a larger program, that runs later and perhaps often."""
    return unsafe_am_i_under_a_jit_DO_NOT_USE()


class Axis(NamedTuple):
    """The axis that a batching rule is asked about."""

    size: int
    spec: Any
    """The axes of an explicit mesh over which it is sharded; None: it isn't."""


def new_axis(operands: Sequence[jax.Array], dims: Dims) -> Axis:
    """Find the axis that a batching rule is asked about."""
    x, d = next((x, d) for x, d in zip(operands, dims, strict=True) if d is not None)
    return Axis(x.shape[d], jax.typeof(x).sharding.spec[d])


def to_front(x: jax.Array, dim: int | None, axis: Axis) -> jax.Array:
    """Give an operand its new axis in front, so that the outermost vmap ends up first."""
    return batching.broadcast(x, axis.size, 0, axis.spec) if dim is None else jnp.moveaxis(x, dim, 0)


def to_lanes(x: jax.Array, dim: int | None, depth: int) -> jax.Array:
    """Give a batched operand its new axis in front of `depth` others, and leave the rest as it is.

    An operand that is the same for all lanes of a vmap has no axis for it: NumPy's rules broadcast it on the host.
    """
    if dim is None:
        return x
    x = jnp.moveaxis(x, dim, 0)
    return jnp.expand_dims(x, range(1, depth + 2 - x.ndim))


@contextmanager
def replaced_callbacks(ctx: Any, replacement: Callable[[Callable[..., Any]], Any]) -> Generator[None]:
    """Replace the callbacks that are added to the module in this block.

    What jax puts around a callback runs before the callback does, and can't be left out otherwise.
    """
    callbacks: list[Any] = ctx.module_context.host_callbacks
    before = len(callbacks)
    yield
    callbacks[before:] = [replacement(x) if isfunction(x) else x for x in callbacks[before:]]


def zero_tangent(primal_out: Any) -> Any:
    """Build the symbolic zero tangent of an output: the host's answer never depends on a number differentiably."""
    return ad.Zero(jax.typeof(primal_out).to_tangent_aval())
