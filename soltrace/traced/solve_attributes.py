"""A solve's attributes: those known while it is traced, and those that travel with its first emission.

Traced side.
"""

from collections.abc import Mapping
from typing import Any

import jax

from soltrace.errors import AttributeValueError
from soltrace.wire.attributes import plain_attributes
from soltrace.wire.records import Attribute


def split_attributes(attributes: Mapping[str, Any]) -> tuple[tuple[tuple[str, Attribute], ...], dict[str, jax.Array]]:
    """Tell plain values from arrays.

    Args:
        attributes: Names and values; an array has at most one axis of its own.

    Returns:
        Pairs of names and plain values (lists as tuples, so that they can be hashed), and the arrays by name.

    Raises:
        AttributeValueError: A name is no string, or a value is neither plain nor an array of numbers.
    """
    traced = {name: value for name, value in attributes.items() if isinstance(value, jax.Array)}
    for name, value in traced.items():
        if value.ndim > 1 or value.dtype.kind not in "biuf":
            raise AttributeValueError(
                f"Attribute {name!r} must be a scalar or a vector of bools, ints or floats, "
                f"got an array of shape {value.shape} and dtype {value.dtype}."
            )
    plain = plain_attributes({name: value for name, value in attributes.items() if name not in traced})
    hashable: Any = tuple((name, tuple(v) if isinstance(v, list) else v) for name, v in plain.items())
    return hashable, traced
