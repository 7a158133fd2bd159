"""Follows files and directories: finds them as they appear, and reads what they gain, merged in the order of time."""

import heapq
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from operator import attrgetter
from pathlib import Path
from typing import Final

from soltrace.reading.files.compressed import CompressedLineReader, head_of, is_compressed
from soltrace.reading.files.lines import CHUNK, Change, Identity
from soltrace.reading.files.places import Places
from soltrace.reading.files.rotation import telling
from soltrace.reading.files.source import LogEntry, Skip, Source

_MEMORY: Final = 1 << 25
"""Bytes of all chunks that are held at once, however many files there are."""
_LEAST_CHUNK: Final = 1 << 14
_time: Final[Callable[[LogEntry], datetime]] = attrgetter("time")


class Follower:
    """Polls paths for new lines.

    ```python
    follower = Follower([Path("soltrace-runs")], print)
    for entry in follower.poll():
        print(entry.path, entry.number, entry.value)
    ```

    Args:
        paths: Files; directories, which stand for their `*.jsonl`, compressed ones included; and patterns of files. All
            of them may appear later.
        say: Is called with what a reader should know at once, each only once: that a path is not there yet, that a file
            cannot be read.
        skip: Tells of a line, without decoding it, that nobody asked for it.
        clock: Returns seconds, by which files that have been quiet for long are looked at less often.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        say: Callable[[str], None],
        *,
        skip: Skip | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._say = say
        self._said: set[str] = set()
        self._places = Places(paths, self._once)
        self._skip = skip
        self._clock = clock
        self._sources: dict[Path, Source] = {}

    def __len__(self) -> int:
        """How many files are followed."""
        return len(self._sources)

    def poll(self, *, every: bool = False) -> Iterator[LogEntry]:
        """Yield what the files have gained by now, in the order of time as far as each file has one.

        The lines of one file keep their order. Files are read as more entries are asked for, so that little is held in
        memory however much there is.

        Args:
            every: Whether to look at every file, also at those that have been quiet for long.
        """
        now = self._clock()
        if appeared := self._places.appeared(now, every=every):
            known = _Known(self._sources.values())
            for path in appeared:
                self._add(path, now, known)
        return self._gained([source for source in self._sources.values() if every or source.due_s <= now], now)

    def rest(self) -> Iterator[LogEntry]:
        """Yield the last lines that have no newline. To be called last, when nobody will complete them any more."""
        for source in self._sources.values():
            yield from source.rest()
            if isinstance(source.lines, CompressedLineReader) and source.lines.cut:
                self._once(f"cannot read all of {source.path}: it is cut")

    def _add(self, path: Path, now: float, known: "_Known") -> None:
        """Follow a file, unless it is a copy of one that is followed, or another name of it."""
        if path in self._sources:
            return
        if is_compressed(path) and path.with_suffix("") in self._sources:
            return  # It is read on there when the original is gone.
        identity = _identity(path)
        if (twin := known.twin(path, identity)) is not None:
            twin.due_s = now
            return
        source = self._sources[path] = Source(path, now, self._skip)
        source.lines.identity = identity
        known.add(source)

    def _gained(self, sources: list[Source], now: float) -> Iterator[LogEntry]:
        reads: list[Iterator[LogEntry]] = []
        while sources:
            sources = [more for source in sources for more in self._look(source, now, reads)]
        # The times of each read never fall, which is what a merge needs.
        return reads[0] if len(reads) == 1 else heapq.merge(*reads, key=_time)

    def _look(self, source: Source, now: float, reads: list[Iterator[LogEntry]]) -> list[Source]:
        """Look at a file, and note to read what it has gained.

        Returns:
            The files that are to be looked at next: after a rotation there are two.
        """
        if self._sources.get(source.path) is not source:
            return []  # Another has its name by now.
        try:
            change = source.look(now, len(self._sources))
        except OSError as error:
            self._once(f"cannot read {source.path}: {error.strerror}")
            return []
        if change is Change.GROWN:
            reads.append(self._read(source, now))
        elif change is not Change.NOTHING:
            return self._rotated(source, change, now, reads)
        return []

    def _rotated(self, source: Source, change: Change, now: float, reads: list[Iterator[LogEntry]]) -> list[Source]:
        """Follow what was a file by its new name, and what has its old name now."""
        older = source.rotate(now)
        if older is None:
            reads.append(iter(list(source.restart())))
            if change is Change.ANEW:
                return [source]
            del self._sources[source.path]
            self._places.forget(source.path)
            return []
        # Followed on under its new name: its writer may still have it open.
        following = self._replace(older, now, reads)
        # Names may have moved on all in a row: what is there now is read on by whoever has read it before.
        others = (other for other in self._sources.values() if other is not source)
        twin = _Known(others).twin(source.path, _identity(source.path))
        if twin is None:
            return [*following, source]
        del self._sources[source.path]
        return [*following, twin]

    def _replace(self, source: Source, now: float, reads: list[Iterator[LogEntry]]) -> list[Source]:
        displaced = self._sources.get(source.path)
        self._sources[source.path] = source
        if displaced is None:
            return [source]
        older = displaced.rotate(now)
        if older is None:
            if displaced.lines.offset:  # Else nothing of it was read, and whoever takes its place does.
                reads.append(iter(list(displaced.restart())))
            return [source]
        return [source, *self._replace(older, now, reads)]

    def _read(self, source: Source, now: float) -> Iterator[LogEntry]:
        if self._sources.get(source.path) is not source:
            return  # Another got its name while others were read.
        chunk = max(_LEAST_CHUNK, min(CHUNK, _MEMORY // max(1, len(self._sources))))
        try:
            yield from source.read(chunk)
            if source.damaged:
                self._once(f"cannot read all of {source.path}: it is damaged")
            if source.lines.anew:
                yield from self._gained([source], now)
        except OSError as error:
            self._once(f"cannot read {source.path}: {error.strerror}")

    def _once(self, message: str) -> None:
        if message not in self._said:
            self._said.add(message)
            self._say(message)


class _Known:
    """What is followed, by its contents and by its place on the disk: of ten thousand files none is compared with all.

    Args:
        sources: What is followed.
    """

    def __init__(self, sources: Iterable[Source]) -> None:
        self._by_head: dict[bytes, Source] = {}
        self._by_identity: dict[Identity, Source] = {}
        for source in sources:
            self.add(source)

    def add(self, source: Source) -> None:
        """Take in one more."""
        if source.lines.head:
            self._by_head.setdefault(source.lines.head, source)
        if source.lines.identity is not None:
            self._by_identity.setdefault(source.lines.identity, source)

    def twin(self, path: Path, identity: Identity | None) -> Source | None:
        """Find what is followed under another name and has, or had at the last look, the same contents."""
        if self._by_head and telling(head := head_of(path)) and (found := self._by_head.get(head)) is not None:
            return found
        if identity is None or (found := self._by_identity.get(identity)) is None:
            return None
        # An inode alone says little: that of a deleted file is soon given to a new one.
        return found if _identity(found.path) == identity else None


def _identity(path: Path) -> Identity | None:
    try:
        stat = os.stat(path)  # noqa: PTH116 - as `LineReader`
    except OSError:
        return None
    return stat.st_dev, stat.st_ino
