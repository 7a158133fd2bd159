"""Finds logs in files, directories and patterns; again and again, but rarely and cheaply."""

import os
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from glob import has_magic, iglob
from pathlib import Path
from typing import Final

from soltrace.reading.files.compressed import SUFFIXES, is_compressed

PATTERN: Final = "*.jsonl"
"""The names of logs in a directory, unless they are compressed."""
PATTERNS: Final = (PATTERN, *(PATTERN + suffix for suffix in SUFFIXES))
_LAZIEST_S: Final = 2.0
"""The longest time between two looks. They get rarer while nothing appears: listing a shared directory is dear."""
_LAZINESS: Final = 0.1


def logs(path: Path) -> list[Path]:
    """List the logs of a directory or a pattern in the order of their names. A file is its own list.

    Of a log that is there both as it was and compressed, only the former is listed.
    """
    found = set(_found(path))
    return sorted(path for path in found if not (is_compressed(path) and path.with_suffix("") in found))


def is_pattern(path: Path) -> bool:
    """Return whether a path is meant as a pattern: it has wildcards, and there is no such file."""
    return has_magic(str(path)) and not path.exists()


def _found(path: Path) -> Iterator[Path]:
    if path.is_dir():
        with os.scandir(path) as entries:
            names = [entry.name for entry in entries]
        yield from (path / name for name in names if any(fnmatchcase(name, pattern) for pattern in PATTERNS))
    elif is_pattern(path):
        # Not pathlib's: it wants the directory apart from the pattern, and a pattern has it somewhere in front.
        found = iglob(str(path), recursive=True)  # noqa: PTH207
        yield from (file for name in found if not (file := Path(name)).is_dir())
    elif path.is_file():
        yield path


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
        new = [file for path in self._paths for file in self._look(path) if file not in self._known]
        new = list(dict.fromkeys(new))
        self._known.update(new)
        if new:
            self._appeared_s = now
        self._due_s = now + min((now - self._appeared_s) * _LAZINESS, _LAZIEST_S)
        return new

    def forget(self, path: Path) -> None:
        """Treat a file that is gone as one that may appear again."""
        self._known.discard(path)

    def _look(self, path: Path) -> list[Path]:
        try:
            files = logs(path)
        except OSError as error:
            self._say(f"cannot read {path}: {error.strerror}")
            return []
        if files:
            self._found.add(path)
        elif path not in self._found and not path.is_dir():  # What was there is gone, or about to come back.
            what = "matches nothing yet" if has_magic(str(path)) else "does not exist yet"
            self._say(f"waiting for {path}, which {what}")
        return files
