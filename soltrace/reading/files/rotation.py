"""Finds by its contents where a log went in a rotation: renamed, copied and truncated, or compressed."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from soltrace.reading.files.compressed import CompressedLineReader, head_of, is_compressed
from soltrace.reading.files.lines import HEAD, LineReader


def moved(lines: LineReader) -> LineReader | None:
    """Find what a file held before it was renamed, truncated or removed.

    Returns:
        A reader of the same contents under their present name, which goes on where reading has stopped; None if they
        are nowhere in the file's directory.
    """
    if not lines.head:
        return None
    # Less than a line may be equal by chance: then only the same file will do.
    whole = b"\n" in lines.head or telling(lines.head)
    for path, same in _candidates(lines):
        if not (same or whole):
            continue
        head = head_of(path)
        if head.startswith(lines.head) and (is_compressed(path) or path.stat().st_size >= lines.offset):
            return CompressedLineReader(path, lines) if is_compressed(path) else LineReader(path, lines)
    return None


def telling(head: bytes) -> bool:
    """Return whether the first bytes of a file tell it from all others: shorter logs may be alike by chance."""
    return len(head) >= HEAD


def _candidates(lines: LineReader) -> Iterator[tuple[Path, bool]]:
    """List the files that may have the contents: first the same file by another name, then copies, the newest first.

    Yields:
        A path, and whether it is the same file.
    """
    inode = None if lines.identity is None else lines.identity[1]
    stem = lines.path.name.partition(".jsonl")[0]
    copies: list[tuple[float, Path]] = []
    with suppress(OSError), os.scandir(lines.path.parent) as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.name == lines.path.name or not entry.is_file():
                    continue
                if entry.inode() == inode:
                    yield Path(entry.path), True
                elif entry.name.startswith(stem):
                    copies.append((entry.stat().st_mtime, Path(entry.path)))
    yield from ((path, False) for _, path in sorted(copies, reverse=True))
