"""Exporters for OTLP that take lean spans and log records among others, which are encoded by OpenTelemetry as ever.

Host side, on the thread that exports. What is lean is encoded by hand (`otlp_bytes`), and put where OpenTelemetry would
have put it.
"""

import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from soltrace.export.lean import Lean
from soltrace.export.otlp_bytes import log_record_bytes, message_of_scope, span_bytes


@dataclass(frozen=True)
class _Signal:
    """How spans or log records are found in a request, and how a lean one is encoded."""

    scopes: Callable[[Any], Iterable[Any]]
    """Returns what a request has of each resource and scope, in its order."""
    items: str
    """The name of the field in which that has the spans, or the log records."""
    encode: Callable[[Any], bytes | None]
    """Encodes a lean one; None if it is not one of the usual ones."""


def _of_spans(request: Any) -> Iterator[Any]:
    return (scoped for resource in request.resource_spans for scoped in resource.scope_spans)


def _of_logs(request: Any) -> Iterator[Any]:
    return (scoped for resource in request.resource_logs for scoped in resource.scope_logs)


_SIGNALS: Final[Mapping[str, _Signal]] = {
    "encode_spans": _Signal(_of_spans, "spans", span_bytes),
    "encode_logs": _Signal(_of_logs, "log_records", log_record_bytes),
}
"""By the name of OpenTelemetry's function that encodes a batch."""


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
        if not isinstance(function, types.FunctionType) or function.__closure__:
            continue
        known = function.__globals__
        for name in _SIGNALS.keys() & {*function.__code__.co_names} & known.keys():
            encode = _encoder(known[name], _SIGNALS[name])
            own = types.FunctionType(function.__code__, known | {name: encode}, method, function.__defaults__)
            own.__kwdefaults__ = function.__kwdefaults__
            return _derived(kind, {"__module__": kind.__module__, "__doc__": kind.__doc__, method: own})
    return kind


def _derived(kind: type, namespace: Mapping[str, Any]) -> type:
    return types.new_class(kind.__name__, (kind, TakesLean), exec_body=lambda body: body.update(namespace))


def _encoder(encode: Callable[[Sequence[Any]], Any], signal: _Signal) -> Callable[[Sequence[Any]], Any]:
    """Make what encodes batches out of what encodes those that have nothing lean in them."""

    def encode_any(batch: Sequence[Any]) -> Any:
        try:
            return encode_lean(batch)
        except Exception:  # noqa: BLE001 - whatever OpenTelemetry has changed: nothing is to be lost by that
            return encode([_whole(item) for item in batch])

    def encode_lean(batch: Sequence[Any]) -> Any:
        groups = _in_the_requests_order(batch)
        lean = [any(isinstance(item, Lean) for item in group) for group in groups]
        # Of a group with lean ones only the first, for its resource and scope: the others are put in afterwards.
        asked = [group[:1] if is_lean else group for group, is_lean in zip(groups, lean, strict=True)]
        request = encode([_whole(item) for group in asked for item in group])
        for group, is_lean, scoped in zip(groups, lean, signal.scopes(request), strict=True):
            if is_lean:
                scoped.ClearField(signal.items)
                scoped.MergeFromString(b"".join(map(message_of_scope, _messages(group))))
        return request

    def _messages(group: Sequence[Any]) -> Iterator[bytes]:
        encoded = [_by_hand(item) for item in group]
        others = [_whole(item) for item, data in zip(group, encoded, strict=True) if data is None]
        left = iter(getattr(next(iter(signal.scopes(encode(others)))), signal.items) if others else ())
        return (next(left).SerializeToString() if data is None else data for data in encoded)

    def _by_hand(item: Any) -> bytes | None:
        try:
            return signal.encode(item) if isinstance(item, Lean) else None
        except (KeyError, UnicodeEncodeError):  # OpenTelemetry leaves out what it can't encode, and says so
            return None

    return encode_any


def _whole(item: Any) -> Any:
    return item.whole() if isinstance(item, Lean) else item


def _in_the_requests_order(batch: Sequence[Any]) -> list[list[Any]]:
    """Group a batch as a request does: by resource, and within that by scope, in which they come first."""
    groups: dict[Any, dict[Any, list[Any]]] = {}
    resource, scope, group = None, None, list[Any]()
    for item in batch:
        if item.resource is not resource or item.instrumentation_scope is not scope:  # as those of one tracer never are
            resource, scope = item.resource, item.instrumentation_scope
            group = groups.setdefault(resource, {}).setdefault(scope, [])
        group.append(item)
    return [items for scopes in groups.values() for items in scopes.values()]
