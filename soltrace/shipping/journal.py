"""What of a log has been sent, on the disk beside it: a line for each batch that was acknowledged; the last one counts.

A journal is called by what is in the log, so that it is found when that was renamed, copied or compressed. Each note
says what the last line was, so that a log that was cut since, and written on, is not taken for sent up to there.
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
from msgspec import Struct, structs

from soltrace.reading.files.compressed import SUFFIXES
from soltrace.reading.files.source import LogEntry
from soltrace.wire.records import LogOpened

_DIRECTORY: Final = ".shipped"
_ENDING: Final = ".journal"
_KEY_BYTES: Final = 16
_MARK_BYTES: Final = 8
MARKS_AT_MOST: Final = 1024
"""Lines that are known by heart: of the older half every second one goes when there are more, again and again.

A log that is followed for days has a batch each second. One that was cut lacks the last ones.
"""
_UNLOCKABLE: Final = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})
"""What file systems say that know no locks."""


class Sent(Struct, frozen=True, kw_only=True):
    """How much of a log has been sent to one collector."""

    log: str
    """Stands for its first line, by which it is known."""
    endpoint: str
    logs: int = 0
    """The number of the last line whose log record was sent."""
    traces: int = 0
    """The number of the last line whose span was sent."""
    metrics: int = 0
    """The number of the last line that is in the metrics which were sent."""
    abandoned: int = 0
    """The number of the last line when what was still open was said to be over; 0 if it was not."""
    marked: int = 0
    """The number of the last line that was read by then."""
    mark: str = ""
    """Stands for that line."""
    cut: bool = False
    """Whether the log has turned out to be another one from there on: what was noted of later lines is void."""

    @property
    def farthest(self) -> int:
        """The number of the last line of which anything was sent."""
        return max(self.logs, self.traces, self.metrics)

    def back_to(self, marked: int, mark: str) -> "Sent":
        """Return what was sent of a log that has become another one behind a line."""
        return structs.replace(
            self,
            logs=min(self.logs, marked),
            traces=min(self.traces, marked),
            metrics=min(self.metrics, marked),
            abandoned=self.abandoned if self.abandoned <= marked else 0,
            marked=marked,
            mark=mark,
            cut=True,
        )


class BeingShippedError(Exception):
    """Somebody else is shipping that log."""


class Journal:
    """The journal of one log. Open it, and close it again.

    Args:
        path: The log.
        first: Its first line.
        endpoint: Where it is sent.
        directory: Where the journal is kept; None: in `.shipped` beside the log.

    Raises:
        BeingShippedError: It is locked.
        OSError: It can't be written.
    """

    def __init__(self, path: Path, first: LogEntry, endpoint: str, directory: Path | None) -> None:
        directory = directory or path.parent / _DIRECTORY
        directory.mkdir(exist_ok=True)
        log = _key(path, first)
        file = directory / f"{log}{_ENDING}"
        self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            _lock(self._descriptor, path)
            self.marks: dict[int, str] = {}
            """Of the lines that were the last at some time, by their numbers."""
            self.sent, whole = _last(self._descriptor, Sent(log=log, endpoint=endpoint), self.marks)
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
        _mark(self.marks, sent)

    def close(self) -> None:
        """Unlock and close it."""
        os.close(self._descriptor)


def _key(path: Path, first: LogEntry) -> str:
    """Tell a log from others: by its first line if that says where and when it was opened, else by its name as well."""
    data = without_return(first.raw)
    if not isinstance(first.value, LogOpened):
        name = path.with_suffix("").name if path.suffix in SUFFIXES else path.name
        data += b"\0" + name.encode(errors="surrogateescape")
    return blake2b(data, digest_size=_KEY_BYTES).hexdigest()


def line_mark(raw: bytes) -> str:
    """Return what stands for a line."""
    return blake2b(without_return(raw), digest_size=_MARK_BYTES).hexdigest()


def without_return(raw: bytes) -> bytes:
    """Return a line as it was written: some programs end lines otherwise when they copy a file."""
    return raw.removesuffix(b"\r")


def _mark(marks: dict[int, str], sent: Sent) -> None:
    if sent.cut:
        for number in [number for number in marks if number > sent.marked]:
            del marks[number]
    if sent.marked:
        marks[sent.marked] = sent.mark
    if len(marks) > MARKS_AT_MOST:
        for number in sorted(marks)[1 : MARKS_AT_MOST // 2 : 2]:
            del marks[number]


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BeingShippedError(f"{path} is being shipped already") from None
    except OSError as error:
        if error.errno not in _UNLOCKABLE:
            raise


def _last(descriptor: int, sent: Sent, marks: dict[int, str]) -> tuple[Sent, bool]:
    """Read what was noted last, and all marks; say whether the file ends with a whole line."""
    data = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    for line in data.split(b"\n"):
        with suppress(msgspec.MsgspecError):
            noted = msgspec.json.decode(line, type=Sent)
            if (noted.log, noted.endpoint) == (sent.log, sent.endpoint):
                sent = noted
                _mark(marks, noted)
    return sent, not data or data.endswith(b"\n")
