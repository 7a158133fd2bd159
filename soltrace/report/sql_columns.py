"""The columns of SQL that hold the fields of records, and what makes a line a record. Both follow from the types."""

import types
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, Literal, Union, get_args, get_origin

import msgspec
from msgspec import UnsetType
from msgspec.structs import FieldInfo, fields

from soltrace.wire.records import SCHEMA, AnyRecord, Number, Record

KINDS: Final[Mapping[str, type[Record]]] = {str(kind.__struct_config__.tag): kind for kind in get_args(AnyRecord)}
"""The record types by their wire names, in the order of their declaration."""
_PLAIN: Final[Mapping[Any, str]] = {
    datetime: "TIMESTAMPTZ",
    str: "VARCHAR",
    bool: "BOOLEAN",
    int: "BIGINT",
    float: "DOUBLE",
    Number: "DOUBLE",  # DuckDB reads "NaN", "Infinity" and "-Infinity" as floats
}


def sql_columns() -> dict[str, str]:
    """Return the SQL type of each column. There is one for each field of any record; those of every line come first."""
    found = {"timestamp": "TIMESTAMPTZ", "level": "VARCHAR", "event": "VARCHAR"}
    for kind in KINDS.values():
        for field in fields(kind):
            found.setdefault(field.name, _sql(field.type))
    return found


def validity() -> str:
    """Write the SQL condition under which a line is a record: all that its kind requires is there.

    What is of another type than the column's is NULL there, and so it counts as missing.
    """
    cases = " ".join(f"WHEN {quoted(event)} THEN {_complete(kind)}" for event, kind in KINDS.items())
    return f"coalesce(CASE event {cases} END, false)"


def _complete(kind: type[Record]) -> str:
    return " AND ".join(test for field in fields(kind) for test in _tests(field))


def _tests(field: FieldInfo) -> Iterator[str]:
    name, words = field.name, get_args(field.type)
    if name == "schema":
        yield f"coalesce(schema, {SCHEMA}) = {SCHEMA}"
    elif not field.required or type(None) in words:
        return  # what is wrong with it is what is not known of it
    elif get_origin(field.type) is Literal:
        yield f"{name} IN ({', '.join(map(quoted, words))})"
    elif _sql(field.type) == "JSON":
        yield f"starts_with({name}, '{{')"  # an object: all that the column holds is valid JSON
    elif field.type is float:
        yield f"isfinite({name})"
    else:
        yield f"{name} IS NOT NULL"


def _sql(kind: Any) -> str:
    """Return the type of a column that holds values of a Python type."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return "VARCHAR"
    if origin is list:
        return f"{_sql(arguments[0])}[]"
    if origin in (Union, types.UnionType):
        known = [part for part in arguments if part not in (UnsetType, type(None))]
        # A number is a float or one of three words, beside what else the field may be.
        return "DOUBLE" if float in known else _sql(known[0])
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "JSON"  # the user's own names, and values of any type
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return f"STRUCT({', '.join(f'{field.name} {_sql(field.type)}' for field in fields(kind))})"
    raise TypeError(f"no column can hold {kind!r}")


def quoted(text: str) -> str:
    """Quote a string as SQL does."""
    return "'" + text.replace("'", "''") + "'"
