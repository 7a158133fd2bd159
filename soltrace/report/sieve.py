"""Copies logs without what DuckDB gives up at: lines that are too long, damaged parts of compressed files.

All other damage DuckDB turns into empty rows by itself.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from soltrace.reading.files.compressed import CompressedLineReader, DamagedError, is_compressed
from soltrace.reading.files.lines import LineReader


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
                    file.write(line + b"\n")
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
