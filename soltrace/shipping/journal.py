"""What of a log has been sent, on the disk beside it: a line for each batch that was acknowledged; the last one counts.

A journal is called by what is in the log, so that it is found when that was renamed, copied or compressed. Each note
says what the last line was, so that a log that was cut since, and written on, is not taken for sent up to there.
Whoever ships a log has its journal locked, so that no two do. A line is one write; half of one, after a power failure,
is as good as none. A journal that has got long is written anew, with what still counts, and takes the place of the old
one.
"""

import errno
import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
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
_ANEW: Final = ".journal.new"
_KEY_BYTES: Final = 16
_MARK_BYTES: Final = 8
MARKS_AT_MOST: Final = 1024
"""Lines that are known by heart: of the older half every second one goes when there are more, again and again.

A log that is followed for days has a batch each second. One that was cut lacks the last ones.
"""
JOURNAL_BYTES_AT_MOST: Final = 2**20
"""Of a journal, before it is written anew: one that is followed has a few hundred more each second."""
_TRIES: Final = 10
"""To open the journal that is there. A file system may give a file another number each time it is asked."""
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
        self._file = directory / f"{log}{_ENDING}"
        self._descriptor = _opened(self._file, path)
        try:
            data = _read(self._descriptor)
            known = _noted(data).get((log, endpoint)) or _Noted(Sent(log=log, endpoint=endpoint))
            self.sent, self.marks = known.sent, known.marks
            if data and not data.endswith(b"\n"):
                os.write(self._descriptor, b"\n")
            self._size = len(data)
            self._shorten()
        except BaseException:
            self.close()
            raise

    def note(self, sent: Sent) -> None:
        """Note what has been acknowledged. Once this returns it is on the disk."""
        self._size += os.write(self._descriptor, msgspec.json.encode(sent) + b"\n")
        os.fsync(self._descriptor)
        self.sent = sent
        _mark(self.marks, sent)
        self._shorten()

    def _shorten(self) -> None:
        """Write it anew if it is long, and lock that before it is the journal. Where it can't be, it stays as it is."""
        if self._size <= JOURNAL_BYTES_AT_MOST:
            return
        self._size, anew = 0, self._file.with_suffix(_ANEW)  # another megabyte, before it is tried again
        with suppress(OSError):
            descriptor = os.open(anew, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o644)
            try:
                _lock(descriptor, anew)
                with open(descriptor, "wb", closefd=False) as file:
                    file.writelines(_lines(_noted(_read(self._descriptor))))
                os.fsync(descriptor)
                anew.replace(self._file)
            except BaseException:
                os.close(descriptor)
                raise
            os.close(self._descriptor)
            self._descriptor = descriptor
            _sync(self._file.parent)

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


def _opened(file: Path, path: Path) -> int:
    """Open the journal of a log, and lock it. Until it is locked, another one may take its place."""
    for _ in range(_TRIES):
        descriptor = _locked(file, path)
        if _is_there(descriptor, file):
            return descriptor
        os.close(descriptor)
    return _locked(file, path)


def _locked(file: Path, path: Path) -> int:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        _lock(descriptor, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _is_there(descriptor: int, file: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), file.stat())
    return False


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BeingShippedError(f"{path} is being shipped already") from None
    except OSError as error:
        if error.errno not in _UNLOCKABLE:
            raise


@dataclass
class _Noted:
    """What is noted of a log that is sent to one collector."""

    sent: Sent
    """The last note."""
    marks: dict[int, str] = field(default_factory=dict[int, str])
    """Of the lines that were the last at some time, by their numbers."""


def _read(descriptor: int) -> bytes:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def _noted(data: bytes) -> dict[tuple[str, str], _Noted]:
    """Read a journal: what is noted for each log and collector."""
    found: dict[tuple[str, str], _Noted] = {}
    for line in data.split(b"\n"):
        with suppress(msgspec.MsgspecError):
            sent = msgspec.json.decode(line, type=Sent)
            noted = found.setdefault((sent.log, sent.endpoint), _Noted(sent))
            noted.sent = sent
            _mark(noted.marks, sent)
    return found


def _lines(found: Mapping[tuple[str, str], _Noted]) -> Iterator[bytes]:
    """Write a journal from which the same is read."""
    for noted in found.values():
        for number, mark in noted.marks.items():
            yield msgspec.json.encode(structs.replace(noted.sent, marked=number, mark=mark, cut=False)) + b"\n"
        yield msgspec.json.encode(noted.sent) + b"\n"


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
