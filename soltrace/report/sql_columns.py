"""The columns of SQL that hold the fields of records, and what makes a line a record. Both follow from the types."""

import re
import types
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, Literal, Union, get_args, get_origin

import msgspec
from msgspec import UnsetType
from msgspec.structs import FieldInfo, fields

from soltrace.wire.records import SCHEMA_VERSION, AnyRecord, Number, Record

KINDS: Final[Mapping[str, type[Record]]] = {str(kind.__struct_config__.tag): kind for kind in get_args(AnyRecord)}
"""The record types by their wire names, in the order of their declaration."""
_PLAIN: Final[Mapping[Any, str]] = {
    datetime: "TIMESTAMPTZ",
    str: "VARCHAR",
    bool: "BOOLEAN",
    int: "BIGINT",
    float: "DOUBLE",
    Number: "DOUBLE",
}
_TYPED: Final[Mapping[str, str]] = {
    "BIGINT": "CASE WHEN regexp_full_match({0}, '-?[0-9]+') THEN TRY_CAST({0}::VARCHAR AS BIGINT) END",
    "DOUBLE": """CASE WHEN {0} IN ('"NaN"', '"Infinity"', '"-Infinity"') THEN trim({0}, '"')::DOUBLE """
    "ELSE TRY_CAST({0}::VARCHAR AS DOUBLE) END",
    "BOOLEAN": "CASE {0} WHEN 'true' THEN true WHEN 'false' THEN false END",
    # RFC 3339, which always names a zone.
    "TIMESTAMPTZ": r"CASE WHEN regexp_full_match({0}, '[\d-]{{10}}[Tt ][\d:.]{{8,}}([Zz]|[+-]\d\d:\d\d)') "
    "THEN TRY_CAST({0} AS TIMESTAMPTZ) END",
}
"""What turns `{0}` as it is spelled in JSON into a value."""
_LARGEST: Final[Mapping[str, str]] = {"BIGINT": "9007199254740992", "DOUBLE": "1e15"}
"""Larger counts, and longer times, there are not."""
_NUMERIC: Final = re.compile("BIGINT|DOUBLE|BOOLEAN")
_INNER: Final = re.compile(r"STRUCT\((.*)\)")


def sql_columns() -> dict[str, str]:
    """Return the SQL type of each column. There is one for each field of any record; those of every line come first."""
    found = {"timestamp": "TIMESTAMPTZ", "level": "VARCHAR", "event": "VARCHAR"}
    for kind in KINDS.values():
        for field in fields(kind):
            found.setdefault(field.name, _sql(field.type))
    return found


def json_columns() -> dict[str, str]:
    """Return the types by which DuckDB is to read the columns: numbers as they are spelled, for `typed` to judge."""
    return {name: _read_as(kind) for name, kind in sql_columns().items()}


def typed(name: str, kind: str) -> str:
    """Write the SQL expression that turns what `json_columns` has read into a value, or into NULL.

    DuckDB itself would read numbers out of texts (`"007"` as 7, `"1_000"` as 1000), round 3.7 to an integer, and take
    `"epoch"` and a date for times. `soltrace tail` does not.
    """
    if kind.endswith("[]"):
        return f"list_transform({name}, lambda item: {typed('item', kind.removesuffix('[]'))})"
    if inner := _INNER.fullmatch(kind):
        parts = (part.split(" ") for part in inner[1].split(", "))
        packed = ", ".join(f"{part} := {typed(f'{name}.{part}', of)}" for part, of in parts)
        return f"CASE WHEN {name} IS NOT NULL THEN struct_pack({packed}) END"
    return _TYPED.get(kind, "{0}").format(name)


def _read_as(kind: str) -> str:
    return _NUMERIC.sub("JSON", kind).replace("TIMESTAMPTZ", "VARCHAR")


def validity() -> str:
    """Write the SQL condition under which a line is a record: all that its kind requires is there.

    What is of another type than the column's is NULL there, and so it counts as missing.
    """
    cases = " ".join(f"WHEN {quoted(event)} THEN {_complete(kind)}" for event, kind in KINDS.items())
    return f"coalesce(CASE event {cases} END, false)"


def plausibility() -> str:
    """Write the SQL condition under which the numbers of a line can be reckoned with: none is so large as to overflow.

    Those in the user's own units, such as solver time, may be of any size.
    """
    return " AND ".join(_bounded(sql_columns()))


def _bounded(columns: Mapping[str, str], before: str = "") -> Iterator[str]:
    in_units = {field.name for kind in KINDS.values() for field in _all_fields(kind) if _is_the_users(field)}
    for name, kind in columns.items():
        if inner := _INNER.fullmatch(kind):
            yield from _bounded(dict(part.split(" ") for part in inner[1].split(", ")), f"{before}{name}.")
        elif kind in _LARGEST and name not in in_units:
            yield f"coalesce({before}{name} BETWEEN -{_LARGEST[kind]} AND {_LARGEST[kind]}, true)"


def _all_fields(kind: Any) -> Iterator[FieldInfo]:
    """Yield the fields of a type of records, and those of the structs in them."""
    for field in fields(kind):
        yield field
        for part in (field.type, *get_args(field.type)):
            if isinstance(part, type) and issubclass(part, msgspec.Struct):
                yield from _all_fields(part)


def _is_the_users(field: FieldInfo) -> bool:
    """Whether it is in units of the user's, or a limit that a user has set."""
    return field.name == "max_steps" or any(get_origin(part) is Literal for part in get_args(field.type))


def _complete(kind: type[Record]) -> str:
    return " AND ".join(test for field in fields(kind) for test in _tests(field))


def _tests(field: FieldInfo) -> Iterator[str]:
    name, words = field.name, get_args(field.type)
    if name == "schema":
        yield f"coalesce(schema, {SCHEMA_VERSION}) = {SCHEMA_VERSION}"
    elif not field.required or type(None) in words:
        return  # what is wrong with it is what is not known of it
    elif get_origin(field.type) is Literal:
        yield f"{name} IN ({', '.join(map(quoted, words))})"
    elif _sql(field.type) == "JSON":
        yield f"starts_with({name}, '{{')"  # an object: all that the column holds is valid JSON
    elif field.type is float:
        yield f"isfinite({name})"
    elif get_origin(field.type) is list:
        yield f"len(list_filter({name}, lambda item: item IS NULL)) = 0"
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
