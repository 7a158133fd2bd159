"""Records in OpenTelemetry's terms: in the context of which span, with which attributes.

Host side, on any thread. Shared by the sinks that go through OpenTelemetry, and imports its API alone.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any, Final, cast

from msgspec import UNSET, Struct, UnsetType
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.metrics import Observation
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, TraceFlags
from opentelemetry.util.types import AnyValue

from soltrace.sinks import Ids
from soltrace.sinks.errands import Errands
from soltrace.wire.names import ATTR_EXPERIMENT, ATTR_EXPERIMENT_ATTRIBUTES, PREFIX
from soltrace.wire.records import Attribute, Record

_LEAST_INT: Final = -(2**63)
_LARGEST_INT: Final = 2**63 - 1
_AS_THEY_ARE: Final = frozenset({str, float, bool})
"""Types of values that need no further look."""
_NOT_KNOWN: Final = frozenset({type(None), UnsetType})
SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_NOWHERE: Final = trace.set_span_in_context(trace.INVALID_SPAN, Context())
"""Not an empty `Context()`: that is false and taken for none, so that what is current on the worker's thread counts."""
_CONTEXTS_AT_MOST: Final = 1024
"""Spans whose contexts are kept; a pass is told of on many lines, and few passes are open at once."""


def context_of(record: Record) -> Context:
    """Return the context of the record's span, or one without any span if the record has no ids."""
    if record.trace_id is UNSET or record.span_id is UNSET:
        return _NOWHERE
    return _context(record.trace_id, record.span_id)


@lru_cache(_CONTEXTS_AT_MOST)
def _context(trace_id: str, span_id: str) -> Context:
    """Read the ids of a span, once. A record has them only where its span is recorded: hence the sampled flag."""
    span = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=SAMPLED)
    return trace.set_span_in_context(NonRecordingSpan(span), Context())


def ids_of(span: Span) -> Ids | None:
    """Return the ids of a span, as records carry them; None if nobody would find a trace under them."""
    context = span.get_span_context()
    if not (context.is_valid and context.trace_flags.sampled):
        return None
    return Ids(trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id))


def experiment_attributes(path: str | None, attributes: Mapping[str, Attribute]) -> dict[str, AnyValue]:
    """Return the name of an experiment and the user's own attributes, under their wire names.

    They go in front of a record's own fields: an SDK over its limit drops what was set first.
    """
    named: dict[str, AnyValue] = {} if path is None else {ATTR_EXPERIMENT: path}
    for name, value in attributes.items():
        named[ATTR_EXPERIMENT_ATTRIBUTES + name] = _fitting(value)
    return named


def fields_of(record: Record, *, without: frozenset[str]) -> dict[str, AnyValue]:
    """Return the fields of a record as attributes, under their wire names; one that is null is left out.

    They are those of `Record.flat`, which is not made for this: a field at a time costs a third of it.

    Args:
        record: Any record.
        without: Names of fields, as in `Record.flat`, that have a place elsewhere.
    """
    attributes: dict[str, AnyValue] = {}
    _add_fields(attributes, record, PREFIX, without)
    if record.context is not UNSET:  # on a line it comes last too
        for name, value in record.context.items():
            attributes[f"{PREFIX}context.{name}"] = _fitting(value)
    return attributes


def _add_fields(attributes: dict[str, AnyValue], struct: Struct, prefix: str, without: frozenset[str]) -> None:
    """Add the fields of a record, or of a struct within one, under names with a prefix."""
    wire_names, read = _fields(type(struct), prefix, without)
    for wire_name, value in zip(wire_names, read(struct), strict=True):
        kind = type(value)  # pyright: ignore[reportUnknownVariableType] - of anything
        if kind in _AS_THEY_ARE:
            attributes[wire_name] = value
        elif kind in _NOT_KNOWN:
            continue
        elif kind is int:  # as `_fitting`, of which there would be as many calls as of all else here
            attributes[wire_name] = value if _LEAST_INT <= value <= _LARGEST_INT else str(value)
        elif kind is list:  # before the questions that take longer
            attributes[wire_name] = _fitting(value)
        elif isinstance(value, Struct):
            _add_fields(attributes, value, f"{wire_name}.", frozenset())
        elif isinstance(value, Mapping):
            for name, item in cast("Mapping[str, Any]", value).items():
                attributes[f"{wire_name}.{name}"] = _fitting(item)
        else:
            attributes[wire_name] = _fitting(value)


@cache
def _fields(kind: type[Struct], prefix: str, without: frozenset[str]) -> tuple[Sequence[str], Callable[[Struct], Any]]:
    """Those of a type of struct that are attributes, in its order: their wire names, and what reads all at once."""
    names = [name for name in kind.__struct_fields__ if name not in without and name != "context"]
    return [prefix + name for name in names], attrgetter(*names)


def _fitting(value: Any) -> AnyValue:
    """Write an int as text that is larger than the protocol's: it would cost the whole batch that it is exported in."""
    if type(value) is int:
        return value if _LEAST_INT <= value <= _LARGEST_INT else str(value)
    if isinstance(value, list | tuple):
        return [_fitting(item) for item in cast("Sequence[Any]", value)]
    return value


def force_flush(provider: object, timeout_s: float) -> bool:
    """Have a provider export what it has, if it is the SDK's: the API has no word for that."""
    flush = getattr(provider, "force_flush", None)
    return True if flush is None else bool(flush(int(timeout_s * 1000)))


def flush_behind(errands: Errands, provider: object, timeout_s: float) -> bool:
    """Have a provider export what it has, once its processors have been called with all that there is.

    Args:
        errands: These calls.
        provider: Whose processors they are.
        timeout_s: How long both may take, in seconds.

    Returns:
        Whether all was exported.
    """
    deadline = time.monotonic() + timeout_s
    called = errands.flush(timeout_s)
    return force_flush(provider, max(deadline - time.monotonic(), 0.0)) and called


def observation(value: float, attributes: Mapping[str, str]) -> Observation:
    """Make an observation of no span: whoever happens to have the metrics collected has nothing to do with it."""
    return Observation(value, attributes, _NOWHERE)
