"""Give a pace the axis of a vmap, in which it is the same for all lanes.

Traced side. Not `broadcast_to`: that is transposed into a sum, and the cotangent of a pace has the handle of a backward
pass in it. A sum of handles is the handle of another pass.

`widen_p` has one operand, any float `[...]`, and the parameter `axis`, the new `Axis`. Its result is `[size, ...]`; its
transpose takes the largest along that axis, which for a handle is the handle: lanes that have nothing to tell have 0.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.sharding import NamedSharding, PartitionSpec

from soltrace.traced._jax import Axis, Dims, to_front

widen_p = Primitive("soltrace_widen")


def widen(pace: jax.Array, dim: int | None, axis: Axis) -> jax.Array:
    """Give a pace its new axis in front, so that the outermost vmap ends up first."""
    return widen_p.bind(pace, axis=axis) if dim is None else jnp.moveaxis(pace, dim, 0)


@widen_p.def_abstract_eval
def _abstract(pace: Any, *, axis: Axis) -> Any:
    sharding = NamedSharding(pace.sharding.mesh, PartitionSpec(axis.spec, *pace.sharding.spec))
    return pace.update(shape=(axis.size, *pace.shape), sharding=sharding)


@widen_p.def_impl
def _impl(pace: jax.Array, *, axis: Axis) -> jax.Array:
    return to_front(pace, None, axis)


def _transpose(cotangent: Any, _: Any, *, axis: Axis) -> list[Any]:
    if type(cotangent) is ad.Zero:
        return [cotangent]
    return [cotangent.max(0) if axis.size else jnp.zeros(cotangent.shape[1:], cotangent.dtype)]


def _batch(operands: Sequence[jax.Array], dims: Dims, *, axis: Axis) -> tuple[jax.Array, int]:
    return widen_p.bind(jnp.moveaxis(operands[0], dims[0] or 0, 0), axis=axis), 1


ad.deflinear2(widen_p, _transpose)
batching.primitive_batchers[widen_p] = _batch
mlir.register_lowering(widen_p, mlir.lower_fun(_impl, multiple_results=False))


def for_each_lane(x: jax.Array, pace: jax.Array) -> jax.Array:
    """Return a scalar as it is, but let an enclosing vmap that batches the pace batch it too."""
    return jnp.where(jax.lax.stop_gradient(pace)[0] > 0, x, x)
