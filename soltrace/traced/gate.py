"""The gate: in the body of a loop, report once the step has come that the host asked for.

Traced side. It stays where a loop is not a `while`, or has tangents; elsewhere `chunk` takes it out again. Under
vmap there is one predicate for the whole batch, so the call stays behind a `cond`, which does not become a `select`.

The loop carries one variable for it, the *pace*: the step at which the host wants the next report, and the handle of
the pass. Its derivative is the identity, so that its cotangent can pace the backward pass: see `tap`. It is one array
and not two scalars, because XLA's CPU compiler made a checkpointed loop of small steps much slower for one scalar more.
Steps above 2**24 are rounded, which moves a report by no more than the rounding.

Operands of `gate_p`, in order; `*lanes` are the axes of the enclosing vmaps, outermost first, and a value that is the
same for all lanes of one may lack its axis:

| operand  | shape         | dtype     |                                                        |
| -------- | ------------- | --------- | ------------------------------------------------------ |
| pace     | `[*lanes, 2]` | float32   | (step wanted, handle of the pass)                      |
| step     | `[*lanes]`    | int32     | steps attempted                                        |
| accepted | `[*lanes]`    | int32     | steps accepted                                         |
| result   | `[*lanes]`    | int32     | code of the result                                     |
| t        | `[*lanes]`    | any float | where the solve is; of a progress meter, its progress  |
| others   | `[*lanes]`    | any float | quantities that the user watches, any number of them   |

Parameters: `signal`, what is told; `info`, the solve's `SolveInfo` or None; `in_body`, whether it is in the body of the
loop that it reports of. Result: the pace from now on, as it came in but for the step wanted.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.typing import ArrayLike

from soltrace import host
from soltrace.traced._jax import Dims, lenient, new_axis, to_lanes
from soltrace.traced.emit import emit
from soltrace.traced.widen import widen

gate_p = Primitive("soltrace_gate")
GATE_INTS = 3
"""How many of the operands, after the pace, are ints."""


def first_pace(start: Sequence[jax.Array]) -> jax.Array:
    """Turn the host's answer to a start, int32 scalars (handle, step wanted), into the pace that a loop begins with."""
    handle, wanted = start
    # Stacked last: XLA sees through a stack, and compiles a kernel of its own for each array that is made on the way.
    return jnp.stack([wanted.astype(jnp.float32), handle.astype(jnp.float32)])


@lenient
def gate(
    pace: jax.Array,
    signal: host.Signal,
    info: host.SolveInfo | None,
    progress: Sequence[ArrayLike],
    *,
    in_body: bool = True,
) -> jax.Array:
    """Report if the step wanted has come.

    Args:
        pace: float32[2].
        signal: The signal to send.
        info: What is known of the solve while it is traced.
        progress: Scalars: steps attempted, steps accepted, code of the result, t; floats that the user watches.
        in_body: Whether it is in the body of a loop of ours, which may take it out.

    Returns:
        The pace from now on. The step wanted is later than the present one, whatever the host answered.
    """
    step, accepted, result, *floats = map(jax.lax.stop_gradient, map(jnp.asarray, progress))
    to_int = lambda x: x.astype(jnp.int32)
    params = {"signal": signal, "info": info, "in_body": in_body}
    return gate_p.bind(pace, to_int(step), to_int(accepted), to_int(result), *floats, **params)


def report(
    pace: jax.Array, progress: Sequence[jax.Array], *, signal: host.Signal, info: host.SolveInfo | None, **_: bool
) -> jax.Array:
    """Report now. Operands and parameters are those of `gate_p`; the answer is an int32 scalar, the step wanted."""
    counts, floats = progress[:GATE_INTS], progress[GATE_INTS:]
    (answer,) = emit(signal, info, [pace[..., 1].astype(jnp.int32), *counts], floats)
    return answer


@gate_p.def_abstract_eval
def _abstract(pace: Any, *_: Any, **__: Any) -> Any:
    return pace


@gate_p.def_impl
@lenient
def _impl(pace: Any, step: Any, *progress: Any, **params: Any) -> jax.Array:
    if not pace.size:  # of a batch without a lane
        return pace
    # The largest of each: a lane that has finished keeps the step and the wish that it had then.
    last, wanted = jnp.max(step), jnp.max(pace[..., 0])

    def answered(pace: jax.Array) -> jax.Array:
        answer = report(pace, [step, *progress], **params)
        # Whatever the host answers, the loop goes on: an answer in the past would make it report for ever.
        return pace.at[..., 0].set(jnp.maximum(answer, last + 1).astype(pace.dtype))

    return jax.lax.cond(last.astype(pace.dtype) >= wanted, answered, lambda pace: pace, pace)


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[jax.Array, Any]:
    return gate_p.bind(*primals, **params), tangents[0]


def _batch(operands: Sequence[jax.Array], dims: Dims, **params: Any) -> tuple[jax.Array, int]:
    (pace, *told), (dim, *dims) = operands, dims
    depth = pace.ndim - 1 - (dim is not None)
    pace = widen(pace, dim, new_axis(operands, [dim, *dims]))
    return gate_p.bind(pace, *[to_lanes(x, d, depth) for x, d in zip(told, dims, strict=True)], **params), 0


ad.primitive_jvps[gate_p] = _jvp
batching.primitive_batchers[gate_p] = _batch
mlir.register_lowering(gate_p, mlir.lower_fun(_impl, multiple_results=False))
