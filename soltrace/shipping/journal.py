"""What of a log has been sent, on the disk beside it: a line for each batch that was acknowledged; the last one counts.

Whoever ships a log has its journal locked, so that no two do. A line is one write; half of one, after a power failure,
is as good as none.
"""

import errno
import fcntl
import os
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from soltrace.reading.files.compressed import SUFFIXES

ENDING: Final = ".shipped"
_LOG_BYTES: Final = 8
_UNLOCKABLE: Final = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})
"""What file systems say that know no locks."""


class Sent(Struct, frozen=True, kw_only=True):
    """How much of a log has been sent to one collector."""

    log: str
    """Stands for its first line, by which it is known under any name."""
    endpoint: str
    logs: int = 0
    """The number of the last line whose log record was sent."""
    traces: int = 0
    """The number of the last line whose span was sent."""
    metrics: int = 0
    """The number of the last line that is in the metrics which were sent."""
    abandoned: int = 0
    """The number of the last line when what was still open was said to be over; 0 if it was not."""


class BeingShippedError(Exception):
    """Somebody else is shipping that log."""


class Journal:
    """The journal of one log. Open it, and close it again.

    Args:
        path: The log.
        first_line: Its first line.
        endpoint: Where it is sent.
        directory: Where the journal is kept; None: beside the log.

    Raises:
        BeingShippedError: It is locked.
        OSError: It can't be written.
    """

    def __init__(self, path: Path, first_line: bytes, endpoint: str, directory: Path | None) -> None:
        log = blake2b(first_line, digest_size=_LOG_BYTES).hexdigest()
        self._descriptor = os.open(
            _place(path, log, directory), os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644
        )
        try:
            _lock(self._descriptor, path)
            self.sent, whole = _last(self._descriptor, Sent(log=log, endpoint=endpoint))
            if not whole:
                os.write(self._descriptor, b"\n")
        except BaseException:
            self.close()
            raise

    def note(self, sent: Sent) -> None:
        """Note what has been acknowledged. Once this returns it is on the disk."""
        os.write(self._descriptor, msgspec.json.encode(sent) + b"\n")
        os.fsync(self._descriptor)
        self.sent = sent

    def close(self) -> None:
        """Unlock and close it."""
        os.close(self._descriptor)


def _place(path: Path, log: str, directory: Path | None) -> Path:
    name = path.with_suffix("").name if path.suffix in SUFFIXES else path.name
    return path.with_name(name + ENDING) if directory is None else directory / f"{name}.{log}{ENDING}"


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BeingShippedError(f"{path} is being shipped already") from None
    except OSError as error:
        if error.errno not in _UNLOCKABLE:
            raise


def _last(descriptor: int, sent: Sent) -> tuple[Sent, bool]:
    """Read what was noted last, and whether the file ends with a whole line."""
    data = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    for line in data.split(b"\n"):
        with suppress(msgspec.MsgspecError):
            noted = msgspec.json.decode(line, type=Sent)
            if (noted.log, noted.endpoint) == (sent.log, sent.endpoint):
                sent = noted
    return sent, not data or data.endswith(b"\n")
