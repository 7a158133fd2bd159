"""Protobuf's wire format by hand, as far as other tools' files need it: fields of messages, as bytes.

Not the package `protobuf`: it would need the tools' own definitions, some megabytes, for a dozen fields.
"""

import struct
from functools import cache
from typing import Final

from soltrace.wire.varint import varint

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # how a field is written
_UINT64: Final = (1 << 64) - 1


def int_field(number: int, value: int) -> bytes:
    """Encode a field of one of the types int32, int64, uint32, uint64, bool or an enumeration."""
    return _key(number, _VARINT) + varint(value & _UINT64)


def fixed64_field(number: int, value: int) -> bytes:
    """Encode a field of the type fixed64."""
    return _key(number, _FIXED64) + struct.pack("<Q", value)


def double_field(number: int, value: float) -> bytes:
    """Encode a field of the type double."""
    return _key(number, _FIXED64) + struct.pack("<d", value)


def float_field(number: int, value: float) -> bytes:
    """Encode a field of the type float. What is too large for one becomes infinite."""
    try:
        data = struct.pack("<f", value)
    except OverflowError:
        data = struct.pack("<f", float("inf") if value > 0 else float("-inf"))
    return _key(number, _FIXED32) + data


def text_field(number: int, value: str) -> bytes:
    """Encode a field of the type string."""
    return message_field(number, value.encode("utf-8", "replace"))


def message_field(number: int, data: bytes) -> bytes:
    """Encode a field that holds a message, or bytes."""
    return _key(number, _BYTES) + varint(len(data)) + data


@cache
def _key(number: int, kind: int) -> bytes:
    return varint(number << 3 | kind)
