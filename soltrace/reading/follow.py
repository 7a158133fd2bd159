"""Follow files and directories: find them as they appear, and read what they have gained, merged in time order."""

import heapq
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from soltrace.reading.lines import LineFile
from soltrace.reading.parse import Parsed, Rejected, parse

PATTERN: Final = "*.jsonl"
"""Names of the logs in a directory."""
_BEFORE_ALL: Final = datetime.min.replace(tzinfo=UTC)


class Entry(NamedTuple):
    """A line, what it says and where it stands."""

    value: Parsed
    raw: bytes
    path: Path
    number: int


class Follower:
    """Poll paths for new lines.

    Args:
        paths: Files, or directories whose `*.jsonl` are meant, also those that appear later.
        say: Is told what a reader should know at once, and each only once: a path that is not there yet, a file that
            cannot be read.
    """

    def __init__(self, paths: Sequence[Path], say: Callable[[str], None]) -> None:
        self._paths = tuple(paths)
        self._say = say
        self._said: set[str] = set()
        self._files: dict[str, _Source] = {}

    def poll(self) -> Iterator[Entry]:
        """Yield what the files have gained by now, in the order of their timestamps as far as it is there.

        A file's own lines keep their order. It reads as it is asked for more, so however much there is, little is held.
        """
        self._discover()
        reads = [self._read(source) for source in self._files.values()]
        # Each read's moments never fall, which is what a merge needs.
        return (entry for _, entry in heapq.merge(*reads, key=_moment))

    def rest(self) -> Iterator[Entry]:
        """Yield the last lines that have no newline. Nobody completes them any more: call it last."""
        for source in self._files.values():
            yield from source.rest()

    def _discover(self) -> None:
        for path in self._paths:
            if not path.exists():
                self._once(f"waiting for {path}, which does not exist yet")
                continue
            for file in logs(path):
                self._files.setdefault(os.path.realpath(file), _Source(file))

    def _read(self, source: "_Source") -> Iterator[tuple[datetime, Entry]]:
        try:
            yield from source.read()
        except OSError as error:
            self._once(f"cannot read {source.path}: {error.strerror}")

    def _once(self, message: str) -> None:
        if message not in self._said:
            self._said.add(message)
            self._say(message)


class _Source:
    """One file: its lines, numbered, each with the moment by which it is merged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines = LineFile(path)
        self._number = 0
        self._moment = _BEFORE_ALL

    def read(self) -> Iterator[tuple[datetime, Entry]]:
        for line in self._lines.read():
            self._number += 1
            if line is None:
                yield self._moment, self._entry(Rejected("too long"), b"")
            elif line and not line.isspace():
                value = parse(line)
                # A line without a time stands where its file stands, and so does one that comes late.
                self._moment = max(self._moment, getattr(value, "timestamp", None) or self._moment)
                yield self._moment, self._entry(value, line)

    def rest(self) -> Iterator[Entry]:
        line = self._lines.rest()
        self._number += 1
        if line is None:
            yield self._entry(Rejected("too long"), b"")
        elif line and not line.isspace():
            value = parse(line)
            # A record that is whole lacks nothing but its newline; of anything else the end was never written.
            yield self._entry(Rejected("unfinished") if isinstance(value, Rejected) else value, line)

    def _entry(self, value: Parsed, raw: bytes) -> Entry:
        return Entry(value, raw, self.path, self._number)


def _moment(item: tuple[datetime, Entry]) -> datetime:
    return item[0]


def logs(path: Path) -> Iterable[Path]:
    """List the logs of a directory, in the order of their names; a file is its own."""
    return sorted(path.glob(PATTERN)) if path.is_dir() else (path,)
