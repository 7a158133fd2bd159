"""Rows: what the steps of a loop were like, which it carries and hands over.

Traced side. Arrays into which each step writes one row: a loop variable costs more than what is in it.
"""

import math
from collections.abc import Sequence
from typing import Any, Final

import jax
import jax.numpy as jnp

from soltrace import host
from soltrace.host import StepCode
from soltrace.traced._jax import lenient
from soltrace.traced.note import FLOATS, Wanted, tell_rows

BYTES_OF_ROWS: Final = 2**20
"""Of all rows of a loop: a call hands them over at once."""
ROWS_IN_A_LOOP: Final = 1024
LAST: Final = 32
"""Steps of a lane that are told where it fails."""
_OF_A_STEP: Final = 4
"""Floats of every step: t0, t1, error, share."""
_INTS_OF_A_STEP: Final = 3
"""step, code, largest."""
_COLUMNS: Final = _OF_A_STEP + _INTS_OF_A_STEP - 1
"""Of a row: the step follows from its place."""
_ACTIVE: Final = 2 ** (len(StepCode) + 1)
"""In a row: the lane had not finished yet."""


class EveryStep:
    """One row for each step, over all lanes; handed over when they are full.

    `[rows, 6, *lanes]`: t0, t1, error, share, code, largest.

    One array for ints and floats: two are dearer. The ints are small, and exact as floats.
    """

    @lenient
    def __init__(self, noted: Sequence[Any], pace: jax.Array, wanted: Wanted, signal: host.Signal) -> None:
        """Make room for them.

        Args:
            noted: Types of what is noted: the operands of `note_p` but the pace.
            pace: Of the loop.
            wanted: What is told.
            signal: The signal to send.
        """
        self._pace, self._wanted, self._signal = pace, wanted, signal
        self._lanes = pace.shape[:-1]
        times_and_error = noted[-FLOATS:][:_OF_A_STEP]
        self._dtype = jnp.result_type(jnp.float32, *[x.dtype for x in times_and_error])
        row = _COLUMNS * math.prod(self._lanes) * self._dtype.itemsize
        self.count = max(1, min(ROWS_IN_A_LOOP, BYTES_OF_ROWS // max(row, 1)))

    def empty(self) -> jax.Array:
        """Begin with nothing in them."""
        return jnp.zeros((self.count, _COLUMNS, *self._lanes), self._dtype)

    def write(self, rows: jax.Array, at: Any, noted: Sequence[Any]) -> jax.Array:
        """Write one row.

        Args:
            rows: As they are.
            at: int scalar, which row.
            noted: The operands of `note_p` but the pace.
        """
        active, _, code, largest = noted[:4]
        code = code + (jnp.where(active, _ACTIVE, 0) if self._lanes else _ACTIVE)
        values = *noted[-FLOATS:][:_OF_A_STEP], code, largest
        row = jnp.stack([jnp.broadcast_to(x.astype(self._dtype), self._lanes) for x in values])
        return jax.lax.dynamic_update_slice_in_dim(rows, row[None], at, axis=0)

    def hand_over(self, rows: jax.Array, first: Any, count: Any) -> jax.Array:
        """Hand the first so many over; the answer, an int32 scalar, is 0 or nonsense.

        Args:
            rows: All of them.
            first: int scalar: the step of the first.
            count: int scalar.
        """
        rows = jnp.moveaxis(rows, (0, 1), (-2, -1))
        code, largest = (rows[..., column].astype(jnp.int32) for column in range(_OF_A_STEP, _COLUMNS))
        place = jnp.arange(self.count, dtype=jnp.int32)
        step = jnp.where((code >= _ACTIVE) & (place < count), first.astype(jnp.int32) + place, -1)
        ints = jnp.stack([step, code % _ACTIVE, largest], axis=-1)
        return tell_rows(self._pace, rows[..., :_OF_A_STEP], ints, self._signal, self._wanted.info)


class LastSteps:
    """The last rows of each lane, in turn: handed over at the end, of the lanes that have failed."""

    @lenient
    def __init__(self, noted: Sequence[Any], pace: jax.Array, wanted: Wanted, signal: host.Signal) -> None:
        """Make room for them; as of `EveryStep`."""
        self._pace, self._wanted, self._signal = pace, wanted, signal
        self._lanes = pace.shape[:-1]
        self._dtype = jnp.result_type(jnp.float32, *[x.dtype for x in noted[-FLOATS:][:_OF_A_STEP]])

    def empty(self) -> tuple[jax.Array, jax.Array]:
        """Begin with nothing in them."""
        floats = jnp.zeros((LAST, _OF_A_STEP, *self._lanes), self._dtype)
        return floats, jnp.full((LAST, _INTS_OF_A_STEP, *self._lanes), -1, jnp.int32)

    def write(
        self, rows: tuple[jax.Array, jax.Array], counter: Any, noted: Sequence[Any]
    ) -> tuple[jax.Array, jax.Array]:
        """Write one row. A lane that has finished keeps what it has."""
        active, step, code, largest = noted[:4]
        at = counter % LAST

        def put(rows: jax.Array, values: Sequence[Any]) -> jax.Array:
            row = jnp.stack([jnp.broadcast_to(x.astype(rows.dtype), self._lanes) for x in values])
            if self._lanes:
                row = jnp.where(active, row, jax.lax.dynamic_index_in_dim(rows, at, keepdims=False))
            return jax.lax.dynamic_update_slice_in_dim(rows, row[None], at, axis=0)

        floats, ints = rows
        return put(floats, noted[-FLOATS:][:_OF_A_STEP]), put(ints, [step, code, largest])

    def hand_over(self, rows: tuple[jax.Array, jax.Array]) -> jax.Array:
        """Hand over those of the lanes that have failed, if any has; the answer, an int32 scalar, is 0 or nonsense."""
        floats, ints = (jnp.moveaxis(x, (0, 1), (-2, -1)) for x in rows)
        step, code = ints[..., 0], ints[..., 1]
        order = jnp.argsort(step, axis=-1)
        last = jnp.take_along_axis(code, order[..., -1:], axis=-1)
        failed = (step.max(-1, keepdims=True) >= 0) & (last & (StepCode.FAILED | StepCode.UNFINISHED) != 0)
        sort = lambda x: jnp.take_along_axis(x, order[..., None], axis=-2)
        ints = sort(ints.at[..., 0].set(jnp.where(failed, step, -1)))
        tell = lambda: tell_rows(self._pace, sort(floats), ints, self._signal, self._wanted.info)
        return jax.lax.cond(failed.any(), tell, lambda: jnp.zeros((), jnp.int32))


class FirstNonfinite:
    """One row a lane: the first step that had something which is not finite, unless the solve has got past it."""

    @lenient
    def __init__(self, noted: Sequence[Any], pace: jax.Array, wanted: Wanted, signal: host.Signal) -> None:
        """Make room for it; as of `EveryStep`."""
        self._pace, self._wanted, self._signal = pace, wanted, signal
        self._lanes = pace.shape[:-1]
        self._dtype = jnp.result_type(jnp.float32, *[x.dtype for x in noted[-FLOATS:]])
        self._ints = len(noted) - FLOATS - 1

    def empty(self) -> tuple[jax.Array, jax.Array]:
        """Begin with none."""
        return jnp.zeros((FLOATS, *self._lanes), self._dtype), jnp.full((self._ints, *self._lanes), -1, jnp.int32)

    def write(self, kept: tuple[jax.Array, jax.Array], noted: Sequence[Any]) -> tuple[jax.Array, jax.Array]:
        """Keep this step, the one before, or none."""
        floats, ints = kept
        active, _, code, *_ = noted
        wide = lambda xs, dtype: jnp.stack([jnp.broadcast_to(x.astype(dtype), self._lanes) for x in xs])
        odd = code & StepCode.NONFINITE != 0
        new = active & odd & (ints[0] < 0)
        # An accepted step that goes as far as the one which failed.
        past = active & ~odd & (code & StepCode.ACCEPTED != 0) & (noted[-FLOATS + 1] >= floats[1])
        floats = jnp.where(new, wide(noted[-FLOATS:], self._dtype), floats)
        ints = jnp.where(new, wide(noted[1:-FLOATS], jnp.int32), jnp.where(past, -1, ints))
        to_the_end = jnp.where(odd, ints[1] | StepCode.TO_THE_END, ints[1] & ~StepCode.TO_THE_END)
        return floats, ints.at[1].set(jnp.where(active & (ints[0] >= 0), to_the_end, ints[1]))

    def hand_over(self, kept: tuple[jax.Array, jax.Array]) -> jax.Array:
        """Hand them over, if there are any; the answer, an int32 scalar, is 0 or nonsense."""
        floats, ints = kept
        rows = [jnp.moveaxis(x, 0, -1)[..., None, :] for x in (floats, ints)]
        tell = lambda: tell_rows(self._pace, rows[0], rows[1], self._signal, self._wanted.info)
        return jax.lax.cond((ints[0] >= 0).any(), tell, lambda: jnp.zeros((), jnp.int32))
