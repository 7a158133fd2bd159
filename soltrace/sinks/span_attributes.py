"""What the spans say: the fields of a record as attributes of a span, each of one type.

Host side, on any thread. A new field of `PassStarted` or `PassEnded` is an attribute of the span without more ado.
"""

import traceback
from collections.abc import Mapping
from typing import Any, Final, get_args

from msgspec import structs
from opentelemetry.util.types import AttributeValue

from soltrace.sinks.otel import experiment_attributes, fields_of
from soltrace.wire.names import PREFIX
from soltrace.wire.plain_text import NAME_AT_MOST, plain_text, said_by
from soltrace.wire.records import AnyRecord, Attribute, PassEnded, PassRecord, PassStarted, Record, Scalar

_TRACE_AT_MOST: Final = 16384
"""Characters of a stack trace."""
_ELSEWHERE: Final = frozenset({*Record.__struct_fields__, "event"}) - {"run_id"}
"""What every record carries: it has a place of its own in a span, or says nothing of one."""
_SAID_AT_THE_START: Final = frozenset({*PassRecord.__struct_fields__, "event", "duration_s"})
"""What the end of a span need not say; its duration is its own."""
_NUMBERS: Final = frozenset(
    PREFIX + field.name
    for kind in get_args(AnyRecord)
    for field in structs.fields(kind)
    if float in get_args(field.type)
)
"""Attributes that a record may hold as text, because JSON has no NaN."""


def root_attributes(path: str | None, attributes: Mapping[str, Attribute]) -> dict[str, AttributeValue]:
    """Return what the root span of an experiment says: its name and its attributes."""
    return _typed(experiment_attributes(path, attributes))


def start_attributes(record: PassStarted) -> dict[str, AttributeValue]:
    """Return what the span of a pass says from its start on: the experiment's attributes, and how the solve is made."""
    return root_attributes(record.experiment, record.attributes) | _typed(fields_of(record, without=_ELSEWHERE))


def end_attributes(record: PassEnded) -> dict[str, AttributeValue]:
    """Return what the span of a pass says at its end: what became of the solve."""
    return _typed(fields_of(record, without=_SAID_AT_THE_START))


def chosen_attributes(record: Record, *names: str) -> dict[str, AttributeValue]:
    """Return some of the fields, by their names in `Record.flat`, as far as they are known."""
    known = fields_of(record, without=frozenset())
    return _typed({PREFIX + name: known[PREFIX + name] for name in names if PREFIX + name in known})


def exception_attributes(error: BaseException) -> dict[str, AttributeValue]:
    """Return what the event of an exception says, by OpenTelemetry's conventions.

    Not the SDK's `record_exception`: that fails where the exception's own message does.
    """
    kind = type(error)
    trace = "".join(traceback.format_exception(error))
    return {
        "exception.type": plain_text(f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins."), NAME_AT_MOST),
        "exception.message": said_by(error).partition(": ")[2],
        "exception.stacktrace": plain_text(trace, _TRACE_AT_MOST),
    }


def _typed(attributes: Mapping[str, Any]) -> dict[str, AttributeValue]:
    """Give each attribute one type, as spans want it. Those of log records may be of any."""
    return {
        name: float(value) if name in _NUMBERS else _of_one_type(value) if value.__class__ is list else value
        for name, value in attributes.items()
    }


def _of_one_type(items: list[Scalar]) -> AttributeValue:
    """Turn a list of both kinds of numbers into floats, and any other mixture into strings."""
    if len({type(item) for item in items}) <= 1:
        return items  # pyright: ignore[reportReturnType] - a list of one type, which its type can't say
    if all(isinstance(item, int | float) and not isinstance(item, bool) for item in items):
        return [float(item) for item in items]
    return [str(item) for item in items]
