"""Writes TensorBoard's event files: records with checksums, each the protobuf of an event.

The framing is TFRecord's: length, masked CRC-32C of the length, data, masked CRC-32C of the data. Not TensorFlow, nor a
package that writes such files for a training loop: those take the time of writing for the time of the event.
"""

import struct
from functools import cache
from typing import BinaryIO, Final

from soltrace.report.pictures.protobuf import double_field, float_field, int_field, message_field, text_field

_POLYNOMIAL: Final = 0x82F63B78
"""Castagnoli's, reflected: RFC 3720, B.4."""
_MASK: Final = 0xA282EAD8
_UINT32: Final = 0xFFFFFFFF


class EventFile:
    """An event file that is being written.

    Args:
        file: Where to.
        at_s: When it begins, in seconds since 1970.
    """

    def __init__(self, file: BinaryIO, at_s: float) -> None:
        self._file = file
        self._record(double_field(1, at_s) + text_field(3, "brain.Event:2"))

    def scalar(self, tag: str, at_s: float, step: int, value: float) -> None:
        """Write a point of the curve that is called `tag`."""
        summary = message_field(1, text_field(1, tag) + float_field(2, value))
        self._record(double_field(1, at_s) + int_field(2, step) + message_field(5, summary))

    def _record(self, data: bytes) -> None:
        length = struct.pack("<Q", len(data))
        self._file.write(length + masked_crc32c(length) + data + masked_crc32c(data))


def masked_crc32c(data: bytes) -> bytes:
    """Return the checksum of some bytes as TFRecord has it."""
    table, crc = _table(), _UINT32
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= _UINT32
    return struct.pack("<I", ((crc >> 15 | crc << 17) + _MASK) & _UINT32)


@cache
def _table() -> list[int]:
    table = list[int]()
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return table
