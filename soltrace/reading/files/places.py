"""Finds logs in files, directories and patterns; again and again, but rarely and cheaply."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from glob import has_magic, iglob
from pathlib import Path
from stat import S_ISDIR
from typing import Final, TypeAlias

from soltrace.reading.files.compressed import SUFFIXES, is_compressed
from soltrace.reading.files.lines import must_be_regular
from soltrace.reading.files.parts import later_parts

PATTERN: Final = "*.jsonl"
"""The names of logs in a directory, unless they are compressed."""
PATTERNS: Final = (PATTERN, *(PATTERN + suffix for suffix in SUFFIXES))
_LAZIEST_S: Final = 2.0
"""The longest time between two looks. They get rarer while nothing appears: listing a shared directory is dear."""
_LAZINESS: Final = 0.1


def say_nothing(message: str) -> None:
    """Say nothing."""
    del message


def logs(path: Path, say: Callable[[str], None] = say_nothing) -> list[Path]:
    """List the logs of a directory or a pattern in the order of their names. A file is its own list, with its parts.

    Of a log that is there both as it was and compressed, only the former is listed. What is called like a log and is
    none, such as a FIFO, would have its reader wait for ever. A directory that is called so is one of logs.

    Args:
        path: A file, a directory or a pattern.
        say: Is called with what is called like a log, and is none.
    """
    found = set(_found(path, say))
    return sorted(path for path in found if not (is_compressed(path) and path.with_suffix("") in found))


def is_pattern(path: Path) -> bool:
    """Return whether a path is meant as a pattern: it has wildcards, and there is no such file."""
    return has_magic(str(path)) and not path.exists()


def _found(path: Path, say: Callable[[str], None]) -> Iterator[Path]:
    if path.is_dir():
        for entry in _entries(path):
            if _is_directory(entry):
                say(f"reading the logs in {entry.path} too: it is a directory")
                yield from _within(Path(entry.path), say)
            elif _is_file(entry, say):
                yield path / entry.name
    elif is_pattern(path):
        # Not pathlib's: it wants the directory apart from the pattern, and a pattern has it somewhere in front.
        found = iglob(str(path), recursive=True)  # noqa: PTH207
        yield from (file for name in found if not (file := Path(name)).is_dir() and _is_regular(file, say))
    elif path.is_file():
        yield path
        yield from later_parts(path)


def _within(directory: Path, say: Callable[[str], None]) -> list[Path]:
    try:
        return [Path(entry.path) for entry in _entries(directory) if not _is_directory(entry) and _is_file(entry, say)]
    except OSError as error:
        say(f"cannot read {directory}: {error.strerror}")
        return []


def _entries(directory: Path) -> "list[os.DirEntry[str]]":
    """List what is called like a log."""
    with os.scandir(directory) as entries:
        return [entry for entry in entries if any(fnmatchcase(entry.name, pattern) for pattern in PATTERNS)]


def _is_directory(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads in a circle
        return False


def _is_file(entry: "os.DirEntry[str]", say: Callable[[str], None]) -> bool:
    with suppress(OSError):
        if entry.is_file():  # mostly the directory itself says so, without a look at the file
            return True
    return _is_regular(Path(entry.path), say)


def _is_regular(path: Path, say: Callable[[str], None]) -> bool:
    try:
        must_be_regular(path.stat())
    except FileNotFoundError:
        if path.is_symlink():  # else it has just been removed
            say(f"cannot read {path}: it is a link to nothing")
        return False
    except OSError as error:
        say(f"cannot read {path}: {error.strerror}")
        return False
    return True


_Stamp: TypeAlias = tuple[int, ...]
_SETTLED_NS: Final = 10 * 10**9
"""As coarse as a file server's clock and cache may be."""
_LIST_AGAIN_S: Final = 60.0
"""After so long a directory is listed though nothing seems to have changed: what a link leads to may have appeared."""


class Places:
    """Finds files as they appear.

    Args:
        paths: Files, directories and patterns. They need not exist yet.
        say: Is called with what is not there yet.
    """

    def __init__(self, paths: Sequence[Path], say: Callable[[str], None]) -> None:
        self._paths = tuple(paths)
        self._say = say
        self._known: set[Path] = set()
        self._found: set[Path] = set()
        self._unchanged: dict[Path, _Stamp] = {}
        """Of directories, by what one knows that nothing has appeared in them."""
        self._appeared_s: float | None = None
        self._due_s = 0.0

    def appeared(self, now: float, *, every: bool = False) -> list[Path]:
        """List what has appeared since the last time.

        Args:
            now: The present in seconds, on any clock.
            every: Whether to look in any case. Otherwise the looks get rarer the longer nothing appears.
        """
        if self._appeared_s is None:
            self._appeared_s = now
        elif not every and now < self._due_s:
            return []
        new = [file for path in self._paths for file in self._look(path, every=every) if file not in self._known]
        new = list(dict.fromkeys(new))
        self._known.update(new)
        if new:
            self._appeared_s = now
        self._due_s = now + min((now - self._appeared_s) * _LAZINESS, _LAZIEST_S)
        return new

    def forget(self, path: Path) -> None:
        """Treat a file that is gone as one that may appear again."""
        self._known.discard(path)

    def _look(self, path: Path, *, every: bool) -> list[Path]:
        stamp = _stamp(path)
        if stamp is not None and not every and self._unchanged.get(path) == stamp:
            return []  # what there is was listed: of ten thousand files that takes its time
        try:
            files = logs(path, self._say)
        except OSError as error:
            self._say(f"cannot read {path}: {error.strerror}")
            return []
        if files:
            self._found.add(path)
            if stamp is not None and not any(file.parent != path for file in files):
                self._unchanged[path] = stamp
        elif path not in self._found and not path.is_dir():  # What was there is gone, or about to come back.
            what = "matches nothing yet" if has_magic(str(path)) else "does not exist yet"
            self._say(f"waiting for {path}, which {what}")
        return files


def _stamp(path: Path) -> _Stamp | None:
    """What changes when something appears in a directory; None where that is not to be told, or has just happened."""
    try:
        stat = os.stat(path)  # noqa: PTH116 - as `LineReader`
    except OSError:
        return None
    if not S_ISDIR(stat.st_mode) or abs(time.time_ns() - stat.st_mtime_ns) < _SETTLED_NS:
        return None
    return stat.st_dev, stat.st_ino, stat.st_mtime_ns, int(time.monotonic() // _LIST_AGAIN_S)
