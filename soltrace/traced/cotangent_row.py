"""The row: what is known of the cotangents of a backward pass, while it goes from step to step.

Traced side. A cotangent of ours, which starts where those of the result arrive: floats, of which the first says
whether there is anything to look for.

| column         |                                                                                            |
| -------------- | ------------------------------------------------------------------------------------------ |
| 0              | 0: this is no real step, but the padding of a bounded loop or a lane that had finished;    |
|                | 1: all is well so far; 2: something was not finite, and it is what follows;                |
|                | 3: it has exploded, and what follows is the first that had grown so much;                  |
|                | 4: as 2, of an input that several lanes share: it is the sum of theirs                     |
| 1              | in which of the solve's places                                                             |
| 2, 3           | which element of it, as a multiple of 4096, and the rest: a float32 holds each of them     |
| 4, 5, 6        | steps before the step in which it was, where that began, where it ended                    |
| 7, 8, 9        | the value (how large, if it has exploded), what it was before, and the number that it is   |
|                | the cotangent of                                                                           |
| 10             | the largest cotangent of the result, or of the state in the first step that has one        |
| 11             | the same times the number that it is the cotangent of                                      |
| 12             | the largest cotangent of the state so far                                                  |

A gradient has exploded if it has grown so much that what rounding does to one number of the state changes the result
by more than its own size. Where units differ, a cotangent alone does not tell: it must have grown both as it is and
times the number that it is the cotangent of. A population that grows by e**30, or a mass in picograms, is no trouble.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp

from soltrace import host
from soltrace.traced._jax import lenient
from soltrace.traced.note import Wanted, note

ROW: Final = 13
_FINITE: Final = 1.0
_FOUND: Final = 2.0
_EXPLODED: Final = 3.0
_SHARED: Final = 4.0
_VALUE: Final = 7
_ARRIVED: Final = 10
_LARGEST: Final = 12
_AT_LEAST: Final = 1e7
"""Growth that is none, whatever the precision; a float32's own is about the same."""
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
    is_state: bool
    """Whether that is the state of the solve."""
    is_shared: bool
    """Whether lanes share it, so that the cotangent is the sum of theirs."""
    times: Any
    """The time of each element of its first axis, or None."""


def empty_row(values: Sequence[Any]) -> jax.Array:
    """Make the row of which the cotangent is to be: zeros of a type that holds the numbers of these arrays."""
    return jnp.zeros(ROW, _dtype(values))


@lenient
def _dtype(values: Sequence[Any]) -> Any:
    return jnp.result_type(jnp.float32, *[x.real.dtype for x in values])


@lenient
def look(row: jax.Array, seen: Sequence[Seen], sent: Sequence[Any], *, begins: bool, ends: bool) -> jax.Array:
    """Write into a row the first cotangent that is not finite, or that has exploded, unless it has one.

    Args:
        row: float[ROW].
        seen: What passes, in the order in which it is to be looked at.
        sent: Scalars: steps before this one, where it began, where it ended.
        begins: Whether the cotangents arrive here.
        ends: Whether they leave here.
    """
    if begins:
        row = _with_sizes(row.at[0].set(_FINITE), seen)
    else:
        row = _measured(row, [one for one in seen if one.is_state and not one.is_shared], sent, ends=ends)
    fresh = (row[0] == _FINITE) | (row[0] == _EXPLODED)
    for one in reversed(seen):
        cotangent = jax.lax.stop_gradient(one.cotangent)
        odd = ~jnp.isfinite(cotangent).ravel()
        there = jnp.argmax(odd).astype(jnp.int32)
        row = jnp.where(fresh & odd.any(), _written(row, _SHARED if one.is_shared else _FOUND, one, there, sent), row)
    return row


def _with_sizes(row: jax.Array, seen: Sequence[Seen]) -> jax.Array:
    """Note how large what arrives is. Places in which nothing was saved, which are infinite, do not count."""
    if not seen:
        return row
    arrived = jnp.stack([_size(one.cotangent).max() for one in seen]).max()
    result = jnp.stack([_size(one.primal).max() for one in seen]).max()
    return row.at[_ARRIVED].set(arrived.astype(row.dtype)).at[_ARRIVED + 1].set((arrived * result).astype(row.dtype))


