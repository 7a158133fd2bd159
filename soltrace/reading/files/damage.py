"""Recovers the records on a line that is none: behind zeros that a crash has left, or behind one that is torn."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from soltrace.reading.parse import Parsed, Rejected, parse

_BEGINNINGS_AT_MOST: Final = 64
"""Places on a torn line at which a record may begin: so many braces has what was written of the torn one."""


class Recovered(NamedTuple):
    """What was found on a line."""

    records: list[tuple[Parsed, bytes]]
    """Each with its bytes."""
    lost: Rejected | None
    """What the rest of the line is, if there is any."""


def recover(line: bytes, rejected: Rejected) -> Recovered:
    """Find the records on a line.

    Args:
        line: It is no record as a whole.
        rejected: What it is then, if there is none on it.
    """
    records = [found for part in line.split(b"\0") if part for found in _records_in(part)]
    if not records:
        return Recovered([], rejected)
    if b"\0" in line:
        return Recovered(records, Rejected("with NUL bytes"))
    return Recovered(records, Rejected("torn") if len(line) > sum(len(raw) for _, raw in records) else None)


def _records_in(part: bytes) -> Iterator[tuple[Parsed, bytes]]:
    """Find the records that stand on a line one after the other, whoever wrote them: a torn one has no end."""
    if not isinstance(record := parse(part), Rejected):
        yield record, part
        return
    begin = 0
    for _ in range(_BEGINNINGS_AT_MOST):
        begin = part.find(b"{", begin + 1)
        if begin < 0:
            return
        rest = part[begin:]
        if not isinstance(record := parse(rest), Rejected):
            before = part[:begin].rstrip()
            if before and not isinstance(first := parse(before), Rejected):
                yield first, before
            yield record, rest
            return
