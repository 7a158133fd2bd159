"""Ids of traces and spans that are made of what is unique, and not at random: whoever makes them again gets the same.

Any side. For spans that nobody records, and for the trace that the processes of a job share without being told of it.
"""

from hashlib import blake2b
from typing import Final

_SEPARATOR: Final = "\0"


def derived_trace_id(*parts: str) -> int:
    """Return the id of the trace that begins with what these name together."""
    return _number("trace", parts, 16)


def derived_span_id(*parts: str) -> int:
    """Return the id of the span of what these name together."""
    return _number("span", parts, 8)


def _number(kind: str, parts: tuple[str, ...], size: int) -> int:
    """Return a number that is not zero: zero is no id."""
    data = _SEPARATOR.join((kind, *parts)).encode()
    return int.from_bytes(blake2b(data, digest_size=size).digest()) or 1
