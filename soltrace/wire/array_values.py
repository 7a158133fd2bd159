"""Numbers of numpy's as a line has them: the shortest digits, strict JSON.

Host side, any thread.
"""

from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from soltrace.wire.plain_text import plain_text
from soltrace.wire.records import Attribute, Number, Scalar, json_number

_Array: TypeAlias = npt.NDArray[Any]

SINGLE_BYTES: Final = 4
"""Of a float32; smaller ones have fewer digits still."""
ITEMS_AT_MOST: Final = 128
"""Items of a list that is an attribute."""


def plain(value: float | np.floating[Any], *, single: bool) -> float:
    """A float as a reader wants it: of a float32 its shortest decimal, 1e-05 and not 9.999999747378752e-06."""
    return float(str(np.float32(value))) if single else float(value)


def written(value: float | np.floating[Any], *, single: bool) -> Number:
    """The same, in strict JSON."""
    return json_number(plain(value, single=single))


def attribute(value: _Array | np.generic) -> Attribute:
    """An attribute whose value was traced: a scalar, or a flat list that ends with a mark where it is too long."""
    array = np.asarray(value)
    scalars = [scalar(item) for item in array.ravel()[:ITEMS_AT_MOST]]
    if not array.ndim:
        return scalars[0]
    return scalars if array.size <= ITEMS_AT_MOST else [*scalars, "… more"]


def scalar(value: np.generic) -> Scalar:
    """A scalar of numpy's, or of what is like one, as one of Python's. What has no number is text."""
    match value.dtype.kind:
        case "b":
            return bool(value)
        case "i" | "u":
            return int(value)
        case "f":
            return written(float(value), single=value.dtype.itemsize <= SINGLE_BYTES)  # type: ignore[arg-type]
        case "V" if value.dtype.names is None and not isinstance(value, np.void):  # bfloat16, int4 and their kin
            item = value.item()
            return written(item, single=True) if isinstance(item, float) else int(item)
        case "S" | "V":
            return plain_text(value.tobytes().decode("utf-8", "backslashreplace"))
        case _:
            return plain_text(str(value))
