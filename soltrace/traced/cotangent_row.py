"""The row: what is known of the cotangents of a backward pass, while it goes from step to step.

Traced side. A cotangent of ours, which starts where those of the result arrive: floats, of which the first says
whether there is anything to look for.

| column         |                                                                                            |
| -------------- | ------------------------------------------------------------------------------------------ |
| 0              | 0: this is no real step, but the padding of a bounded loop or a lane that had finished;    |
|                | 1: all has been finite so far; 2: something was not, and it is what follows                |
| 1              | in which of the solve's places                                                             |
| 2, 3           | which element of it, as a multiple of 4096, and the rest: a float32 holds each of them     |
| 4, 5, 6        | steps before the step in which it was, where that began, where it ended                    |
| 7, 8, 9        | the value, what it was before, and the number that it is the cotangent of                  |
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp

from soltrace import host
from soltrace.traced._jax import lenient
from soltrace.traced.note import Wanted, note

ROW: Final = 10
_FINITE: Final = 1.0
_FOUND: Final = 2.0
_SPLIT: Final = 4096


class Seen(NamedTuple):
    """A cotangent that passes."""

    number: int
    """Which of the solve's places it is."""
    cotangent: Any
    before: Any
    """What it was when the step ended, or None."""
    primal: Any
    """What it is the cotangent of."""
    times: Any
    """The time of each element of its first axis, or None."""


def empty_row(values: Sequence[Any]) -> jax.Array:
    """Make the row of which the cotangent is to be: zeros of a type that holds the numbers of these arrays."""
    return jnp.zeros(ROW, _dtype(values))


@lenient
def _dtype(values: Sequence[Any]) -> Any:
    return jnp.result_type(jnp.float32, *[x.real.dtype for x in values])


@lenient
def look(row: jax.Array, seen: Sequence[Seen], sent: Sequence[Any], *, begins: bool) -> jax.Array:
    """Write into a row the first cotangent that is not finite, unless it has one.

    Args:
        row: float[ROW].
        seen: What passes, in the order in which it is to be looked at.
        sent: Scalars: steps before this one, where it began, where it ended.
        begins: Whether the cotangents arrive here.
    """
    if begins:
        row = row.at[0].set(_FINITE)
    fresh = row[0] == _FINITE
    for one in reversed(seen):
        cotangent = jax.lax.stop_gradient(one.cotangent)
        odd = ~jnp.isfinite(cotangent).ravel()
        row = jnp.where(fresh & odd.any(), _found(one, cotangent, odd, sent, row.dtype), row)
    return row


def _found(one: Seen, cotangent: Any, odd: Any, sent: Sequence[Any], dtype: Any) -> jax.Array:
    element = jnp.argmax(odd).astype(jnp.int32)
    pick = lambda x: jnp.zeros(()) if x is None else jax.lax.stop_gradient(x).ravel()[element].real
    step, t0, t1 = sent
    if one.times is not None and one.times.size:
        t0 = t1 = one.times[element // max(cotangent.size // one.times.size, 1)]
    columns = [_FOUND, one.number, element // _SPLIT, element % _SPLIT, step, t0, t1]
    columns += [pick(cotangent), pick(one.before), pick(one.primal)]
    return jnp.stack([jnp.asarray(x).astype(dtype) for x in columns])


@lenient
def tell(pace: jax.Array, row: jax.Array, wanted: Wanted) -> jax.Array:
    """Tell the host what is in a row, if anything is; the pace, which waits for that."""
    found, place, many, rest, step, t0, t1, value, before, primal = row
    is_found, whole = found == _FOUND, lambda x: x.astype(jnp.int32)
    code = jnp.where(is_found, host.StepCode.NONFINITE, 0)
    ints = [whole(step), code, -1, whole(place), whole(many) * _SPLIT + whole(rest)]
    return note(pace, wanted, is_found, ints, [t0, t1, primal, 0.0, value, before])
