"""Records in OpenTelemetry's terms: in the context of which span, with which attributes.

Host side, on any thread. Shared by the sinks that go through OpenTelemetry, and imports its API alone.
"""

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, Final, cast

from msgspec import UNSET
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.metrics import Observation
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from opentelemetry.util.types import AnyValue

from soltrace.wire.names import ATTR_EXPERIMENT, ATTR_EXPERIMENT_ATTRIBUTES, PREFIX
from soltrace.wire.records import Attribute, Record

_INT64: Final = range(-(2**63), 2**63)
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
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
    span = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=_SAMPLED)
    return trace.set_span_in_context(NonRecordingSpan(span), Context())


def experiment_attributes(path: str | None, attributes: Mapping[str, Attribute]) -> dict[str, AnyValue]:
    """Return the name of an experiment and the user's own attributes, under their wire names.

    They go in front of a record's own fields: an SDK over its limit drops what was set first.
    """
    named: dict[str, AnyValue] = {} if path is None else {ATTR_EXPERIMENT: path}
    return named | {ATTR_EXPERIMENT_ATTRIBUTES + name: _fitting(value) for name, value in attributes.items()}


def fields_of(record: Record, *, without: Collection[str]) -> dict[str, AnyValue]:
    """Return the fields of a record as attributes, under their wire names; one that is null is left out.

    Args:
        record: Any record.
        without: Names of fields, as in `Record.flat`, that have a place elsewhere.
    """
    attributes: dict[str, AnyValue] = {}
    for name, value in record.flat.items():
        if value is None or name in without:
            continue
        if isinstance(value, dict):
            inner = cast("dict[str, Any]", value)
            attributes |= {f"{PREFIX}{name}.{key}": _fitting(item) for key, item in inner.items()}
        else:
            attributes[PREFIX + name] = _fitting(value)
    return attributes


def _fitting(value: Any) -> AnyValue:
    """Write an int as text that is larger than the protocol's: it would cost the whole batch that it is exported in."""
    if isinstance(value, list):
        return [_fitting(item) for item in value]  # pyright: ignore[reportUnknownVariableType] - of scalars
    return str(value) if type(value) is int and value not in _INT64 else value


def force_flush(provider: object, timeout_s: float) -> bool:
    """Have a provider export what it has, if it is the SDK's: the API has no word for that."""
    flush = getattr(provider, "force_flush", None)
    return True if flush is None else bool(flush(int(timeout_s * 1000)))


def observation(value: float, attributes: Mapping[str, str]) -> Observation:
    """Make an observation of no span: whoever happens to have the metrics collected has nothing to do with it."""
    return Observation(value, attributes, _NOWHERE)
