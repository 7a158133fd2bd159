"""From numpy to what a record may carry.

Host side, any thread.
"""

from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np

from soltrace.host.shortest import shortest
from soltrace.host.signals import Array
from soltrace.wire.array_values import SINGLE_BYTES, attribute
from soltrace.wire.records import Attribute, Number, json_number


def is_single(array: Array) -> bool:
    """Say whether its floats have no more digits than a float32."""
    return array.dtype.kind == "f" and array.dtype.itemsize <= SINGLE_BYTES


def common(values: Array) -> Any:
    """The one value that all lanes have (`[lanes, *shape]` -> `[*shape]`), or None. NaN equals itself here."""
    first = values[0]
    same = values == first
    if values.dtype.kind in "fc":
        same = same | (np.isnan(values) & np.isnan(first))
    return first if bool(np.all(same)) else None


def static_attributes(attributes: tuple[tuple[str, Any], ...]) -> dict[str, Attribute]:
    """Attributes known when the solve was traced. Their lists are tuples there, because they must be hashable."""
    return {name: _static(value) for name, value in attributes}


def _static(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_static(item) for item in cast("Iterable[Any]", value)]
    return json_number(value) if isinstance(value, float) else value


def traced_attributes(
    names: tuple[str, ...], extras: Sequence[Array], shape: tuple[int, ...]
) -> tuple[dict[str, Attribute], dict[str, tuple[tuple[int, ...], Array]]]:
    """Traced attributes: those that are the same in all lanes, and those that are not, with their batch's shape."""
    same: dict[str, Attribute] = {}
    differing: dict[str, tuple[tuple[int, ...], Array]] = {}
    for name, extra in zip(names, extras, strict=True):
        values = lanes_of(extra, len(shape))
        value = common(values)
        if value is None:
            differing[name] = (shape, values)
        else:
            same[name] = attribute(value)
    return same, differing


def lanes_of(array: Array, axes: int) -> Array:
    """Flatten the leading batch axes into one."""
    return array.reshape(-1, *array.shape[axes:])


def columns(array: Array, axes: int) -> Array:
    """The last axis first, lanes flat: `[*batch, n]` -> `[n, lanes]`."""
    return np.moveaxis(lanes_of(array, axes), -1, 0)


def numbers(values: Array) -> list[list[Number]]:
    """Write many floats as a line has them: of a float32 the shortest digits, as `written` does one by one.

    Args:
        values: float `[columns, rows]`.
    """
    with np.errstate(invalid="ignore"):
        exact = values.astype(np.float32 if is_single(values) else np.float64)
    if is_single(values):
        exact = shortest(exact.ravel()).reshape(exact.shape)
    plain = exact.tolist()
    for column, row in np.argwhere(~np.isfinite(exact)).tolist():
        plain[column][row] = json_number(plain[column][row])
    return plain
