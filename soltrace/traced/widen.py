"""Give a pace the axis of a vmap, in which it is the same for all lanes.

Traced side. Not `broadcast_to`: that is transposed into a sum, and the cotangent of a pace has the handle of a backward
pass in it. A sum of handles is the handle of another pass.

`widen_p` has one operand, any float `[...]`, and the parameter `size`. Its result is `[size, ...]`; its transpose
takes the largest along that axis, which for a handle is the handle: lanes that have nothing to tell have 0 there.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from soltrace.traced._jax import Dims

widen_p = Primitive("soltrace_widen")


def widen(pace: jax.Array, dim: int | None, size: int) -> jax.Array:
    """Give a pace its new axis in front, so that the outermost vmap ends up first."""
    return widen_p.bind(pace, size=size) if dim is None else jnp.moveaxis(pace, dim, 0)


@widen_p.def_abstract_eval
def _abstract(pace: Any, *, size: int) -> ShapedArray:
    return ShapedArray((size, *pace.shape), pace.dtype)


@widen_p.def_impl
def _impl(pace: jax.Array, *, size: int) -> jax.Array:
    return jnp.broadcast_to(pace, (size, *pace.shape))


def _transpose(cotangent: Any, _: Any, *, size: int) -> list[Any]:
    return [cotangent if type(cotangent) is ad.Zero else cotangent.max(0)]


def _batch(operands: Sequence[jax.Array], dims: Dims, *, size: int) -> tuple[jax.Array, int]:
    return widen_p.bind(jnp.moveaxis(operands[0], dims[0] or 0, 0), size=size), 1


ad.deflinear2(widen_p, _transpose)
batching.primitive_batchers[widen_p] = _batch
mlir.register_lowering(widen_p, mlir.lower_fun(_impl, multiple_results=False))


def for_each_lane(x: jax.Array, pace: jax.Array) -> jax.Array:
    """Return a scalar as it is, but let an enclosing vmap that batches the pace batch it too."""
    return jnp.where(jax.lax.stop_gradient(pace)[0] > 0, x, x)
