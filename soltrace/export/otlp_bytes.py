"""OTLP's protobuf by hand, byte for byte what OpenTelemetry's encoder makes: attributes, spans and log records.

Host side, on the thread that exports. That encoder makes two objects of each attribute, of which a pass has some fifty.
Here an attribute is some bytes that depend on its name and a length, and its value. `tests/export/test_lean.py` holds
both against each other.
"""

import struct
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from opentelemetry._logs import SeverityNumber
from opentelemetry.trace import SpanContext, Status, StatusCode

from soltrace.wire.varint import ONE_BYTE, varint

if TYPE_CHECKING:  # else it imports the SDK, which who replays a log does without
    from soltrace.export.lean import LeanLogRecord, LeanSpan

HEADS_AT_MOST: Final = 4096
"""Of a name and a length of a value each. soltrace's own names take some hundred; the others are the user's."""
OF_A_LOG_RECORD: Final = 6
"""The number of the field that holds the attributes of a log record."""
_KEY: Final = b"\x0a"
_VALUE: Final = b"\x12"
_TEXT: Final = b"\x0a"
_FLOAT: Final = b"\x21"
_UINT64: Final = 2**64 - 1
_REMOTE_KNOWN: Final = 0x100
_REMOTE: Final = 0x200
_SPAN_TIMES: Final = struct.Struct("<BQBQ").pack
_LINK_ENDS: Final = struct.Struct("<BI").pack
_FLAGS: Final = struct.Struct("<BBI").pack
_TIME: Final = struct.Struct("<BQ").pack
_LOG_FLAGS: Final = struct.Struct("<BI").pack
_DOUBLE: Final = struct.Struct("<d").pack
_INTS: Final[list[bytes]] = [b"\x18" + number for number in ONE_BYTE]
"""The integers of one byte, as values."""
_SMALL: Final = len(_INTS)


def span_bytes(span: "LeanSpan") -> bytes | None:
    """Encode a span; None if it has something that few have, which is for OpenTelemetry to encode.

    Raises:
        KeyError: An attribute is of a type that soltrace's own never are.
        UnicodeEncodeError: A text can't be encoded.
    """
    context, links = span.context, span.links
    if span.events or context.trace_state or not span.start_time or not span.end_time:
        return None
    if links and not (len(links) == 1 and span.keeps_links and _is_plain(links[0].context) and not links[0].attributes):
        return None
    attributes = span.attributes()
    if attributes is None:
        return None
    link = links[0].context if links else None
    return plain_span_bytes(
        context, span.parent, span.name, (span.start_time, span.end_time), attributes, b"", link, span.status
    )


def plain_span_bytes(
    context: SpanContext,
    parent: SpanContext | None,
    name: str,
    times: tuple[int, int],
    attributes: Mapping[str, Any],
    events: bytes,
    link: SpanContext | None,
    status: Status,
) -> bytes:
    """Encode a span.

    Args:
        context: Its ids.
        parent: Those of its parent, if it has one.
        name: Its name.
        times: When it began and ended, in nanoseconds since 1970.
        attributes: Its attributes.
        events: Its events, each by `event_bytes`.
        link: What it is linked to.
        status: How it ended.

    Raises:
        KeyError: An attribute is of a type that soltrace's own never are.
        UnicodeEncodeError: A text can't be encoded.
    """
    return b"".join(
        (
            b"\x0a\x10" + context.trace_id.to_bytes(16),
            b"\x12\x08" + context.span_id.to_bytes(8),
            b"" if parent is None else b"\x22\x08" + parent.span_id.to_bytes(8),
            _named(name),
            _SPAN_TIMES(0x39, times[0], 0x41, times[1]),
            attribute_bytes(9, attributes),
            events,
            b"" if link is None else _link(link),
            _status(status.status_code, status.description),
            _FLAGS(0x85, 0x01, _span_flags(parent)),
        )
    )


def event_bytes(time_ns: int, name: str, attributes: Mapping[str, Any]) -> bytes:
    """Encode an event as a field of its span.

    Raises:
        KeyError: An attribute is of a type that soltrace's own never are.
        UnicodeEncodeError: A text can't be encoded.
    """
    data = _TIME(0x09, time_ns) + _string(0x12, name) + attribute_bytes(3, attributes)
    return b"\x5a" + varint(len(data)) + data


def _is_plain(context: SpanContext) -> bool:
    return context.is_valid and not context.trace_state


@lru_cache(64)
def _named(name: str) -> bytes:
    """The name of a span, and that it is an internal one."""
    return _string(0x2A, name) + b"\x30\x01"


def _link(context: SpanContext) -> bytes:
    ids = b"\x0a\x10" + context.trace_id.to_bytes(16) + b"\x12\x08" + context.span_id.to_bytes(8)
    return b"\x6a\x21" + ids + _LINK_ENDS(0x35, _span_flags(context))


def _span_flags(context: SpanContext | None) -> int:
    """Whether a parent, or what is linked, is another process's."""
    return _REMOTE_KNOWN | _REMOTE if context is not None and context.is_remote else _REMOTE_KNOWN


def _status(code: StatusCode, description: str | None) -> bytes:
    said = b"" if not description else _string(0x12, description)
    data = said if code is StatusCode.UNSET else said + b"\x18" + varint(code.value)
    return b"\x7a" + varint(len(data)) + data


