"""Skips lines that nobody asked for without decoding them, by their first fields, which stand in a known order."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Final

from soltrace.reading.files.source import Skip

_BEGINS: Final = b'{"timestamp":"'
_TIME: Final = slice(14, 41)
_KIND: Final = slice(40, 90)
"""Where our lines have their level and event. What follows is the same in all lines of a kind."""
_EVENT: Final = re.compile(rb'Z","level":"[a-z]+","event":"([a-z._]+)",').match
_ENDS: Final = ord("}")
_ALWAYS: Final = b""
_NEVER: Final = b"\xff"
_MOST_KINDS: Final = 1000
"""A hostile file may have as many kinds as it has lines."""


def prefilter(events: Sequence[str] = (), since: datetime | None = None) -> Skip | None:
    """Make a function that tells by the bytes of a line that nobody asked for it.

    A line that is written in any other way than ours is never skipped. Nor is one with a second beginning in it, where
    a torn line is followed by a whole one.

    Args:
        events: Wire names, with wildcards; none for all.
        since: The earliest time.

    Returns:
        The function; None if every line was asked for.
    """
    if not events and since is None:
        return None
    kinds: dict[bytes, bytes] = {}
    """The time from which on the lines of each kind are asked for."""
    earliest = b"" if since is None else _written(since)

    def skip(line: bytes) -> bool:
        # Not a regular expression, which takes twice as long: this is all that is done for most lines.
        least = kinds.get(line[_KIND])
        if least is None:
            least = judge(line[_KIND])
        # The last beginning is the first.
        return line[_TIME] < least and line[-1] == _ENDS and line.rfind(_BEGINS) == 0

    def judge(kind: bytes) -> bytes:
        head = _EVENT(kind)
        if head is None:
            least = _ALWAYS
        elif events and not any(fnmatchcase(head[1].decode(), pattern) for pattern in events):
            least = _NEVER
        else:
            least = earliest
        if len(kinds) < _MOST_KINDS:
            kinds[kind] = least
        return least

    return skip


def _written(time: datetime) -> bytes:
    """Write a time as our lines have it. Not by `%Y`, which gives the year 999 three digits."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z").encode()
