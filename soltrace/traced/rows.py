"""Rows: what the last steps of a loop were like, which it carries and hands over when they are full.

Traced side. One array, in which each step writes one row: a loop variable costs more than what is in it.
"""

import math
from collections.abc import Sequence
from typing import Any, Final

import jax
import jax.numpy as jnp

from soltrace.host import StepCode
from soltrace.traced.note import FLOATS, tell_rows

BYTES_AT_MOST: Final = 2**20
"""Of all rows of a loop: a call hands them over at once."""
ROWS_AT_MOST: Final = 1024
_ACTIVE: Final = 2 ** (len(StepCode) + 1)
"""In a row: the lane had not finished yet."""


class Rows:
    """The rows of one loop, over all lanes: `[rows, FLOATS + 1, *lanes]`, the last of a row its code."""

    def __init__(self, noted: Sequence[Any], pace: jax.Array, params: dict[str, Any]) -> None:
        """Make room for them.

        Args:
            noted: Types of what is noted: the operands of `note_p` but the pace.
            pace: Of the loop.
            params: Parameters of `note_p`.
        """
        self._pace, self._told = pace, {name: params[name] for name in ("signal", "info")}
        self._lanes = pace.shape[:-1]
        self._dtype = jnp.result_type(jnp.float32, *[x.dtype for x in noted[-FLOATS:]])
        row = (FLOATS + 1) * math.prod(self._lanes) * self._dtype.itemsize
        self.count = max(1, min(ROWS_AT_MOST, BYTES_AT_MOST // max(row, 1)))

    def empty(self) -> jax.Array:
        """Begin with nothing in them."""
        return jnp.zeros((self.count, FLOATS + 1, *self._lanes), self._dtype)

    def write(self, rows: jax.Array, at: Any, noted: Sequence[Any]) -> jax.Array:
        """Write one row.

        Args:
            rows: As they are.
            at: int scalar, which row.
            noted: active, step, code, t0, t1, error.
        """
        active, _, code, *floats = noted
        code = code + (jnp.where(active, _ACTIVE, 0) if self._lanes else _ACTIVE)
        row = jnp.stack([jnp.broadcast_to(x.astype(self._dtype), self._lanes) for x in (*floats, code)])
        return jax.lax.dynamic_update_slice_in_dim(rows, row[None], at, axis=0)

    def hand_over(self, rows: jax.Array, first: Any, count: Any) -> jax.Array:
        """Hand the first so many over; the answer, an int32 scalar, is 0 or nonsense.

        Args:
            rows: All of them.
            first: int scalar: the step of the first.
            count: int scalar.
        """
        rows = jnp.moveaxis(rows, (0, 1), (-2, -1))
        code = rows[..., FLOATS].astype(jnp.int32)
        place = jnp.arange(self.count, dtype=jnp.int32)
        step = jnp.where((code >= _ACTIVE) & (place < count), first.astype(jnp.int32) + place, -1)
        ints = jnp.stack([step, code % _ACTIVE], axis=-1)
        (answer,) = tell_rows(self._pace, first, rows[..., :FLOATS], ints, **self._told)
        return answer
