"""Attributes as users give them, checked and made plain at the door.

Host side, on the caller's thread.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from soltrace.errors import AttributeValueError
from soltrace.wire.number_text import parse_number
from soltrace.wire.records import Attribute, Number, Scalar, json_number

_Array: TypeAlias = npt.NDArray[Any]

SINGLE_BYTES: Final = 4
"""Of a float32; smaller ones have fewer digits still."""


def plain(value: float | np.floating[Any], *, single: bool) -> float:
    """A float as a reader wants it: of a float32 its shortest decimal, 1e-05 and not 9.999999747378752e-06."""
    return float(str(np.float32(value))) if single else float(value)


def written(value: float | np.floating[Any], *, single: bool) -> Number:
    """The same, in strict JSON."""
    return json_number(plain(value, single=single))


def plain_attributes(attributes: Mapping[str, Any]) -> dict[str, Attribute]:
    """Attributes as a log line can carry them: numpy made plain, non-finite floats as strings.

    Raises:
        AttributeValueError: a name is no string, or a value is of another type.
    """
    return {_name(name): _value(name, value) for name, value in attributes.items()}


def _name(name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise AttributeValueError(f"An attribute's name must be a non-empty string, got {name!r}.")
    return name


def _value(name: str, value: Any) -> Attribute:
    if isinstance(value, bool | int | float | str) and not isinstance(value, np.generic):
        return _plain_scalar(value)
    array = _array(value)
    if array is not None:
        return attribute(array)
    if isinstance(value, list | tuple):
        return [_item(name, item) for item in cast("Iterable[Any]", value)]
    raise _unfit(name, value)


def _item(name: str, value: Any) -> Scalar:
    plain = _value(name, value)
    if isinstance(plain, list):
        raise _unfit(name, value)
    return plain


def _array(value: Any) -> _Array | None:
    """A value as an array with at most one axis, if it is an array: numpy's, or anything that turns into one."""
    if not hasattr(value, "__array__"):
        return None
    array: _Array = np.asarray(value)
    return array if array.ndim <= 1 and array.dtype.kind in "biufU" else None


def _plain_scalar(value: Scalar) -> Scalar:
    if isinstance(value, float):
        return json_number(value)
    if isinstance(value, str):
        return str(value)
    return value


def attribute(value: _Array | np.generic) -> Attribute:
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


def _unfit(name: str, value: Any) -> AttributeValueError:
    return AttributeValueError(
        f"Attribute {name!r} must be a bool, int, float or str, a list of them, or an array of them with at most one "
        f"axis; got {value!r} of type {type(value).__name__}."
    )


def parse_attributes(text: str) -> tuple[dict[str, Attribute], list[str]]:
    """Parse attributes as they are written in `SOLTRACE_ATTRIBUTES` and after `soltrace run --attributes`.

    ```python
    parse_attributes("seed=3,lr=1e-3,job=007,now")  # ({'seed': 3, 'lr': 0.001, 'job': '007'}, ['now'])
    ```

    Args:
        text: `key=value` pairs, separated by commas. Space around keys and values is ignored.

    Returns:
        The attributes, and the parts that are no `key=value`. A value is a bool (`true`, `false`), a number if it
        is spelled as one (see [`soltrace.wire.number_text.parse_number`][]), and a string otherwise.
    """
    attributes: dict[str, Attribute] = {}
    malformed: list[str] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        if equals and name.strip():
            attributes[name.strip()] = _parsed(value.strip())
        else:
            malformed.append(part)
    return attributes, malformed


def _parsed(text: str) -> Scalar:
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    number = parse_number(text)
    return text if number is None else number
