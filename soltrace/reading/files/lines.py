"""Bytes of one file into complete lines, by offset: polled, for a shared file system sends no notifications.

A last line without its newline is still being written: it is kept until the rest has come. Memory stays bounded: a file
is read in chunks, opened anew for each, so a thousand files need no thousand descriptors. What was read is never read
again, but for the first bytes, by which a file that began anew is known.
"""

import os
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Final, TypeAlias

CHUNK: Final = 1 << 18
"""Bytes read at once: some thousand lines."""
MAX_LINE_BYTES: Final = 1 << 24
"""A longer line is not one of ours (those have some hundred bytes): it is skipped, not collected."""
HEAD: Final = 256
"""Bytes that tell a file from others: of a log of ours they hold its first line's time, to the microsecond."""

Identity: TypeAlias = tuple[int, int]
"""Device and inode. Not enough by itself: a new file often gets the inode of one that was deleted."""


class Change(Enum):
    """What became of a file since the last look."""

    NOTHING = "nothing"
    GROWN = "grown"
    ANEW = "anew"
    """It was truncated, or is another file by the same name."""
    GONE = "gone"


class Splitter:
    """Cut a stream of bytes at its newlines, however the stream is chunked."""

    def __init__(self, longest: int = MAX_LINE_BYTES) -> None:
        self._longest = longest
        self._parts: list[bytes] = []
        self._length = 0

    def feed(self, chunk: bytes) -> list[bytes | None]:
        """Take the next bytes.

        Returns:
            The lines that are now complete, without their newline; None stands for one that was too long.
        """
        first, *others = chunk.split(b"\n")
        self._keep(first)
        if not others:
            return []
        lines: list[bytes | None] = [self._take(), *others]
        lines.pop()
        self._keep(others[-1])
        # Only a chunk that is longer itself may hold a line that is too long.
        if len(chunk) > self._longest:
            return [None if line is None or len(line) > self._longest else line for line in lines]
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


class LineReader:
    """Read the lines that a growing file has gained since the last time.

    Args:
        path: It need not exist yet.
        before: The same contents by another name, up to where they were read: reading goes on there.
    """

    def __init__(self, path: Path, before: "LineReader | None" = None) -> None:
        self.path = path
        self.identity: Identity | None = None
        self.offset = 0
        self.size = 0
        """When it was last looked at."""
        self.head = b""
        self.splitter = Splitter()
        self.anew = False
        """Whether reading has found that it is another file than before."""
        self._written_ns = 0
        if before is not None:
            self.offset, self.head, self.splitter = before.offset, before.head, before.splitter

    def look(self) -> Change:
        """Tell what became of the file, by one `stat`.

        Raises:
            OSError: It cannot be looked at.
        """
        try:
            stat = os.stat(self.path)  # noqa: PTH116 - half the time of pathlib's, and this is what idle files cost
        except (FileNotFoundError, NotADirectoryError):
            return Change.NOTHING if self.identity is None else Change.GONE
        identity = (stat.st_dev, stat.st_ino)
        if self.identity is None:
            self.identity = identity
        if self.anew or identity != self.identity or stat.st_size < self.offset:
            return Change.ANEW
        self.size = stat.st_size
        written = stat.st_mtime_ns != self._written_ns
        self._written_ns = stat.st_mtime_ns
        # Also if it is as long as before: it may have been truncated, and have grown as long again since.
        return Change.GROWN if stat.st_size > self.offset or (written and self.head) else Change.NOTHING

    def restart(self) -> None:
        """Begin at the beginning of whatever has this name now, or will have it."""
        self.identity, self.offset, self.size, self.head = None, 0, 0, b""
        self.splitter = Splitter()
        self.anew = False

    def read(self) -> Iterator[bytes | None]:
        """Yield the lines that are complete by now; of a file that began anew, from its beginning.

        A file that is not there (any more) has none.

        Raises:
            OSError: The file cannot be read.
        """
        change = self.look()
        if change is Change.ANEW:
            self.restart()
            change = self.look()
        if change is Change.GROWN:
            for lines in self.take():
                yield from lines

    def take(self, chunk: int = CHUNK) -> Iterator[list[bytes | None]]:
        """Yield the lines that are complete by now, of a chunk at a time. The end is the file's size at the first.

        It ends early where the file turns out to be another: the next `look` says so.

        Raises:
            OSError: The file cannot be read.
        """
        size = self.offset + chunk
        first = True
        while self.offset < size:
            found, size_now = self._chunk(min(chunk, size - self.offset))
            if not found:
                return
            if first:
                size, first = size_now, False
            self.offset += len(found)
            yield self.splitter.feed(found)

    def rest(self) -> bytes | None:
        """Take the last line, which has no newline; to be called when nobody waits for it any more."""
        return self.splitter.rest()

    def _chunk(self, size: int) -> tuple[bytes, int]:
        """Read on, and tell the file's size; nothing if the name stands for another file by now."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return b"", 0
        try:
            stat = os.fstat(descriptor)
            head = os.pread(descriptor, HEAD, 0)
            if (stat.st_dev, stat.st_ino) != self.identity or not head.startswith(self.head):
                self.anew = True
                return b"", 0
            self.head = head
            return os.pread(descriptor, size, self.offset), stat.st_size
        finally:
            os.close(descriptor)
