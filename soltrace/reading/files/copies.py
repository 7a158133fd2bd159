"""Finds logs that are there twice: a copy made by hand, a backup, a directory that was brought here from two places."""

from collections.abc import Callable, Sequence
from pathlib import Path

from soltrace.reading.files.compressed import head_of, is_compressed

_OPENED = b'"event":"log.opened"'


def without_copies(files: Sequence[Path], say: Callable[[str], None]) -> list[Path]:
    """Leave out copies of logs: what they hold would be counted twice.

    A log begins with a line that no other has: it says which run, which part of it, and when to the microsecond. Of
    those that begin alike the one that was written last is kept, for it holds what the others do; but not one that is
    still being compressed.

    Args:
        files: Logs, compressed or not.
        say: Is called with what is left out.
    """
    kept: dict[bytes, Path] = {}
    copies: dict[Path, bytes] = {}
    for file in files if len(files) > 1 else ():
        head = head_of(file).partition(b"\n")[0]
        if _OPENED not in head:
            continue
        other = kept.setdefault(head, file)
        if other is not file:
            kept[head], copy = (file, other) if _written(file) > _written(other) else (other, file)
            copies[copy] = head
    for copy, head in copies.items():
        say(f"leaving {copy} out: it is a copy of {kept[head]}")
    return [file for file in files if file not in copies]


def _written(file: Path) -> tuple[bool, int, int]:
    """When, and whether all of it: what compresses a log removes it at the end."""
    whole = not (is_compressed(file) and file.with_suffix("").exists())
    try:
        stat = file.stat()
    except OSError:
        return whole, 0, 0
    return whole, stat.st_mtime_ns, stat.st_size
