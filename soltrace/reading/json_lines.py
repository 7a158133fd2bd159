"""Passes lines on as they stand in the log, for `jq` and other programs."""

from collections.abc import Iterable
from typing import BinaryIO

from soltrace.reading.files.source import LogEntry
from soltrace.reading.text import printable_json


class JsonView:
    """Writes lines byte for byte as they are.

    Args:
        out: Where the lines go.
        terminal: Whether that is a terminal. Then characters that it would obey are written as JSON's own escapes.
    """

    def __init__(self, out: BinaryIO, *, terminal: bool) -> None:
        self._out = out
        self._terminal = terminal

    def feed(self, entries: Iterable[LogEntry]) -> None:
        """Write a line for each entry."""
        lines = [self._line(entry.raw) for entry in entries]
        if lines:
            self._out.write(b"".join(lines))
            self._out.flush()

    def _line(self, raw: bytes) -> bytes:
        return (printable_json(raw.decode()).encode() if self._terminal else raw) + b"\n"
