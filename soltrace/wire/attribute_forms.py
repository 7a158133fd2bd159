"""What a value of Python's is on a line: a scalar, a list, or a table of further values; or it has no such form.

Host side, on the caller's thread. Libraries are known by what their objects have in common, and none is imported.
"""

import dataclasses
import datetime as dt
import enum
import functools
import ipaddress
import re
import sys
import types
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from pathlib import PurePath
from typing import Any, Final, NamedTuple, TypeAlias, cast

import numpy as np

from soltrace.wire.array_values import ITEMS_AT_MOST, scalar
from soltrace.wire.plain_text import TEXT_AT_MOST, plain_text, said_by
from soltrace.wire.records import Scalar, json_number

BITS_AT_MOST: Final = 128
"""Of an int. A larger one is text: nobody computes with it, and Python itself refuses to print thousands of digits."""
_TEXTS: Final = (PurePath, dt.timedelta, dt.tzinfo, uuid.UUID, Decimal, Fraction, complex, np.dtype)
"""Types whose `str` says all."""
_ADDRESSES: Final = (
    ipaddress.IPv4Address,
    ipaddress.IPv6Address,
    ipaddress.IPv4Network,
    ipaddress.IPv6Network,
    ipaddress.IPv4Interface,
    ipaddress.IPv6Interface,
)


class Items(NamedTuple):
    """The items of a list, an array, a set."""

    first: list[Any]
    """Those that are kept."""
    more: int | None
    """How many are left out; None where nobody can count them."""


class Entries(NamedTuple):
    """The values of a dictionary, or of an object that is one in all but its type."""

    entries: Iterable[tuple[Any, Any]]


Form: TypeAlias = Scalar | Items | Entries


class NoFormError(Exception):
    """A value has neither text nor a dotted form."""


def form_of(value: Any) -> Form:
    """Return what a value is on a line.

    Args:
        value: Anything. What its own methods raise is raised.

    Raises:
        NoFormError: It is neither a number, nor a text, nor made of such things.
    """
    for find in (_of_python, _named, _made_of_others, _own_text):
        form = find(value)
        if form is not None:
            return form
    raise NoFormError


def _of_python(value: Any) -> Form | None:
    """The form of what comes with Python and numpy."""
    if value is None:
        return "None"
    return next((form(value) for types, form in _FORMS if isinstance(value, types)), None)


def _int(value: int) -> int | str:
    if value.bit_length() <= BITS_AT_MOST:
        return value
    try:
        return plain_text(str(value))
    except ValueError:  # more digits than Python prints
        return plain_text(hex(value))


def _bytes(value: bytes | bytearray) -> str:
    text = value[: TEXT_AT_MOST + 1].decode("utf-8", "backslashreplace")
    return plain_text(text) if len(value) <= TEXT_AT_MOST else f"{text[:TEXT_AT_MOST]}… ({len(value)} characters)"


def _pattern(value: re.Pattern[Any]) -> str:
    pattern: Any = value.pattern
    return _bytes(pattern) if isinstance(pattern, bytes) else plain_text(pattern)


def _numpy_scalar(value: np.generic) -> Form:
    fields = value.dtype.names
    record: Any = value
    return Entries([(name, record[name]) for name in fields]) if fields else scalar(value)


def _of_member(member: enum.Enum) -> Form:
    """The value of an enumeration's member, or its name where the value is no scalar."""
    try:
        form = form_of(member.value)
    except NoFormError:
        return plain_text(member.name)
    return plain_text(member.name) if isinstance(form, Items | Entries) else form


_FORMS: Final[tuple[tuple[type | tuple[type, ...], Callable[[Any], Form]], ...]] = (
    (enum.Enum, _of_member),  # before the types of its members, which a member may be one of
    (np.generic, _numpy_scalar),  # some are floats of Python's too, with fewer digits
    (bool, bool),
    (int, lambda value: _int(int(value))),
    (float, lambda value: json_number(float(value))),
    (str, plain_text),
    ((bytes, bytearray), _bytes),
    (memoryview, lambda value: _bytes(value.tobytes())),
    ((dt.date, dt.time), lambda value: plain_text(value.isoformat())),
    (re.Pattern, _pattern),
    (BaseException, said_by),
    ((*_TEXTS, *_ADDRESSES), lambda value: plain_text(str(value))),
)
"""The form of each type; the first that fits decides."""


