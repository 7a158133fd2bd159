"""Attributes as OTLP writes them in protobuf, byte for byte what OpenTelemetry's encoder makes of them.

Host side, on the thread that exports. That encoder makes two objects of each attribute: 2 us, of which a pass has
fifty. Here it is some bytes that depend on the name alone, and the value: a fifth of that.
"""

import struct
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

HEADS_AT_MOST: Final = 4096
"""Of a name and a length of a value each. soltrace's own names take some hundred; the others are the user's."""
_KEY: Final = b"\x0a"
_VALUE: Final = b"\x12"
_TEXT: Final = b"\x0a"
_FLOAT: Final = b"\x21"
_UINT64: Final = 2**64 - 1
_DOUBLE: Final = struct.Struct("<d").pack
_MORE: Final = 0x80
"""Set in a byte of a number after which there are more; from here on a number takes several."""
_VARINTS: Final = [bytes((number,)) for number in range(_MORE)]


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
        else:
            data = _ENCODERS[kind](value)
            add(_head(field, name, len(data)))
        add(data)
    return b"".join(parts)


@lru_cache(HEADS_AT_MOST)
def _text_head(field: int, name: str, size: int) -> bytes:
    """All of a `KeyValue` in front of a text of that size."""
    text = _TEXT + _varint(size)
    return _head(field, name, len(text) + size) + text


@lru_cache(HEADS_AT_MOST)
def _float_head(field: int, name: str) -> bytes:
    """All of a `KeyValue` in front of a float."""
    return _head(field, name, len(_FLOAT) + 8) + _FLOAT


@lru_cache(HEADS_AT_MOST)
def _head(field: int, name: str, size: int) -> bytes:
    """All of a `KeyValue` in front of a value of that size."""
    key = name.encode()
    inner = _KEY + _varint(len(key)) + key + _VALUE + _varint(size)
    return _varint(field << 3 | 2) + _varint(len(inner) + size) + inner


def _varint(number: int) -> bytes:
    if number < _MORE:
        return _VARINTS[number]
    data = bytearray()
    while number >= _MORE:
        data.append(number & (_MORE - 1) | _MORE)
        number >>= 7
    data.append(number)
    return bytes(data)


def _text(value: str) -> bytes:
    data = value.encode()
    return _TEXT + _varint(len(data)) + data


def _bool(value: bool) -> bytes:  # noqa: FBT001 - it is what there is to encode
    return b"\x10\x01" if value else b"\x10\x00"


def _int(value: int) -> bytes:
    return b"\x18" + _varint(value & _UINT64)


def _float(value: float) -> bytes:
    return _FLOAT + _DOUBLE(value)


def _list(values: list[Any]) -> bytes:
    items = [_ENCODERS[type(value)](value) for value in values]
    data = b"".join(b"\x0a" + _varint(len(item)) + item for item in items)
    return b"\x2a" + _varint(len(data)) + data


_ENCODERS: Final[Mapping[type, Callable[[Any], bytes]]] = {
    str: _text,
    bool: _bool,
    int: _int,
    float: _float,
    list: _list,
    tuple: _list,
}
"""What makes an `AnyValue` of a value, by its type: a class derived from one of these may mean something else."""