def _size(x: Any) -> jax.Array:
    x = jax.lax.stop_gradient(x)
    return jnp.where(jnp.isfinite(x), jnp.abs(x), 0).ravel()


def _measured(row: jax.Array, states: Sequence[Seen], sent: Sequence[Any], *, ends: bool) -> jax.Array:
    """Note how large the cotangents of the state are by now, and which was the first to have grown too much.

    A row of zeros, of what is no real step, stays so.
    """
    if not states:
        return row
    sizes = [_size(one.cotangent) for one in states]
    weighed = [size * _size(one.primal) for size, one in zip(sizes, states, strict=True)]
    largest, most = (jnp.stack([x.max() for x in xs]).max().astype(row.dtype) for xs in (sizes, weighed))
    sent_on = jnp.stack([jnp.maximum(row[_LARGEST], largest)])
    if not ends:  # what is saved may be a function of the state, and very much steeper
        begun = jnp.where(row[_LARGEST] == 0, jnp.stack([largest, most]), 0)
        sent_on = jnp.concatenate([jnp.maximum(row[_ARRIVED:_LARGEST], begun), sent_on])
    tracked = jnp.concatenate([row[: -sent_on.size], sent_on])
    row = jnp.where((row[0] == _FINITE) | (row[0] == _EXPLODED), tracked, row)
    limit = max(1 / jnp.finfo(row.dtype).eps, _AT_LEAST)
    arrived, weight_arrived = row[_ARRIVED], row[_ARRIVED + 1]
    exploded = (
        (row[0] == _FINITE) & (weight_arrived > 0) & (largest > limit * arrived) & (most > limit * weight_arrived)
    )
    for one, size, weight in reversed(list(zip(states, sizes, weighed, strict=True))):
        there = jnp.argmax(weight).astype(jnp.int32)
        is_it = exploded & (weight.max().astype(row.dtype) >= most)
        written = _written(row, _EXPLODED, one, there, sent).at[_VALUE].set(size[there].astype(row.dtype))
        row = jnp.where(is_it, written, row)
    return row


def _written(row: jax.Array, what: float, one: Seen, element: jax.Array, sent: Sequence[Any]) -> jax.Array:
    cotangent = jax.lax.stop_gradient(one.cotangent)
    pick = lambda x: jnp.zeros(()) if x is None else jax.lax.stop_gradient(x).ravel()[element].real
    step, t0, t1 = sent
    if one.times is not None and one.times.size:
        t0 = t1 = one.times[element // max(cotangent.size // one.times.size, 1)]
    columns = [what, one.number, element // _SPLIT, element % _SPLIT, step, t0, t1]
    columns += [pick(cotangent), pick(one.before), pick(one.primal)]
    return jnp.concatenate([jnp.stack([jnp.asarray(x).astype(row.dtype) for x in columns]), row[_ARRIVED:]])


@lenient
def tell(pace: jax.Array, row: jax.Array, wanted: Wanted) -> jax.Array:
    """Tell the host what is in a row, if anything is; the pace, which waits for that."""
    what, place, many, rest, step, t0, t1, value, before, primal, arrived, _, largest = row
    exploded, whole = what == _EXPLODED, lambda x: x.astype(jnp.int32)
    shared = host.StepCode.NONFINITE | host.StepCode.OF_ALL_LANES
    codes = {_FOUND: host.StepCode.NONFINITE, _EXPLODED: host.StepCode.EXPLODED, _SHARED: shared}
    code = sum(jnp.where(what == known, int(code), 0) for known, code in codes.items())
    ints = [whole(step), code, -1, whole(place), whole(many) * _SPLIT + whole(rest)]
    floats = [t0, t1, primal, largest, value, jnp.where(exploded, arrived, before)]
    return note(pace, wanted, code != 0, ints, floats)
