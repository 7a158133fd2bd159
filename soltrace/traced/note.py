"""The note: at the end of a loop's body, what the step was like, which nothing of the loop's state tells afterwards.

Traced side. It stays where a loop is not a `while`; elsewhere `chunk` takes it out again, and writes what it notes into
rows that the loop carries. Like the gate it goes with the pace, whose derivative is the identity, and is a mark: see
`soltrace.traced.marks`.

Operands of `note_p`, in order; `*lanes` are the axes of the enclosing vmaps, outermost first, and a value that is the
same for all lanes of one may lack its axis:

| operand | shape         | dtype     |                                                            |
| ------- | ------------- | --------- | ---------------------------------------------------------- |
| pace    | `[*lanes, 2]` | float32   | (step wanted, handle of the pass)                          |
| active  | `[*lanes]`    | bool      | false of a lane that had finished before                   |
| step    | `[*lanes]`    | int32     | steps attempted before this one                            |
| code    | `[*lanes]`    | int32     | what came of it: `soltrace.host.StepCode`                  |
| t0, t1  | `[*lanes]`    | any float | where the step began and where it was to end               |
| error   | `[*lanes]`    | any float | the scaled error estimate; NaN where there is none         |

Parameters: `signal`, what is told; `info`, the solve's `SolveInfo`; `axes`, 1 if each operand but the pace has an axis
more, at its end, of several steps; else 0. Result: the pace, as it came in.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from soltrace import host
from soltrace.traced._jax import Dims, lenient, new_axis, to_lanes
from soltrace.traced.emit import emit
from soltrace.traced.widen import widen

note_p = Primitive("soltrace_note")
FLOATS = 3
"""How many of the operands are floats: the last."""


@lenient
def note(
    pace: jax.Array, signal: host.Signal, info: host.SolveInfo, active: Any, ints: Sequence[Any], floats: Sequence[Any]
) -> jax.Array:
    """Note what a step was like.

    Args:
        pace: float32[2].
        signal: The signal to send.
        info: What is known of the solve while it is traced.
        active: bool scalar: whether it is a step at all.
        ints: Scalars: step, code.
        floats: Scalars: t0, t1, error.

    Returns:
        The pace as it came in.
    """
    whole = [jnp.asarray(active), *[jnp.asarray(x).astype(jnp.int32) for x in ints]]
    sent = [jax.lax.stop_gradient(x) for x in (*whole, *map(jnp.asarray, floats))]
    return note_p.bind(pace, *sent, signal=signal, info=info, axes=0)


@note_p.def_abstract_eval
def _abstract(pace: Any, *_: Any, **__: Any) -> Any:
    return pace


@note_p.def_impl
@lenient
def _impl(pace: Any, *noted: Any, axes: int, **params: Any) -> jax.Array:
    active, step, code, *floats = [x if axes else x[..., None] for x in noted]
    lanes = (*pace.shape[:-1], step.shape[-1])
    row = jnp.stack([jnp.broadcast_to(x, lanes) for x in floats], axis=-1)
    own = jnp.where(active, step, -1)
    ints = jnp.stack([jnp.broadcast_to(x, lanes) for x in (own, code)], axis=-1)
    (answer,) = tell_rows(pace, jnp.max(step), row, ints, **params)
    return jnp.where(answer == -1, -1.0, pace)


def tell_rows(
    pace: jax.Array, first: Any, floats: jax.Array, ints: jax.Array, *, signal: host.Signal, info: host.SolveInfo
) -> tuple[jax.Array, ...]:
    """Hand rows over.

    Args:
        pace: Of the loop.
        first: int32 scalar: the step of the first row.
        floats: `[*lanes, rows, 3]`: t0, t1, error.
        ints: int32 `[*lanes, rows, 2]`: step, or -1 where there is none; code.
        signal: The signal to send.
        info: The solve's.
    """
    handle = pace[..., 1].astype(jnp.int32)
    return emit(signal, info, [handle, jnp.broadcast_to(first, handle.shape)], extras=[floats, ints])


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[jax.Array, Any]:
    return note_p.bind(*primals, **params), tangents[0]


def _batch(operands: Sequence[jax.Array], dims: Dims, *, axes: int, **params: Any) -> tuple[jax.Array, int]:
    (pace, *told), (dim, *dims) = operands, dims
    depth = pace.ndim - 1 - (dim is not None)
    pace = widen(pace, dim, new_axis(operands, [dim, *dims]))
    told = [to_lanes(x, d, depth + axes) for x, d in zip(told, dims, strict=True)]
    return note_p.bind(pace, *told, axes=axes, **params), 0


ad.primitive_jvps[note_p] = _jvp
batching.primitive_batchers[note_p] = _batch
mlir.register_lowering(note_p, mlir.lower_fun(_impl, multiple_results=False))
