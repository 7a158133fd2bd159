"""Tells lines that damage has made once more: garbage within what is compressed has earlier text repeated.

Deflate and zstd write a text that comes again as how far before it stands. With other bytes in between, it is another
one that comes again: whole lines of it, which are records, and were sent.
"""

from collections import OrderedDict
from typing import Final

REACH: Final = 1 << 23
"""So many bytes before a text what it repeats may stand: 32 KiB in gzip, and in zstd as a rule no more than this."""


class Repeats:
    """The last lines of a log."""

    def __init__(self) -> None:
        # Not a dict, in which the first one is searched for from where all those were that are gone.
        self._lines: OrderedDict[bytes, int] = OrderedDict()
        """Where each of them ends."""
        self._end = 0

    def has(self, line: bytes) -> bool:
        """Take in the next line, and say whether it has been there before."""
        self._end += len(line)
        repeated = self._lines.pop(line, None) is not None
        self._lines[line] = self._end
        while self._end - self._lines[first := next(iter(self._lines))] > REACH:
            del self._lines[first]
        return repeated
