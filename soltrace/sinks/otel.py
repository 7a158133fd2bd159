"""Records in OpenTelemetry's terms: when, in the context of which span, with which values.

Host side, on any thread. Shared by the sinks that go through OpenTelemetry; its API alone.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from msgspec import UNSET
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.metrics import Observation
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from opentelemetry.util.types import AnyValue

from soltrace.wire.records import Record

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_INT64: Final = range(-(2**63), 2**63)
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_NOWHERE: Final = trace.set_span_in_context(trace.INVALID_SPAN, Context())
"""Not an empty `Context()`: that is false and taken for none, so that what is current on the worker's thread counts."""


def nanoseconds(moment: datetime) -> int:
    """A time as nanoseconds since 1970. Not `timestamp()`: a float rounds."""
    return (moment - _EPOCH) // _MICROSECOND * 1000


def context_of(record: Record) -> Context:
    """The context of the record's span. A record has ids only where its span is recorded: hence the sampled flag."""
    if record.trace_id is UNSET or record.span_id is UNSET:
        return _NOWHERE
    span = SpanContext(int(record.trace_id, 16), int(record.span_id, 16), is_remote=False, trace_flags=_SAMPLED)
    return trace.set_span_in_context(NonRecordingSpan(span), Context())


def fitting(value: Any) -> AnyValue:
    """A larger int than the protocol has would cost the whole batch that it is exported in: as text, then."""
    if isinstance(value, list):
        return [fitting(item) for item in value]  # pyright: ignore[reportUnknownVariableType] - of scalars
    return str(value) if type(value) is int and value not in _INT64 else value


def force_flush(provider: object, timeout_s: float) -> bool:
    """Have a provider export what it has, if it is the SDK's: the API has no word for that."""
    flush = getattr(provider, "force_flush", None)
    return True if flush is None else bool(flush(int(timeout_s * 1000)))


def observation(value: float, attributes: Mapping[str, str]) -> Observation:
    """What was looked at; of no span: whoever happens to have the metrics collected has nothing to do with it."""
    return Observation(value, attributes, _NOWHERE)
