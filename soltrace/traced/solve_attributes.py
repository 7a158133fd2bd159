"""A solve's attributes, and how they reach the host.

Traced side. An array is sent along when the solve starts. Any other value is known before anything is traced, and as a
part of the compiled program it would compile an eager solve anew each time it changes. So it is registered with the
host under a number, and the number is an argument of the program. Where a solve is traced into a program of the user's,
such a value is what every Python value is there: a constant.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

import equinox as eqx
import jax
import jax.numpy as jnp

from soltrace import host
from soltrace.errors import AttributeValueError
from soltrace.traced._jax import on_device, under_a_jit
from soltrace.wire.array_values import ITEMS_AT_MOST
from soltrace.wire.attributes import plain_and_kept
from soltrace.wire.flat_attributes import ROWS_AT_MOST
from soltrace.wire.records import Attribute

Constants = tuple[tuple[str, Attribute], ...]


@dataclass(frozen=True)
class _Plain:
    """Values that are no arrays. Equal where the same compiled program serves for both."""

    constants: Constants = field(default=(), compare=False)
    """Values that are a part of the program. A list is a tuple here, so that it can be hashed."""
    key: str = ""
    """The constants as text. They themselves don't do: 1, 1.0 and True are equal."""
    registered: host.RegisteredSolve | None = field(default=None, compare=False)
    """Values that the program names by a number. While it is traced: those of the adjoint that it is traced with."""

    @classmethod
    def of(cls, values: Mapping[str, Attribute], registered: host.RegisteredSolve | None) -> Self:
        """Make values a part of the program."""
        constants: Any = tuple((name, tuple(v) if isinstance(v, list) else v) for name, v in values.items())
        return cls(constants, repr(constants) if constants else "", registered)

    def values(self) -> dict[str, Attribute]:
        """Those that are a part of the program, as they were given."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in self.constants}


class SolveAttributes(eqx.Module):
    """The attributes of one solve.

    Arrays and the token are leaves, so they may be traced; the rest is static.
    """

    arrays: dict[str, jax.Array]
    token: Any
    """int32 scalar, the number of what is registered with the host; 0: nothing is."""
    plain: _Plain = eqx.field(static=True)

    def updated(self, attributes: Mapping[str, Any] | None) -> Self:
        """Add what a user gave, in the place of what has the same name.

        Args:
            attributes: Names and values, as `soltrace.wire.attributes.plain_attributes` takes them.

        Raises:
            AttributeValueError: They are no mapping, a name is no string, or a value has no form that a line can carry.
        """
        if attributes is None:
            return self
        new, values = _split(attributes, tell=True)
        arrays = {name: x for name, x in self.arrays.items() if name not in values} | new
        values = self.plain.values() | values
        if under_a_jit() or not host.enabled():
            return type(self)(arrays, self.token, _Plain.of(values, self.plain.registered))
        return self._registered(arrays, {**self._brought(), **values}, None)

    def called_here(self) -> Self:
        """Have the solve know its caller, unless it is a part of a program, which others may run too."""
        if under_a_jit():
            return self
        if (place := host.callers_place()) is None:
            # Data, like every other number: with and without an experiment the same compiled program serves.
            token = on_device(self.token) if isinstance(self.token, int) else self.token
            return type(self)(self.arrays, token, self.plain)
        return self._registered(self.arrays, {**self._brought(), **self.plain.values()}, place)

    def _brought(self) -> Mapping[str, Attribute]:
        # Not by the token: that is on a device.
        brought = None if self.plain.registered is None else host.registered_solve(self.plain.registered.token)
        return {} if brought is None else brought.attributes

    def _registered(self, arrays: dict[str, jax.Array], values: dict[str, Attribute], place: Any) -> Self:
        if not values and place is None:
            return type(self)(arrays, 0, _Plain())
        registered = host.RegisteredSolve(values, place)
        return type(self)(arrays, on_device(registered.token), _Plain(registered=registered))


NO_ATTRIBUTES: Final = SolveAttributes({}, 0, _Plain())


def check_attributes(attributes: Mapping[str, Any] | None) -> None:
    """Refuse what can't be an attribute, at once and without using it.

    Raises:
        AttributeValueError: As `SolveAttributes.updated`.
    """
    if attributes is not None:
        _split(attributes, tell=False)


def _split(attributes: Any, *, tell: bool) -> tuple[dict[str, jax.Array], dict[str, Attribute]]:
    """Tell arrays of jax's from what can be made plain."""
    values = plain_and_kept(attributes, lambda value: isinstance(value, jax.Array), tell=tell)
    arrays: dict[str, jax.Array] = {}
    for name, value in list(values.items()):
        if isinstance(value, jax.Array):
            del values[name]
            arrays |= _vectors(name, value)
    return arrays, values


def _vectors(name: str, array: jax.Array) -> dict[str, jax.Array]:
    """An array as what a line has room for: as many items as it shows and one, and rows by their number."""
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        array = jax.random.key_data(array)
    if not any(jnp.issubdtype(array.dtype, kind) for kind in (jnp.bool_, jnp.number)):
        raise AttributeValueError(f"Attribute {name!r} must be an array of numbers, got one of dtype {array.dtype}.")
    if array.ndim == 0:
        return {name: array}
    if array.ndim == 1:
        return {name: array if array.size <= ITEMS_AT_MOST else array[: ITEMS_AT_MOST + 1]}
    rows = [jax.lax.index_in_dim(array, i, keepdims=False) for i in range(min(len(array), ROWS_AT_MOST))]
    return {key: part for i, row in enumerate(rows) for key, part in _vectors(f"{name}.{i}", row).items()}