def log_record_bytes(record: "LeanLogRecord") -> bytes | None:
    """Encode a log record; None if it is for OpenTelemetry to encode, because of a limit.

    Raises:
        KeyError: An attribute is of a type that soltrace's own never are.
        UnicodeEncodeError: A text can't be encoded.
    """
    attributes = record.attributes()
    if attributes is None or not record.timestamp:
        return None
    severity = record.severity_number, record.severity_text
    times, context = (record.timestamp, record.observed), record.span.get_span_context()
    encoded = attribute_bytes(OF_A_LOG_RECORD, attributes)
    return plain_log_record_bytes(times, severity, record.body, encoded, context, record.event_name)


def plain_log_record_bytes(
    times: tuple[int, int],
    severity: tuple[SeverityNumber, str],
    body: str,
    attributes: bytes,
    context: SpanContext,
    event_name: str,
) -> bytes:
    """Encode a log record.

    Args:
        times: When it was made and when it was observed, in nanoseconds since 1970.
        severity: How severe it is.
        body: Its body.
        attributes: Its attributes, encoded as its field `OF_A_LOG_RECORD`.
        context: The ids of its span, which need not be valid.
        event_name: The name of the event that it is.

    Raises:
        UnicodeEncodeError: A text can't be encoded.
    """
    return b"".join(
        (
            _TIME(0x09, times[0]),
            _severity(*severity, body),
            attributes,
            _place(context.trace_flags, context.trace_id, context.span_id),
            _TIME(0x59, times[1]),
            _event_name(event_name),
        )
    )


@lru_cache(HEADS_AT_MOST)
def _place(flags: int, trace_id: int, span_id: int) -> bytes:
    """In which span it is: the same for all log records of a pass."""
    return b"".join(
        (
            _LOG_FLAGS(0x45, flags) if flags else b"",
            b"\x4a\x10" + trace_id.to_bytes(16) if trace_id else b"",
            b"\x52\x08" + span_id.to_bytes(8) if span_id else b"",
        )
    )


@lru_cache(256)
def _severity(number: SeverityNumber, text: str, body: str) -> bytes:
    """How severe it is, and its body."""
    value = _text(body)
    return b"\x10" + varint(number.value) + _string(0x1A, text) + b"\x2a" + varint(len(value)) + value


@lru_cache(64)
def _event_name(name: str) -> bytes:
    return _string(0x62, name)


def _string(tag: int, value: str) -> bytes:
    data = value.encode()
    return ONE_BYTE[tag] + varint(len(data)) + data


def message_of_scope(data: bytes) -> bytes:
    """Frame a span, or a log record, as the field of its scope."""
    return field_bytes(2, data)


def field_bytes(field: int, data: bytes) -> bytes:
    """Frame a message, or a text, as a field of the message that it is in; below 16."""
    return length_head(field, len(data)) + data


@lru_cache(HEADS_AT_MOST)
def length_head(field: int, size: int) -> bytes:
    """All of such a field in front of its data, which has that size."""
    return ONE_BYTE[field << 3 | 2] + varint(size)


def attribute_bytes(field: int, attributes: Mapping[str, Any]) -> bytes:
    """Encode attributes as a field of the message that has them.

    Args:
        field: The number of that field, below 16.
        attributes: The attributes, by name.

    Raises:
        KeyError: A value is of a type that soltrace's own attributes never are.
        UnicodeEncodeError: A text can't be encoded.
    """
    parts: list[bytes] = []
    add = parts.append
    for name, value in attributes.items():
        kind = type(value)  # pyright: ignore[reportUnknownVariableType] - of anything
        if kind is str:  # as most are: what is in front of the text depends on how long that is
            data = value.encode()
            add(_text_head(field, name, len(data)))
        elif kind is float:
            data = _DOUBLE(value)
            add(_float_head(field, name))
        elif kind is int and 0 <= value < _SMALL:  # as most are
            data = _INTS[value]  # pyright: ignore[reportUnknownVariableType] - an int
            add(_head(field, name, 2))
        else:
            data = _ENCODERS[kind](value)
            add(_head(field, name, len(data)))
        add(data)  # pyright: ignore[reportUnknownArgumentType]
    return b"".join(parts)


@lru_cache(HEADS_AT_MOST)
def _text_head(field: int, name: str, size: int) -> bytes:
    """All of a `KeyValue` in front of a text of that size."""
    text = _TEXT + varint(size)
    return _head(field, name, len(text) + size) + text


@lru_cache(HEADS_AT_MOST)
def _float_head(field: int, name: str) -> bytes:
    """All of a `KeyValue` in front of a float."""
    return _head(field, name, len(_FLOAT) + 8) + _FLOAT


@lru_cache(HEADS_AT_MOST)
def _head(field: int, name: str, size: int) -> bytes:
    """All of a `KeyValue` in front of a value of that size."""
    key = name.encode()
    inner = _KEY + varint(len(key)) + key + _VALUE + varint(size)
    return varint(field << 3 | 2) + varint(len(inner) + size) + inner


def _text(value: str) -> bytes:
    data = value.encode()
    return _TEXT + varint(len(data)) + data


def _bool(value: bool) -> bytes:  # noqa: FBT001 - it is what there is to encode
    return b"\x10\x01" if value else b"\x10\x00"


def _int(value: int) -> bytes:
    return b"\x18" + varint(value & _UINT64)


def _float(value: float) -> bytes:
    return _FLOAT + _DOUBLE(value)


def _list(values: list[Any]) -> bytes:
    items = [_ENCODERS[type(value)](value) for value in values]
    data = b"".join(b"\x0a" + varint(len(item)) + item for item in items)
    return b"\x2a" + varint(len(data)) + data


_ENCODERS: Final[Mapping[type, Callable[[Any], bytes]]] = {
    str: _text,
    bool: _bool,
    int: _int,
    float: _float,
    list: _list,
    tuple: _list,
}
"""What makes an `AnyValue` of a value, by its type: a class derived from one of these may mean something else."""