def _named(value: Any) -> Form | None:
    """The name of a class, a function, a module. Of a module of Equinox's (a solver, a network): of its class."""
    if isinstance(value, functools.partial):
        applied = cast("functools.partial[Any]", value)
        return Entries({"func": applied.func, "args": applied.args, "keywords": applied.keywords}.items())
    if isinstance(value, types.ModuleType):
        return plain_text(value.__name__)
    if isinstance(value, type) or callable(value):
        name = getattr(value, "__qualname__", None) or (None if isinstance(value, type) else _own_name(value))
        if isinstance(name, str):
            module = getattr(value, "__module__", None)
            said = isinstance(module, str) and module not in {"builtins", "__main__"}
            return plain_text(f"{module}.{name}" if said else name)
    if _is_a(value, "equinox", "Module"):
        return plain_text(type(value).__qualname__)
    return None


def _own_name(value: Any) -> Any:
    return getattr(value, "__name__", None) if isinstance(value, np.ufunc) else None


def _made_of_others(value: Any) -> Form | None:
    """The parts of what has parts."""
    if isinstance(value, Mapping) or _is_like_a_mapping(value):
        table = cast("Mapping[Any, Any]", value)
        return Entries((key, table[key]) for key in table.keys())  # noqa: SIM118 - not each iterates over its keys
    names = _fields(value)
    if names is not None:
        return (
            Entries((name, getattr(value, name)) for name in names) if names else plain_text(type(value).__qualname__)
        )
    if hasattr(value, "__array__"):
        return _of_array(value)
    if isinstance(value, Collection):
        return _items(cast("Collection[Any]", value))
    return None


def _is_like_a_mapping(value: Any) -> bool:
    kind = cast("Any", type(value))
    return not hasattr(kind, "__array__") and all(hasattr(kind, name) for name in ("keys", "__getitem__", "__iter__"))


def _fields(value: Any) -> list[str] | None:
    """The names of an object's fields, if its class declares them or it is but a bag of them."""
    kind = cast("Any", type(value))
    if dataclasses.is_dataclass(value):
        return [field.name for field in dataclasses.fields(value)]
    if isinstance(value, types.SimpleNamespace) or _is_a(value, "argparse", "Namespace"):
        return list(vars(value))
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return list(kind._fields)
    if hasattr(kind, "__attrs_attrs__"):
        return [field.name for field in kind.__attrs_attrs__]
    # Of pydantic's models, new and old, and of msgspec's structs.
    for declared in ("__pydantic_fields__", "__struct_fields__", "__fields__"):
        if isinstance(names := getattr(kind, declared, None), dict | tuple):
            return list(cast("Iterable[str]", names))
    return None


def _of_array(value: Any) -> Form:
    """The form of an array: a scalar, its items, or its rows. What is not kept is not even fetched from its device."""
    if _is_key(value):
        value = sys.modules["jax"].random.key_data(value)
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape and shape[0] > ITEMS_AT_MOST:
        return Items(list(np.asarray(value[:ITEMS_AT_MOST])), shape[0] - ITEMS_AT_MOST)
    array = np.asarray(value)
    if array.ndim:
        return _items(cast("Collection[Any]", array))
    item = array[()]
    return form_of(item) if isinstance(item, np.generic) or array.dtype.kind == "O" else form_of(array.item())


def _is_key(value: Any) -> bool:
    """Whether it is an array of random keys, which has no numbers by itself."""
    dtype = getattr(value, "dtype", None)
    return dtype is not None and "jax" in sys.modules and str(dtype).startswith("key<")


def _items(value: Collection[Any]) -> Items:
    items: Iterable[Any] = _sorted(value) if isinstance(value, AbstractSet) else value
    first = list(islice(items, ITEMS_AT_MOST))
    try:
        return Items(first, len(value) - len(first))
    except OverflowError:  # a range that is longer than Python counts
        return Items(first, None)


def _sorted(value: Iterable[Any]) -> list[Any]:
    """The order of a set is another one in each process."""
    try:
        return sorted(value)
    except TypeError:
        return sorted(value, key=lambda item: (type(item).__name__, str(item)))


def _own_text(value: Any) -> Form | None:
    """What its class made to be read. Not `repr`, which most have, and which has an address in it."""
    return plain_text(str(value)) if type(value).__str__ is not object.__str__ else None


def _is_a(value: Any, module: str, name: str) -> bool:
    """Whether a value is of a class of a library's, without importing that."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(value, kind)
