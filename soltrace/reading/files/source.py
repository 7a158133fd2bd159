"""One file that is followed: its lines are numbered and parsed, and each gets the time by which it is merged."""

from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias

from msgspec import Struct

from soltrace.reading.files import rotation
from soltrace.reading.files.compressed import CompressedLineReader, DamagedError, is_compressed
from soltrace.reading.files.damage import recover
from soltrace.reading.files.lines import CHUNK, Change, LineReader
from soltrace.reading.parse import Parsed, Rejected, parse

BEFORE_ALL: Final = datetime.min.replace(tzinfo=UTC)
_LAZIEST_S: Final = 2.0
"""The longest time between two looks at a file, unless there are thousands. They get rarer while it is quiet."""
LOOKS_PER_S: Final = 10_000
"""At all files together, at most: a look takes some 15 us."""
QUIET_LOOKS_PER_S: Final = 2_500
"""At those that are quiet: a twentieth of a core."""
_BETWEEN_POLLS_S: Final = 0.1
_LAZINESS: Final = 0.1
"""What a file gains is seen after at most this share of the time for which it was quiet."""


class LogEntry(Struct, frozen=True, gc=False):
    """A line of a log: what it says, and where it stands."""

    value: Parsed
    raw: bytes
    path: Path
    number: int
    time: datetime = BEFORE_ALL
    """By which it is merged: its own time, or that of the line before it in its file if that is later."""
    late: bool = False
    """Whether younger lines of other files were shown before it came."""


Skip: TypeAlias = Callable[[bytes], bool]
"""Returns of a line, without decoding it, whether nobody asked for it."""


class Source:
    """A file that is followed.

    Args:
        path: The file. Its name says whether it is compressed.
        now: The present in seconds, on the clock that `look` is told.
        skip: Which lines are passed over.
        lines: What reads it, if it has been read under another name before.
    """

    def __init__(self, path: Path, now: float, skip: Skip | None = None, lines: LineReader | None = None) -> None:
        self.path = path
        self.lines = lines or (CompressedLineReader(path) if is_compressed(path) else LineReader(path))
        self.due_s = now
        """When it is to be looked at next."""
        self.damaged = False
        """Whether a part of it, which is compressed, could not be read."""
        self._skip = skip
        self._changed_s = now
        self._least_s = 0.0
        self._number = 0
        self._time = BEFORE_ALL

    @property
    def is_damaged(self) -> bool:
        """Whether it is compressed, and could not be read to its end."""
        return self.damaged or (isinstance(self.lines, CompressedLineReader) and self.lines.cut)

    def look(self, now: float, files: int = 1) -> Change:
        """Return what has become of the file. The longer it is quiet, the later it is to be looked at again.

        Args:
            now: The present in seconds.
            files: How many there are to be looked at: of thousands, none is looked at all the time.

        Raises:
            OSError: The file cannot be looked at.
        """
        longest_s = max(_LAZIEST_S, files / QUIET_LOOKS_PER_S)
        self._least_s = files / LOOKS_PER_S if files > LOOKS_PER_S * _BETWEEN_POLLS_S else 0.0
        self.due_s = now + min(max((now - self._changed_s) * _LAZINESS, self._least_s), longest_s)
        change = self.lines.look()
        if change is not Change.NOTHING:
            self._changed_s = now
            self.due_s = now + self._least_s
        return change

    def read(self, chunk: int = CHUNK) -> Iterator[LogEntry]:
        """Yield the entries that it has gained. Their times never fall.

        Raises:
            OSError: The file cannot be read.
        """
        try:
            for lines in self.lines.take(chunk):
                yield from self._read(lines)
        except DamagedError:
            self.damaged = True
            yield self._entry(Rejected("in a damaged part of a compressed file"), b"")

    def _read(self, lines: list[bytes | None]) -> Iterator[LogEntry]:
        # All that is done for every line is done here: a call costs as much as a tenth of decoding.
        skip, path = self._skip, self.path
        first, self._number = self._number + 1, self._number + len(lines)
        if first == 1 and lines and lines[0] is not None:
            lines[0] = lines[0].removeprefix(BOM_UTF8)  # of an editor that has saved it
        for number, line in enumerate(lines, first):
            if line is None:
                yield self._entry(Rejected("too long"), b"", number)
            elif line and not (skip is not None and skip(line)):
                value = parse(line)
                if isinstance(value, Rejected):
                    if not line.isspace():
                        yield from self._damaged(value, line, number)
                    continue
                time = value.timestamp
                # A line without a time stands where its file stands, and so does one that comes late.
                if time is not None and time > self._time:
                    self._time = time
                yield LogEntry(value, line, path, number, self._time)

    def rest(self) -> Iterator[LogEntry]:
        """Yield the last line, which has no newline. To be called when nobody will complete it any more."""
        line = self.lines.rest()
        self._number += 1
        if line is None:
            yield self._entry(Rejected("too long"), b"")
        elif line and not line.isspace() and not (self._skip is not None and self._skip(line)):
            value = parse(line)
            # A record that is whole lacks nothing but its newline; of anything else the end was never written.
            if isinstance(value, Rejected):
                yield from self._damaged(Rejected("unfinished"), line, self._number)
            else:
                yield self._entry(value, line)

    def rotate(self, now: float) -> "Source | None":
        """Begin anew with whatever has this name now.

        Returns:
            The former contents under their present name, if they have one.
        """
        lines = rotation.moved(self.lines)
        older = None
        if lines is not None:
            older = Source(lines.path, now, self._skip, lines)
            older._number, older._time = self._number, self._time
            self.lines.restart()
            self._number = 0
        return older

    def restart(self) -> Iterator[LogEntry]:
        """Begin anew where the former contents are nowhere, and yield what is lost of them."""
        if self.lines.offset < self.lines.size:
            self._number += 1
            yield self._entry(Rejected("deleted before it was read"), b"")
        else:
            yield from self.rest()
        self.lines.restart()
        self._number = 0

    def _damaged(self, value: Rejected, line: bytes, number: int) -> Iterator[LogEntry]:
        """Yield a line that is no record, and the records that stand on it all the same."""
        records, lost = recover(line, value)
        if lost is not None:
            yield self._entry(lost, line, number)
        for record, raw in records:
            yield self._entry(record, raw, number)

    def _entry(self, value: Parsed, raw: bytes, number: int | None = None) -> LogEntry:
        time = None if isinstance(value, Rejected) else value.timestamp
        if time is not None and time > self._time:
            self._time = time
        return LogEntry(value, raw, self.path, self._number if number is None else number, self._time)
