"""The parts of a log that was too long for one file: `run.jsonl`, `run.part0002.jsonl`, and so on; some compressed."""

from collections.abc import Iterator
from pathlib import Path

from soltrace.reading.files.compressed import SUFFIXES, is_compressed
from soltrace.wire.log_names import first_part, part_name, part_number


def later_parts(path: Path) -> Iterator[Path]:
    """List the parts that follow, in their order."""
    while (following := next_part(path)) is not None:
        yield following
        path = following


def next_part(path: Path) -> Path | None:
    """Find the part that follows a log, or a part of one; None where there is none yet."""
    return _part(path, _number(path) + 1)


def goes_on(path: Path) -> bool:
    """Say whether a log is a later part of one, and what comes before it is there too."""
    number = _number(path)
    return number > 1 and _part(path, number - 1) is not None


def lacks_a_part(path: Path) -> bool:
    """Say whether a log is a later part of one, and what comes before it is not there."""
    return _number(path) > 1 and not goes_on(path)


def _number(path: Path) -> int:
    return part_number(_plain(path))


def _part(path: Path, number: int) -> Path | None:
    name = part_name(first_part(_plain(path)) or _plain(path), number)
    if name == _plain(path):
        return None
    names = [name, *(name + suffix for suffix in SUFFIXES)]
    return next((found for name in names if (found := path.with_name(name)).is_file()), None)


def _plain(path: Path) -> str:
    return path.stem if is_compressed(path) else path.name
