"""From numpy to what a record may carry.

Host side, any thread.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

import numpy as np

from soltrace.host.signals import Array
from soltrace.records import Attribute, Number, Scalar, number

SINGLE_BYTES: Final = 4
"""Of a float32; smaller ones have fewer digits still."""


def plain(value: float | np.floating[Any], *, single: bool) -> float:
    """A float as a reader wants it: of a float32 its shortest decimal, 1e-05 and not 9.999999747378752e-06."""
    return float(str(np.float32(value))) if single else float(value)


def written(value: float | np.floating[Any], *, single: bool) -> Number:
    """The same, in strict JSON."""
    return number(plain(value, single=single))


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


def attribute(value: Array | np.generic) -> Attribute:
    """An attribute whose value was traced: a scalar, or a flat list."""
    array = np.asarray(value)
    scalars = [_scalar(item) for item in array.ravel()]
    return scalars if array.ndim else scalars[0]


def _scalar(value: np.generic) -> Scalar:
    match value.dtype.kind:
        case "b":
            return bool(value)
        case "i" | "u":
            return int(value)
        case "c" | "U":
            return str(value)
        case _:  # bfloat16 and its kin are of kind V
            return written(float(value), single=value.dtype.itemsize <= SINGLE_BYTES)  # type: ignore[arg-type]


def static_attributes(attributes: tuple[tuple[str, Any], ...]) -> dict[str, Attribute]:
    """Attributes known when the solve was traced. Their lists are tuples there, because they must be hashable."""
    return {name: _static(value) for name, value in attributes}


def _static(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_static(item) for item in cast("Iterable[Any]", value)]
    return number(value) if isinstance(value, float) else value


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
