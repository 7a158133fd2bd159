"""The file of a node: all its processes write to it, and none of them is needed by the others.

Host side, on the thread of the log's writer. There is no process that writes for the others, and so none whose death
loses what they had to say. Each appends whole lines in one write, which the kernel does not mix with those of others on
the same machine, also on a network file system. A lock keeps them in turn where a write is done in parts, and lets the
next one see that the one before was killed in the midst of a line.
"""

import errno
import fcntl
import math
import os
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from soltrace.sinks import LinesLostError
from soltrace.sinks.log_file import LogFile
from soltrace.wire.log_names import part_name

LOCK_WITHIN_S: Final = 1.0
"""Then it is written without: who holds the lock may have been stopped."""
WITHOUT_S: Final = 10.0
"""So long it is not asked for again then."""
_AGAIN_S: Final = 0.001
_TAKEN: Final = frozenset({errno.EACCES, errno.EAGAIN, errno.EINTR})
_NEWLINE: Final = b"\n"


class NodeFile(LogFile):
    """A file that others write to as well. It is made if it is not there.

    Which part is written to needs no agreement: it is the first that has room.
    """

    _ACCESS = os.O_RDWR

    def __init__(
        self,
        path: Path,
        *,
        bytes_at_most: int | None = None,
        introduce: Callable[[int], Sequence[bytes]] | None = None,
    ) -> None:
        """Open the file, as `LogFile` does."""
        self._number, self._without_until = 1, -math.inf
        super().__init__(path, bytes_at_most=bytes_at_most, introduce=introduce)
        self._size = os.fstat(self._fd).st_size
        if self._is_full():
            self._go_on_in_the_next_part()
            self.part, self._introduced = 1, True  # whoever begins introduces itself

    def _open_first(self) -> int:
        return self._open(self.path)

    def _go_on_in_the_next_part(self) -> None:
        part = self.part
        while self._is_full():
            self._number += 1
            path = self._first_path.with_name(part_name(self._first_path.name, self._number))
            descriptor = self._open(path)
            self.give_up_descriptor()
            self._use(descriptor)
            self.path = path
        self._continued()
        self.part = part + 1

    def _append(self, lines: Sequence[bytes]) -> None:
        with self._in_turn():
            try:
                self._size = os.fstat(self._fd).st_size
                self._torn = self._ends_torn()
            except OSError as error:
                raise LinesLostError(len(lines), error) from error
            full = self._is_full()
            if not full:
                super()._append(lines)
        if full:  # others have filled it meanwhile; nothing is written to a part that is full
            try:
                self._go_on_in_the_next_part()
            except OSError as error:
                raise LinesLostError(len(lines), error) from error
            self._append(lines)

    def _ends_torn(self) -> bool:
        """Whether the last line has no end: a disk was full, or a process was killed while it wrote."""
        return self._size > 0 and os.pread(self._fd, 1, self._size - 1) != _NEWLINE

    def _begin_anew(self) -> None:
        super()._begin_anew()
        if self._introduced:  # another has begun it
            self._continued()

    @contextmanager
    def _in_turn(self) -> Generator[None]:
        locked = False
        if time.monotonic() >= self._without_until:
            with suppress(OSError):  # a file system without locks: a write is in one piece all the same
                locked = self._lock(time.monotonic() + LOCK_WITHIN_S)
        try:
            yield
        finally:
            if locked:
                with suppress(OSError):
                    fcntl.lockf(self._fd, fcntl.LOCK_UN)

    def _lock(self, deadline: float) -> bool:
        # Not `flock`: the child of a fork would hold it on after its parent was killed.
        while True:
            try:
                fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in _TAKEN:
                    raise
                if time.monotonic() >= deadline:
                    self._without_until = deadline + WITHOUT_S
                    return False
                time.sleep(_AGAIN_S)
            else:
                return True
