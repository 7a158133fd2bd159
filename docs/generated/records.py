"""The reference of the JSON log: every record and its fields, from the record types and their docstrings."""

import inspect
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import reduce
from operator import or_
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

from msgspec import UnsetType
from msgspec.structs import FieldInfo, fields

from soltrace.wire import record_parts, records, step_fields, verdicts

from . import source

ON_EVERY_LINE = "On every line"
OF_A_PASS = "On every line of a pass"  # noqa: S105 - no password


def page() -> str:
    """The tables: what every line carries, what every line of a pass does, and each event."""
    types = get_args(records.AnyRecord)
    parts = [
        _part(ON_EVERY_LINE, records.Record, own_fields(records.Record), with_event=True),
        _part(OF_A_PASS, records.PassRecord, own_fields(records.PassRecord)),
        *(_part(f"`{kind.__struct_config__.tag}`", kind, own_fields(kind)) for kind in types),
        _part("The object `steps`", record_parts.Steps, own_fields(record_parts.Steps)),
        _part("The object `lanes`", record_parts.Lanes, own_fields(record_parts.Lanes)),
        _part("The object `usage`", record_parts.Usage, own_fields(record_parts.Usage)),
        _part("The object `attempts`", step_fields.AttemptedSteps, own_fields(step_fields.AttemptedSteps)),
        _part("The object `nonfinite`", step_fields.Nonfinite, own_fields(step_fields.Nonfinite)),
        _part("The object `exploded`", step_fields.ExplodedGradient, own_fields(step_fields.ExplodedGradient)),
        _part("The object `verdict`", verdicts.Verdict, own_fields(verdicts.Verdict)),
    ]
    return "\n".join(parts)


def own_fields(kind: type) -> list[FieldInfo]:
    """The fields that a record has and the one it is made from has not."""
    base = kind.__mro__[1]
    inherited = {field.name for field in fields(base)} if issubclass(base, records.Record) else set[str]()
    return [field for field in fields(kind) if field.name not in inherited]


def _part(title: str, kind: Any, rows: Iterable[FieldInfo], *, with_event: bool = False) -> str:
    documented = source.fields(inspect.getmodule(kind))[kind.__name__]
    table = [_row(field, documented[field.name]) for field in rows]
    if with_event:
        table.append("| `event` | string | which of the events below this is |")
    head = ["| field | type | |", "| --- | --- | --- |"] if table else ["It carries nothing else."]
    of_a_pass = f" A line of a pass: it carries [those fields](#{_slug(OF_A_PASS)}) too." if _is_of_a_pass(kind) else ""
    summary = " ".join((kind.__doc__ or "").split())
    return "\n".join([f"## {title}", "", f"{summary}{of_a_pass}", "", *head, *table, ""])


def _is_of_a_pass(kind: type) -> bool:
    return issubclass(kind, records.PassRecord) and kind is not records.PassRecord


def _row(field: FieldInfo, docstring: str) -> str:
    kind, optional = _type(field.type)
    notes = [docstring] if docstring else []
    if optional:
        notes.append("Left out where it is not known.")
    return f"| `{field.encode_name}` | {kind} | {' '.join(notes)} |"


def _type(annotation: Any) -> tuple[str, bool]:
    """The type as JSON has it, and whether the field may be left out."""
    arguments = get_args(annotation)
    optional = UnsetType in arguments
    return _json_type(reduce(or_, (a for a in arguments if a is not UnsetType)) if optional else annotation), optional


def _json_type(annotation: Any) -> str:
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{json.dumps(argument)}`" for argument in arguments)
    if origin in (Union, UnionType):
        return " or ".join(_json_type(argument) for argument in arguments)
    if origin is list:
        return f"list of {_PLURALS.get(arguments[0]) or _json_type(*arguments) + 's'}"
    raise TypeError(f"what is {annotation!r} in JSON?")


_PLAIN: Final[dict[Any, str]] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "true or false",
    datetime: "string",
    NoneType: "null",
    record_parts.Steps: "[object](#the-object-steps)",
    record_parts.Lanes: "[object](#the-object-lanes)",
    record_parts.Usage: "[object](#the-object-usage)",
    verdicts.Verdict: "[object](#the-object-verdict)",
    verdicts.VerdictKind: "one of [these words](verdicts.md)",
    step_fields.AttemptedSteps: "[object](#the-object-attempts)",
    step_fields.Nonfinite: "[object](#the-object-nonfinite)",
    step_fields.ExplodedGradient: "[object](#the-object-exploded)",
    records.Watched: "object: of numbers, or of those texts",
    Mapping[str, records.Attribute]: "object: of booleans, numbers, strings, and lists of them",
}


_PLURALS: Final[dict[Any, str]] = {
    records.Number: 'numbers, or of `"NaN"`, `"Infinity"`, `"-Infinity"`',
    bool: "true or false",
    list[int]: "lists of integers",
}


def _slug(title: str) -> str:
    return title.lower().replace(" ", "-")
