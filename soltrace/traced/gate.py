"""The gate: in the body of a loop, report if the step has come that the host asked for.

Traced side. Used where a loop is differentiated or is no `while`; elsewhere `chunk` takes it out again. Under vmap the
predicate stays one for the whole batch, so the call stays behind a `cond` instead of becoming a `select`.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.typing import ArrayLike

from soltrace import host
from soltrace.traced._jax import Dims, batch_size, lenient, to_front, to_lanes, zero_tangent
from soltrace.traced.door import emit

gate_p = Primitive("soltrace_gate")


@lenient
def gate(
    wanted: jax.Array,
    signal: host.Signal,
    info: host.SolveInfo | None,
    handle: jax.Array,
    progress: Sequence[ArrayLike],
) -> jax.Array:
    """Report if it is time.

    Args:
        wanted: int32 scalar, the step at which the host wants the next report.
        signal: What is told.
        info: What is known of the solve while it is traced.
        handle: int32 scalar, the pass's.
        progress: Scalars: steps attempted, steps accepted, code of the result, t.

    Returns:
        int32 scalar, the step wanted from now on: later than the present one, whatever the host answered.
    """
    step, accepted, result, t = map(jax.lax.stop_gradient, map(jnp.asarray, progress))
    to_int = lambda x: x.astype(jnp.int32)
    ints = [handle, to_int(step), to_int(accepted), to_int(result)]
    return gate_p.bind(wanted, *ints, t, signal=signal, info=info)


@gate_p.def_abstract_eval
def _abstract(wanted: Any, *_: Any, **__: Any) -> ShapedArray:
    return ShapedArray(wanted.shape, jnp.int32)


@gate_p.def_impl
@lenient
def _impl(wanted: Any, handle: Any, step: Any, accepted: Any, result: Any, t: Any, **params: Any) -> jax.Array:
    def report(_: Any) -> jax.Array:
        (answer,) = emit(params["signal"], params["info"], [handle, step, accepted, result], [t])
        # Whatever the host answers, the loop goes on: an answer in the past would make it report for ever.
        return jnp.broadcast_to(jnp.maximum(answer, jnp.max(step) + 1), jnp.shape(wanted))

    # The largest of each: a lane that has finished keeps the step and the wish that it had then.
    return jax.lax.cond(jnp.max(step) >= jnp.max(wanted), report, lambda w: w, wanted)


def _jvp(primals: Sequence[Any], _: Sequence[Any], **params: Any) -> tuple[jax.Array, Any]:
    wanted = gate_p.bind(*primals, **params)
    return wanted, zero_tangent(wanted)


def _batch(operands: Sequence[jax.Array], dims: Dims, **params: Any) -> tuple[jax.Array, int]:
    (wanted, *told), (dim, *dims) = operands, dims
    depth = wanted.ndim - (dim is not None)
    wanted = to_front(wanted, dim, batch_size(operands, [dim, *dims]))
    return gate_p.bind(wanted, *[to_lanes(x, d, depth) for x, d in zip(told, dims, strict=True)], **params), 0


ad.primitive_jvps[gate_p] = _jvp
batching.primitive_batchers[gate_p] = _batch
mlir.register_lowering(gate_p, mlir.lower_fun(_impl, multiple_results=False))
