"""Exporters for OTLP that take lean spans and log records: attributes are encoded here, all else by OpenTelemetry.

Host side, on the thread that exports. Attributes are most of what is sent, and nearly all of what encoding costs.
"""

import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry._logs import LogRecord
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext
from opentelemetry.util.types import AnyValue

from soltrace.export.attribute_bytes import attribute_bytes
from soltrace.export.lean import Lean


@dataclass(frozen=True)
class _Signal:
    """How spans or log records are found in a request."""

    field: int
    """The number of the attributes' field in their message."""
    messages: Callable[[Any], Iterable[Any]]
    """Returns the messages of a request, in its order."""
    anything: Callable[[BoundedAttributes], Any]
    """Makes something that has these attributes, for OpenTelemetry to encode."""


def _spans(request: Any) -> Iterator[Any]:
    return (span for resource in request.resource_spans for scoped in resource.scope_spans for span in scoped.spans)


def _log_records(request: Any) -> Iterator[Any]:
    return (log for resource in request.resource_logs for scoped in resource.scope_logs for log in scoped.log_records)


_SIGNALS: Final[Mapping[str, _Signal]] = {
    "encode_spans": _Signal(
        field=9,
        messages=_spans,
        anything=lambda attributes: ReadableSpan(
            "", SpanContext(1, 1, is_remote=False), None, _NO_RESOURCE, attributes
        ),
    ),
    "encode_logs": _Signal(
        field=6,
        messages=_log_records,
        anything=lambda attributes: ReadableLogRecord(LogRecord(attributes=attributes), _NO_RESOURCE),
    ),
}
"""By the name of OpenTelemetry's function that encodes a batch."""
_NO_RESOURCE: Final = Resource.get_empty()


class TakesLean:
    """What an exporter is known by that can encode lean spans or log records."""


def taking_lean(kind: type[Any]) -> type[Any]:
    """Derive an exporter that can encode lean spans or log records.

    Its method that encodes a batch stays what it is, but for the function that it calls for that: nothing else of an
    exporter (connections, retries, compression, its limits) is touched or known here.

    Args:
        kind: An exporter's class.

    Returns:
        The derived class; the same one if it does not encode its batches with OpenTelemetry's functions.
    """
    for method in ("export", "_translate_data"):  # over HTTP and over gRPC
        function: Any = vars(kind).get(method)
        for name, signal in _SIGNALS.items():
            if isinstance(function, types.FunctionType) and name in function.__code__.co_names:
                known = function.__globals__
                encode = _encoder(known[name], signal)
                own = types.FunctionType(function.__code__, known | {name: encode}, method, function.__defaults__)
                own.__kwdefaults__ = function.__kwdefaults__
                return _derived(kind, {"__module__": kind.__module__, "__doc__": kind.__doc__, method: own})
    return kind


def _derived(kind: type, namespace: Mapping[str, Any]) -> type:
    return types.new_class(kind.__name__, (kind, TakesLean), exec_body=lambda body: body.update(namespace))


def _encoder(encode: Callable[[Sequence[Any]], Any], signal: _Signal) -> Callable[[Sequence[Any]], Any]:
    """Make what encodes batches out of what encodes those that have nothing lean in them."""

    def encode_lean(batch: Sequence[Any]) -> Any:
        items = _in_the_requests_order(batch)
        request = encode([item.bare() if isinstance(item, Lean) else item for item in items])
        for item, message in zip(items, signal.messages(request), strict=True):
            if isinstance(item, Lean):
                _put_in(message, item.attributes)
        return request

    def _put_in(message: Any, attributes: Mapping[str, AnyValue]) -> None:
        try:
            message.MergeFromString(attribute_bytes(signal.field, attributes))
        except (KeyError, UnicodeEncodeError):  # OpenTelemetry leaves out what it can't encode, and says so
            whole = signal.anything(BoundedAttributes(attributes=attributes))
            (encoded,) = signal.messages(encode([whole]))
            message.attributes.extend(encoded.attributes)

    return encode_lean


def _in_the_requests_order(batch: Sequence[Any]) -> list[Any]:
    """Order a batch as a request has it: by resource, and within that by scope, in which they come first."""
    groups: dict[Resource, dict[Any, list[Any]]] = {}
    for item in batch:
        groups.setdefault(item.resource, {}).setdefault(item.instrumentation_scope, []).append(item)
    return [item for scopes in groups.values() for items in scopes.values() for item in items]
