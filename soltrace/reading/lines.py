"""Bytes of one file into complete lines, by offset: polled, for a shared file system sends no notifications.

A last line without its newline is still being written: it is kept until the rest has come. Memory stays bounded: a file
is read in chunks, opened anew for each, so a thousand files need no thousand descriptors.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

CHUNK: Final = 1 << 18
"""Bytes read at once: some thousand lines."""
LONGEST: Final = 1 << 24
"""A longer line is not one of ours (those have some hundred bytes): it is skipped, not collected."""


class Splitter:
    """Cut a stream of bytes at its newlines, however the stream is chunked."""

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest = longest
        self._parts: list[bytes] = []
        self._length = 0

    def feed(self, chunk: bytes) -> list[bytes | None]:
        """Take the next bytes.

        Returns:
            The lines that are now complete, without their newline; None stands for one that was too long.
        """
        *complete, rest = chunk.split(b"\n")
        lines: list[bytes | None] = []
        for piece in complete:
            self._keep(piece)
            lines.append(self._take())
        self._keep(rest)
        return lines

    def rest(self) -> bytes | None:
        """Take what has come of the last line, which has no newline yet; None if that is too long already."""
        return self._take()

    def _keep(self, piece: bytes) -> None:
        self._length += len(piece)
        if self._length > self._longest:
            self._parts.clear()
        elif piece:
            self._parts.append(piece)

    def _take(self) -> bytes | None:
        line = None if self._length > self._longest else b"".join(self._parts)
        self._parts.clear()
        self._length = 0
        return line


class LineFile:
    """Read the lines that a growing file has gained since the last time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._splitter = Splitter()
        self._offset = 0
        self._identity: tuple[int, int] | None = None

    def read(self) -> Iterator[bytes | None]:
        """Yield the lines that are complete by now. The end is the file's size at the first one.

        A file that is not there (any more) has none; one that was replaced or has shrunk is read from its beginning.

        Raises:
            OSError: The file cannot be read.
        """
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            return
        identity = (stat.st_dev, stat.st_ino)
        if identity != self._identity or stat.st_size < self._offset:
            self._identity = identity
            self._offset = 0
            self._splitter = Splitter()
        while self._offset < stat.st_size:
            chunk = self._chunk(min(CHUNK, stat.st_size - self._offset))
            if not chunk:
                return
            self._offset += len(chunk)
            yield from self._splitter.feed(chunk)

    def rest(self) -> bytes | None:
        """Take the last line, which has no newline; to be called when nobody waits for it any more."""
        return self._splitter.rest()

    def _chunk(self, size: int) -> bytes:
        try:
            with self.path.open("rb", buffering=0) as file:
                file.seek(self._offset)
                return file.read(size)
        except FileNotFoundError:
            return b""
