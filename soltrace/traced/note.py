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
| largest | `[*lanes]`    | int32     | which element of the state errs most, or -1                |
| place   | `[*lanes]`    | int32     | of what is not finite: in which of the info's `places`     |
| element | `[*lanes]`    | int32     | and which element of that                                  |
| t0, t1  | `[*lanes]`    | any float | where the step began and where it was to end               |
| error   | `[*lanes]`    | any float | the scaled error estimate; NaN where there is none         |
| share   | `[*lanes]`    | any float | of that element in the sum of the squared scaled errors    |
| value   | `[*lanes]`    | any float | what is not finite                                         |
| before  | `[*lanes]`    | any float | what was in its place when the step began                  |

Parameters: `wanted`, what is told of it; `axes`, 1 if each operand but the pace has an axis more, at its end, of
several steps; else 0; `in_body`, whether it is in the body of the loop that it is about. Result: the pace, as it came
in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
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
FLOATS = 6
"""How many of the operands are floats: the last."""


@dataclass(frozen=True)
class Wanted:
    """What is told of the steps of a loop."""

    info: host.SolveInfo
    """What is known of the solve while it is traced."""
    steps: host.Signal | None
    """What tells of every step; None: that is not wanted."""
    nonfinite: host.Signal | None
    """What tells of values that are not finite."""
    only_failures: bool = False
    """Only the last steps of what fails are told. Where a loop is not in chunks, none is."""
    roots: tuple[str, ...] = ()
    """As of `soltrace.traced.state_paths`."""


@lenient
def note(pace: jax.Array, wanted: Wanted, active: Any, ints: Sequence[Any], floats: Sequence[Any]) -> jax.Array:
    """Note what a step was like.

    Args:
        pace: float32[2].
        wanted: What is told of it.
        active: bool scalar: whether it is a step at all.
        ints: Scalars: step, code, largest, place, element.
        floats: Scalars: t0, t1, error, share, value, before.

    Returns:
        The pace as it came in.
    """
    whole = [jnp.asarray(active), *[jnp.asarray(x).astype(jnp.int32) for x in ints]]
    sent = [jax.lax.stop_gradient(x) for x in (*whole, *map(jnp.asarray, floats))]
    # What is found of a backward pass is told when that is over.
    in_body = wanted.nonfinite is not host.Signal.BACKWARD_NONFINITE
    return note_p.bind(pace, *sent, wanted=wanted, axes=0, in_body=in_body)


@note_p.def_abstract_eval
def _abstract(pace: Any, *_: Any, **__: Any) -> Any:
    return pace


@note_p.def_impl
@lenient
def _impl(pace: Any, *noted: Any, axes: int, wanted: Wanted, **_: bool) -> jax.Array:
    active, step, code, *others = [x if axes else jnp.asarray(x)[..., None] for x in noted]  # without jit: numbers
    lanes = (*pace.shape[:-1], step.shape[-1])
    side_by_side = lambda xs: jnp.stack([jnp.broadcast_to(x, lanes) for x in xs], axis=-1)
    floats = side_by_side(others[-FLOATS:])
    tell = lambda signal, which: tell_rows(
        pace, floats, side_by_side([jnp.where(which, step, -1), code, *others[:-FLOATS]]), signal, wanted.info
    )
    if wanted.steps is not None and not wanted.only_failures:
        pace = jnp.where(tell(wanted.steps, active) == -1, -1.0, pace)
    if wanted.nonfinite is not None:
        odd = active & (code & (host.StepCode.NONFINITE | host.StepCode.EXPLODED) != 0)
        found = lambda: tell(wanted.nonfinite, odd)
        answer = jax.lax.cond(odd.any(), found, lambda: jnp.zeros((), jnp.int32))
        pace = jnp.where(answer == -1, -1.0, pace)
    return pace


def tell_rows(
    pace: jax.Array, floats: jax.Array, ints: jax.Array, signal: host.Signal, info: host.SolveInfo
) -> jax.Array:
    """Hand rows over; the answer, an int32 scalar, is 0 or nonsense.

    Args:
        pace: Of the loop.
        floats: `[*lanes, rows, 6]`: t0, t1, error, share, value, before; the last two may be left out.
        ints: int32 `[*lanes, rows, 5]`: step, or -1 where there is none; code, largest, place, element; likewise.
        signal: The signal to send.
        info: The solve's.
    """
    (answer,) = emit(signal, info, [pace[..., 1].astype(jnp.int32)], extras=[floats, ints])
    return answer


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
