"""Copies logs without what DuckDB gives up at, and with each record on a line of its own, as `soltrace tail` finds it.

It gives up at lines that are too long, and at damaged parts of compressed files; other damage it turns into empty rows.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from soltrace.reading.files.compressed import CompressedLineReader, DamagedError, is_compressed
from soltrace.reading.files.damage import recover
from soltrace.reading.files.lines import LineReader
from soltrace.reading.parse import Rejected, parse

_NO_RECORD: Final = b"torn"
"""Stands for what cannot be read of a line on which there are records, so that it is counted."""


def sieve(source: Path, target: Path, say: Callable[[str], None]) -> int:
    """Copy the lines of a log that can be read, decompressed.

    Args:
        source: The log.
        target: The copy.
        say: Is called if a part of it cannot be read.

    Returns:
        How many lines were left out. What is damaged of a compressed file counts as one.

    Raises:
        OSError: A file cannot be read or written.
    """
    left_out = 0
    log = CompressedLineReader(source) if is_compressed(source) else LineReader(source)
    with target.open("wb") as file:
        try:
            for line in _lines(log):
                if line is None:
                    left_out += 1
                else:
                    file.writelines(_readable(line))
        except DamagedError:
            left_out += 1
            say(f"cannot read all of {source}: it is damaged")
    if isinstance(log, CompressedLineReader) and log.cut:
        say(f"cannot read all of {source}: it is cut")
    return left_out


def _lines(log: LineReader) -> Iterator[bytes | None]:
    yield from log.read()
    rest = log.rest()
    if rest != b"":
        yield rest


def _readable(line: bytes) -> Iterator[bytes]:
    if not isinstance(rejected := parse(line), Rejected):
        yield line + b"\n"
        return
    records, lost = recover(line, rejected)
    if lost is not None and not line.isspace():
        yield (_NO_RECORD if records else line) + b"\n"
    for _, raw in records:
        yield raw + b"\n"
