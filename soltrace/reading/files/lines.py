"""Turns the bytes of one file into complete lines, by offset. It polls: a shared file system sends no notifications.

A last line without its newline is still being written, and is kept until the rest has come. Memory stays bounded: a
file is read in chunks, and is opened anew for each of them, so that a thousand files need no thousand descriptors. What
was read is never read again, except for the first bytes, by which a file that began anew is known.
"""

import errno
import os
import stat as modes
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Final, TypeAlias

CHUNK: Final = 1 << 18
"""Bytes that are read at once: some thousand lines."""
MAX_LINE_BYTES: Final = 1 << 24
"""A longer line is not one of ours, which have some hundred bytes: it is skipped and not collected."""
HEAD: Final = 256
"""Bytes that tell a file from others: those of our logs hold the time of the first line, to the microsecond."""

SHORT_LOOKS_AT_MOST: Final = 50
"""Looks at a file that is shorter than what was read of it: some seconds, as long as a file server may be behind."""

Identity: TypeAlias = tuple[int, int]
"""Device and inode. They are not enough: a new file often gets the inode of one that was deleted."""


_KINDS: Final = {
    modes.S_IFIFO: "a FIFO",
    modes.S_IFSOCK: "a socket",
    modes.S_IFCHR: "a device",
    modes.S_IFBLK: "a device",
    modes.S_IFDIR: "a directory",
}


def open_log(path: Path) -> int:
    """Open a log for reading, and return its descriptor. It never waits: for a FIFO it would, until somebody writes.

    Raises:
        OSError: It cannot be read, or it is no regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        must_be_regular(os.fstat(descriptor))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def must_be_regular(stat: os.stat_result) -> None:
    """Refuse what is no regular file: it has no beginning to which one could come back.

    Raises:
        OSError: It says what it is instead.
    """
    if not modes.S_ISREG(stat.st_mode):
        kind = _KINDS.get(modes.S_IFMT(stat.st_mode), "no file")
        raise OSError(errno.EINVAL, f"it is {kind}")


class Change(Enum):
    """What has become of a file since it was last looked at."""

    NOTHING = "nothing"
    GROWN = "grown"
    ANEW = "anew"
    """It was truncated, or is another file by the same name."""
    GONE = "gone"


class Splitter:
    """Cuts a stream of bytes at its newlines, however it is chunked."""

    def __init__(self, longest: int = MAX_LINE_BYTES) -> None:
        self._longest = longest
        self._parts: list[bytes] = []
        self._length = 0

    def feed(self, chunk: bytes) -> list[bytes | None]:
        """Take in the next bytes.

        Returns:
            The lines that are complete now, without their newlines. None stands for one that was too long.
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
        """Take out what has come of the last line, which has no newline yet; None if that is too long already."""
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
    """Reads the lines that a growing file has gained since the last time.

    ```python
    reader = LineReader(Path("run.jsonl"))
    while True:
        for line in reader.read():
            print(line)
        time.sleep(1)
    ```

    Args:
        path: The file. It need not exist yet.
        before: What has read the same contents under another name: reading goes on where it stopped.
    """

    def __init__(self, path: Path, before: "LineReader | None" = None) -> None:
        self.path = path
        self.identity: Identity | None = None
        self.offset = 0
        self.size = 0
        """Its size when it was last looked at."""
        self.head = b""
        self.splitter = Splitter()
        self.anew = False
        """Whether reading has found that the name stands for another file than before."""
        self._written_ns = 0
        self._short_looks = 0
        if before is not None:
            self.offset, self.head, self.splitter = before.offset, before.head, before.splitter

    def look(self) -> Change:
        """Return what has become of the file, by one `stat`.

        Raises:
            OSError: The file cannot be looked at.
        """
        try:
            stat = os.stat(self.path)  # noqa: PTH116 - half the time of pathlib's, and this is what idle files cost
        except (FileNotFoundError, NotADirectoryError):
            return Change.NOTHING if self.identity is None else Change.GONE
        must_be_regular(stat)
        identity = (stat.st_dev, stat.st_ino)
        if self.identity is None:
            self.identity = identity
        if self.anew:
            return Change.ANEW
        if identity != self.identity:
            if not self._is_replaced_by_itself(stat):
                return Change.ANEW
            self.identity = identity
        if stat.st_size < self.offset:
            return self._shorter(stat.st_size)
        self._short_looks = 0
        self.size = stat.st_size
        written = stat.st_mtime_ns != self._written_ns
        self._written_ns = stat.st_mtime_ns
        # Also if it is as long as before: it may have been truncated, and have grown as long again since.
        return Change.GROWN if stat.st_size > self.offset or (written and self.head) else Change.NOTHING

    def _is_replaced_by_itself(self, stat: os.stat_result) -> bool:
        """Whether another file with the same contents was put in its place, as rsync does, and nothing is lost."""
        return len(self.head) >= HEAD and stat.st_size >= self.offset and self._begins_as_before(HEAD)

    def _shorter(self, size: int) -> Change:
        """Tell a file that was truncated from one whose size is an old one, as network file systems tell it.

        In the latter case what was read is not read again. A file that stays shorter was cut; what is written from
        there on is new.
        """
        if not size or not self._begins_as_before(size):
            return Change.ANEW
        self._short_looks += 1
        if self._short_looks > SHORT_LOOKS_AT_MOST:
            self.offset, self.splitter, self._short_looks = size, Splitter(), 0
        return Change.NOTHING

    def _begins_as_before(self, size: int) -> bool:
        try:
            descriptor = open_log(self.path)
        except FileNotFoundError:
            return False
        try:
            return bool(self.head) and os.pread(descriptor, HEAD, 0).startswith(self.head[:size])
        finally:
            os.close(descriptor)

    def restart(self) -> None:
        """Begin anew with whatever has this name now, or will have it."""
        self.identity, self.offset, self.size, self.head = None, 0, 0, b""
        self.splitter = Splitter()
        self.anew = False

    def read(self) -> Iterator[bytes | None]:
        """Yield the lines that are complete by now, of a file that began anew from its beginning.

        A file that is not there has none.

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
        """Yield the lines that are complete by now, those of one chunk at a time, up to the size that it has at first.

        It ends early where the file turns out to be another one; the next `look` says so.

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
        """Take out the last line, which has no newline. To be called when nobody will complete it any more."""
        return self.splitter.rest()

    def _chunk(self, size: int) -> tuple[bytes, int]:
        """Read on, and return the file's size too; nothing if the name stands for another file by now."""
        try:
            descriptor = open_log(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return b"", 0
        try:
            stat = os.fstat(descriptor)
            head = os.pread(descriptor, HEAD, 0)
            if (stat.st_dev, stat.st_ino) == self.identity and stat.st_size < self.offset:
                return b"", 0  # the next look says what that means
            if (stat.st_dev, stat.st_ino) != self.identity or not head.startswith(self.head):
                self.anew = True
                return b"", 0
            self.head = head
            return os.pread(descriptor, size, self.offset), stat.st_size
        finally:
            os.close(descriptor)
