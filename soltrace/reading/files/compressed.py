"""Reads logs that were compressed when they were over: `run.jsonl.gz`, `run.jsonl.zst`.

They are decompressed as they are read. zstd comes with Python from 3.14 on, and before that with the extra
`soltrace[zstd]`.
"""

import errno
import gzip
import os
import zlib
from collections.abc import Iterator
from importlib import import_module
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from soltrace.reading.files.lines import CHUNK, HEAD, Change, Identity, LineReader, must_be_regular, open_log

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

SUFFIXES: Final = (".gz", ".zst")
_PART: Final = 1 << 16
_NO_ZSTD: Final = "zstd is not installed here: pip install 'soltrace[zstd]'"
_ZSTD: Final = ("compression.zstd", "backports.zstd")


class DamagedError(OSError):
    """From some place on, a compressed file cannot be decompressed."""


def is_compressed(path: Path) -> bool:
    """Return whether a file is compressed, by its name."""
    return path.suffix in SUFFIXES


def missing_decompressor(path: Path) -> str | None:
    """Say what must be installed to read a file; None if nothing must."""
    return _NO_ZSTD if path.suffix == ".zst" and _zstd_module() is None else None


def head_of(path: Path) -> bytes:
    """Read the first bytes of a file, decompressed; nothing if it cannot be read."""
    try:
        with _open(path) if is_compressed(path) else os.fdopen(open_log(path), "rb") as file:
            return file.read(HEAD)
    except (OSError, EOFError, zlib.error, *_zstd_errors()):
        return b""


class CompressedLineReader(LineReader):
    """Reads the lines of a compressed file. Offsets are those of the decompressed bytes.

    Whenever the file has changed it is decompressed from its beginning, and what was read before is passed over: nobody
    appends to a compressed log often.
    """

    def __init__(self, path: Path, before: LineReader | None = None) -> None:
        super().__init__(path, before)
        self._seen: tuple[int, ...] | None = None
        self.cut = False
        """Whether it ends in the middle of what is compressed: it is torn, or still being written."""

    def look(self) -> Change:
        """Return what has become of the file."""
        try:
            stat = os.stat(self.path)  # noqa: PTH116 - as `LineReader`
        except (FileNotFoundError, NotADirectoryError):
            return Change.NOTHING if self._seen is None else Change.GONE
        must_be_regular(stat)
        if self.anew:
            return Change.ANEW
        seen = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if seen == self._seen or not stat.st_size:
            return Change.NOTHING
        self._seen, self.identity = seen, seen[:2]
        return Change.GROWN

    def restart(self) -> None:
        """Begin anew with whatever has this name now, or will have it."""
        super().restart()
        self._seen, self.cut = None, False

    def take(self, chunk: int = CHUNK) -> Iterator[list[bytes | None]]:
        """Yield the lines that were not read yet, those of one chunk at a time.

        Raises:
            DamagedError: The file is damaged from some place on.
            OSError: The file cannot be read, or zstd is not installed.
        """
        self.cut = False
        try:
            with _open(self.path) as file:
                if file.read(len(self.head)) != self.head:
                    self.anew = True
                    return
                passed = len(self.head)
                # Not `read`: of a torn file it would keep what comes before the tear to itself.
                while passed < self.offset and (skipped := file.read1(min(chunk, self.offset - passed))):
                    passed += len(skipped)
                while found := file.read1(chunk):
                    self.head = self.head or found[:HEAD]
                    self.offset += len(found)
                    yield self.splitter.feed(found)
        except FileNotFoundError:
            return
        except EOFError:
            self.cut = True
        except (zlib.error, gzip.BadGzipFile, *_zstd_errors()) as error:
            raise DamagedError(errno.EIO, f"damaged: {error}") from error

    def rest(self) -> bytes | None:
        """Take the last line. Where the compressed file itself is torn, that is one which is no record."""
        line = super().rest()
        return b"\0" if line == b"" and self.cut else line


class _Unheld(RawIOBase):
    """A file that is opened anew for each part of it, so that a thousand logs need no thousand descriptors."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._identity: Identity | None = None

    def readable(self) -> bool:
        """Be taken for a file that can be read."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Read on. If the name stands for another file by now, that was the end."""
        view = memoryview(buffer)
        descriptor = open_log(self._path)
        try:
            stat = os.fstat(descriptor)
            identity = (stat.st_dev, stat.st_ino)
            if self._identity not in {None, identity}:
                return 0
            self._identity = identity
            found = os.pread(descriptor, len(view), self._offset)
        finally:
            os.close(descriptor)
        view[: len(found)] = found
        self._offset += len(found)
        return len(found)


def _open(path: Path) -> BufferedReader:
    file = BufferedReader(_Unheld(path), _PART)
    if path.suffix == ".gz":
        return cast("BufferedReader", gzip.GzipFile(fileobj=file))
    module = _zstd_module()
    if module is None:
        raise OSError(errno.ENOSYS, _NO_ZSTD)
    return cast("BufferedReader", module.ZstdFile(file))


def _zstd_module():  # noqa: ANN202 - one of two modules that this Python may lack: they have no common type
    for name in _ZSTD:
        try:
            return import_module(name)
        except ModuleNotFoundError:
            continue
    return None


def _zstd_errors() -> tuple[type[Exception], ...]:
    module = _zstd_module()
    return () if module is None else (module.ZstdError,)
