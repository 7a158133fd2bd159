"""Numbers as protobuf writes them, in as few bytes as they need: for OTLP, and for the files of other tools.

Any side, any thread.
"""

from typing import Final

_MORE: Final = 0x80
"""Set in a byte after which there are more."""
ONE_BYTE: Final = [bytes((number,)) for number in range(_MORE)]
"""The numbers of one byte."""


def varint(number: int) -> bytes:
    """Encode a number that is not negative."""
    if number < _MORE:
        return ONE_BYTE[number]
    if number < _MORE * _MORE:
        return bytes((number & (_MORE - 1) | _MORE, number >> 7))
    data = bytearray()
    while number >= _MORE:
        data.append(number & (_MORE - 1) | _MORE)
        number >>= 7
    data.append(number)
    return bytes(data)
