"""A record as plain values: nested, as its line of the log has them, and flat, under names with dots.

Any side, any thread. Each form is made once a record, at its first use, and kept with it (`Record.line`,
`Record.flat`), so that all sinks share it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast, get_args

import msgspec
from msgspec import Struct
from msgspec.structs import fields

LEADING: Final = ("timestamp", "level", "event")
"""What a reader of a line, or of a table, looks for first."""
_LEADING: Final[dict[str, Any]] = dict.fromkeys(LEADING)


def line_of(record: Struct) -> dict[str, Any]:
    """Turn a record into the object that its line holds.

    Args:
        record: One of the records, with a `timestamp`.

    Returns:
        Strings, numbers, booleans, None, and lists and dictionaries of them, in the order of the line. A field that is
        `UNSET` is left out.
    """
    line = _LEADING | msgspec.to_builtins(record)
    line["timestamp"] = _six_digits(line["timestamp"])
    return line


def flattened(record: Struct, line: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten the line of a record: a field of a nested struct becomes `steps.accepted`.

    A mapping whose keys are the user's own (`attributes`, `resource`) stays one value: its keys may have dots too.
    """
    flat: dict[str, Any] = {}
    for name, value in line.items():
        if isinstance(value, dict) and isinstance(getattr(record, name), Struct):
            inner = cast("dict[str, Any]", value)
            flat |= {f"{name}.{key}": item for key, item in inner.items()}
        else:
            flat[name] = value
    return flat


def flat_names(kind: type[Struct]) -> Iterator[str]:
    """Name everything that the flat form of a type of record may hold, in the order of its fields."""
    for field in fields(kind):
        if field.name == "context":  # its names are the user's, and are never read back
            continue
        kinds = (field.type, *get_args(field.type))
        nested = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Struct)), None)
        if nested is None:
            yield field.name
        else:
            yield from (f"{field.name}.{inner}" for inner in nested.__struct_fields__)


def _six_digits(timestamp: str) -> str:
    """Give a time its fraction, which msgspec leaves out if it is zero: times in UTC are to sort as text."""
    whole = len("2026-01-02T03:04:05")
    return timestamp if timestamp[whole : whole + 1] == "." else f"{timestamp[:whole]}.000000{timestamp[whole:]}"
