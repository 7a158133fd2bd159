"""A batch as the body of a request of OTLP: protobuf by hand."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from soltrace.export.otlp_bytes import (
    OF_A_LOG_RECORD,
    attribute_bytes,
    event_bytes,
    field_bytes,
    length_head,
    plain_log_record_bytes,
    plain_span_bytes,
)
from soltrace.shipping.items import ReplayedRecord, RunId
from soltrace.shipping.replayed_span import ReplayedSpan
from soltrace.sinks.log_records import SEVERITY
from soltrace.wire.names import SCOPE
from soltrace.wire.records import Attribute

OfRuns: TypeAlias = Mapping[RunId, Sequence[bytes]]
"""Encoded spans or log records, by their run."""
PARTIAL_SUCCESS: Final = 0x0A
"""The tag of what a response says of items that were refused."""
_REJECTED: Final = 0x08


def request_body(
    items: OfRuns, resource: Callable[[RunId], Mapping[str, Attribute]], version: Callable[[RunId], str]
) -> bytes:
    """Make the body of a request.

    Args:
        items: Encoded spans or log records, of one kind.
        resource: Returns the attributes of a run's resource.
        version: Returns the version of soltrace that a run had.
    """
    parts: list[bytes] = []
    for run, found in items.items():
        # Joined once, at the end: a batch has megabytes.
        scoped = [_scope(version(run)), *(part for item in found for part in (length_head(2, len(item)), item))]
        scoped.insert(0, length_head(2, sum(map(len, scoped))))
        scoped.insert(0, field_bytes(1, attribute_bytes(1, resource(run))))
        parts += [length_head(1, sum(map(len, scoped))), *scoped]
    return b"".join(parts)


def _scope(version: str) -> bytes:
    return field_bytes(1, field_bytes(1, SCOPE.encode()) + (field_bytes(2, version.encode()) if version else b""))


def log_record_message(item: ReplayedRecord) -> bytes:
    """Encode a log record. It was observed when it was made: another time would make it another one."""
    record = item.record
    event = str(record.__struct_config__.tag)
    text, number = SEVERITY[record.level]
    times = record.time_ns, record.time_ns
    attributes = attribute_bytes(OF_A_LOG_RECORD, item.own)
    if item.common is not None:
        attributes = item.common.encoded + attributes
    return plain_log_record_bytes(times, (number, text), event, attributes, item.context, event)


def span_message(span: ReplayedSpan) -> bytes:
    """Encode a span that has ended."""
    return plain_span_bytes(
        span.context,
        span.parent,
        span.name,
        (span.start_time, span.end_time),
        span.attributes,
        b"".join(event_bytes(*event) for event in span.events),
        span.links[0].context if span.links else None,
        span.status,
    )


def rejected(response: bytes) -> int:
    """Return how many items a collector says that it has refused for good, in its response to a request."""
    if response[:1] != bytes((PARTIAL_SUCCESS,)):
        return 0
    _, at = _varint(response, 1)
    if response[at : at + 1] != bytes((_REJECTED,)):
        return 0
    return _varint(response, at + 1)[0]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Read a number, and return it with where it ends."""
    number = shift = 0
    while at < len(data):
        number |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if not data[at - 1] & 0x80:
            break
    return number, at
