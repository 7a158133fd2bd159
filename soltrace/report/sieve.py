"""Copies logs without what DuckDB gives up at: lines that are too long, damaged parts of compressed files.

All other damage DuckDB turns into empty rows by itself.
"""

from collections.abc import Iterator
from pathlib import Path

from soltrace.reading.files.compressed import CompressedLineReader, DamagedError, is_compressed
from soltrace.reading.files.lines import LineReader


def sieve(source: Path, target: Path) -> int:
    """Copy the lines of a log that can be read, decompressed.

    Returns:
        How many lines were left out. What is damaged of a compressed file counts as one.

    Raises:
        OSError: A file cannot be read or written.
    """
    left_out = 0
    with target.open("wb") as file:
        try:
            for line in _lines(source):
                if line is None:
                    left_out += 1
                else:
                    file.write(line + b"\n")
        except DamagedError:
            left_out += 1
    return left_out


def _lines(source: Path) -> Iterator[bytes | None]:
    log = CompressedLineReader(source) if is_compressed(source) else LineReader(source)
    yield from log.read()
    rest = log.rest()
    if rest != b"":
        yield rest
