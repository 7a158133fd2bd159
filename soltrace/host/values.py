"""From numpy to what a record may carry.

Host side, any thread.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

import numpy as np

from soltrace.host.signals import Array
from soltrace.wire.array_values import SINGLE_BYTES, attribute
from soltrace.wire.records import Attribute, Number, json_number

_DIGITS_AT_FIRST: Final = 6
"""Fewer end with zeros, which a float does not have."""
_DIGITS_OF_A_SINGLE: Final = 9
_LARGEST_EXPONENT: Final = 12
"""Of ten, in the numbers that are written many at a time: with nine digits before it, 10**22 is still exact."""


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


def numbers(values: Array) -> list[Number]:
    """Write many floats as a line has them: of a float32 the shortest digits, as `written` does one by one."""
    exact = values.astype(np.float64)
    if is_single(values):
        exact = _shortest(values.astype(np.float32), exact)
    plain = exact.tolist()
    for i in np.flatnonzero(~np.isfinite(exact)).tolist():
        plain[i] = json_number(plain[i])
    return plain


def _shortest(values: Array, exact: Array) -> Array:
    """Round to as few digits as are needed to find each float32 again."""
    with np.errstate(all="ignore"):
        exponent = np.floor(np.log10(np.abs(exact)))
    usual = np.isfinite(exponent) & (np.abs(exponent) < _LARGEST_EXPONENT)
    exponent = np.where(usual, exponent, 0.0).astype(np.int64)
    found, missing = exact.copy(), usual
    for digits in range(_DIGITS_AT_FIRST, _DIGITS_OF_A_SINGLE + 1):
        shift = digits - 1 - exponent
        # Powers of ten up to here are exact, and so is what is divided or multiplied by one: the nearest float.
        up, down = 10.0 ** np.maximum(shift, 0), 10.0 ** np.maximum(-shift, 0)
        rounded = np.round(exact * up / down) / up * down
        fits = missing & (rounded.astype(np.float32) == values)
        found, missing = np.where(fits, rounded, found), missing & ~fits
    for i in np.flatnonzero(~usual & np.isfinite(exact) & (exact != 0.0)).tolist():
        found[i] = float(str(values[i]))
    return found
