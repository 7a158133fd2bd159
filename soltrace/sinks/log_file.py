"""The file of a log: lines reach it whole, and it is begun anew where somebody takes it away.

Host side, on the thread of the log's writer. It knows nothing of records.
"""

import logging
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from soltrace.sinks import LinesLostError
from soltrace.wire.descriptors import above_standard
from soltrace.wire.log_names import part_name

LOOK_S: Final = 1.0
"""How often it is looked whether a log that is still there was moved."""
_LOG: Final = logging.getLogger("soltrace")


class LogFile:
    """A file that lines reach in one write: whoever reads along never sees half of one.

    It is what structlog calls a logger: `log_file.info(line)` writes a line. A file that is removed, moved or emptied
    while the program runs is begun anew; one that gets too long is followed by its next part. Each begins with a line
    that says whose it is.

    Not a buffered file, flushed now and then: a kill of the process loses nothing that was written.
    """

    _ACCESS = os.O_WRONLY

    def __init__(
        self,
        path: Path,
        *,
        bytes_at_most: int | None = None,
        introduce: Callable[[int], Sequence[bytes]] | None = None,
    ) -> None:
        """Create the file.

        Args:
            path: Where.
            bytes_at_most: A part of it that is longer is followed by the next one. None: there is one part.
            introduce: Makes the first lines of a part, whose number it is told. None: the first that was written.

        Raises:
            OSError: It exists, or can't be made.
        """
        self.path = self._first_path = path.absolute()  # the program may change its directory
        self.part = 1
        """How often it was begun."""
        self._bytes_at_most, self._introduce = bytes_at_most, introduce
        self._fd = self._open_first()
        self._file = _identity(os.fstat(self._fd))
        self._looked = time.monotonic()
        self._first = b""
        self._introduced: bool = True
        """Whether it says whose it is; at first, whoever writes says it."""
        self._begun = self._torn = False
        self._size = 0
        """Its length when it was looked at last, or written."""

    def _open_first(self) -> int:
        return self._open(self.path, os.O_EXCL)

    def _open(self, path: Path, flags: int = 0) -> int:
        flags |= self._ACCESS | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        return above_standard(os.open(path, flags, 0o644))

    def msg(self, line: bytes) -> None:
        """Write one line.

        Raises:
            OSError: It could not be written.
        """
        try:
            self.write([line])
        except LinesLostError as lost:
            raise lost.error from None

    debug = info = warning = error = msg

    def write(self, lines: Sequence[bytes]) -> None:
        """Write lines. After a failure halfway (a full disk), the next line begins on a line of its own.

        Raises:
            LinesLostError: The last of them could not be written; it says how many.
        """
        self._first = self._first or lines[0]
        try:
            self._prepare()
        except OSError as error:
            raise LinesLostError(len(lines), error) from error
        self._append(lines)

    def _prepare(self) -> None:
        """See to it that there is a file to write to, and that it has room."""
        if not self._is_there():
            self._begin_anew()
        elif self._is_full():
            self._go_on_in_the_next_part()

    def _is_full(self) -> bool:
        return self._bytes_at_most is not None and self._size >= self._bytes_at_most

    def _append(self, lines: Sequence[bytes]) -> None:
        own: list[bytes] = [] if self._introduced else self._introduction()
        whole = b"".join(line + b"\n" for line in (*own, *lines))
        data = b"\n" + whole if self._torn else whole
        written = 0
        try:
            while written < len(data):
                written += os.write(self._fd, memoryview(data)[written:])
        except OSError as error:
            done = data[: written + 1].count(b"\n") - self._torn  # its end comes in front of the next line
            self._begun = self._begun or done > 0
            # Else whoever began to write has not got to say whose it is.
            self._introduced = self._begun and (self._introduced or done >= len(own))
            raise LinesLostError(len(lines) - max(done - len(own), 0), error) from error
        finally:
            self._size += written
            if written:
                self._torn = data[written - 1] != ord("\n")
        self._introduced = self._begun = True

    def _introduction(self) -> list[bytes]:
        return [self._first] if self._introduce is None else list(self._introduce(self.part))

    def _is_there(self) -> bool:
        """Say whether a line would get where it is looked for: the file is not removed, and its descriptor is ours.

        Who becomes a daemon closes all descriptors, and what is opened next gets the same number.
        """
        try:
            found = os.fstat(self._fd)
        except OSError:
            return False
        if _identity(found) != self._file or not found.st_nlink:
            return False
        if found.st_size < self._size:  # logrotate has copied it, and made it empty
            self._continued()
        self._size = found.st_size
        if (now := time.monotonic()) - self._looked < LOOK_S:
            return True
        self._looked = now
        try:
            return _identity(self.path.stat()) == self._file
        except FileNotFoundError:
            return False
        except OSError:  # it can't be seen at the moment: that a line is lost is found out when it is written
            return True

    def _continued(self) -> None:
        """Note that what is written next is the beginning of a file."""
        self._torn = self._introduced = False
        self.part += 1

    def _begin_anew(self) -> None:
        """Open what is at the path now."""
        self.give_up_descriptor()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._use(self._open(self.path))
        if not self._size:
            _LOG.warning("soltrace: the log was removed or moved while it was written: begun anew: %s", self.path)
            self._continued()

    def _go_on_in_the_next_part(self) -> None:
        number = self.part
        while True:
            number += 1
            path = self._first_path.with_name(part_name(self._first_path.name, number))
            with suppress(FileExistsError):
                descriptor = self._open(path, os.O_EXCL)
                break
        self.give_up_descriptor()
        self._use(descriptor)
        self.path = path
        self._continued()
        self.part = number

    def _use(self, descriptor: int) -> None:
        self._fd = descriptor
        found = os.fstat(descriptor)
        self._file, self._size, self._torn = _identity(found), found.st_size, False
        self._looked = time.monotonic()

    def give_up_descriptor(self) -> None:
        """Close it, unless it is somebody else's by now."""
        with suppress(OSError):
            if _identity(os.fstat(self._fd)) == self._file:
                os.close(self._fd)
        self._fd = -1

    def sync(self) -> None:
        """Bring what was written to the disk, or to the file's server.

        Raises:
            OSError: It can't be brought there.
        """
        os.fsync(self._fd)

    def close(self) -> None:
        """Close the file."""
        self.give_up_descriptor()


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
