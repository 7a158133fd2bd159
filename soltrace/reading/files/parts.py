"""The parts of a log that was too long for one file: `run.jsonl`, `run.part0002.jsonl`, and so on; some compressed."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from soltrace.reading.files.compressed import SUFFIXES, is_compressed
from soltrace.wire.log_names import first_part, part_name, part_number

_LISTED_S: Final = 10.0
"""So long a listing is believed: of a shared directory one is dear."""


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


def is_behind_another(path: Path) -> bool:
    """Say whether a log is a later part of one, and any earlier part is there too."""
    return any(_part(path, number) is not None for number in range(_number(path) - 1, 0, -1))


class Gaps:
    """Finds what there is of a log behind a part that is missing, once that has been so for long.

    It need not be lost: parts may be on their way from another machine, in any order.

    Args:
        patience_s: For how long a part is waited for.
        monotonic: Returns seconds.
    """

    def __init__(self, patience_s: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._patience_s, self._monotonic = patience_s, monotonic
        self._listed: dict[Path, tuple[float, dict[str, set[int]]]] = {}
        """Of directories: when they were, and which later parts each log has there."""
        self._since: dict[Path, float] = {}
        self._read: set[tuple[Path, int]] = set()
        self._passed: set[tuple[Path, int]] = set()
        """Parts for which nobody waits any more."""

    def read(self, path: Path) -> None:
        """Take in that a part was read to its end: whoever removes it then takes nothing away."""
        self._read.add((whole_log(path), _number(path)))

    def was_read(self, path: Path) -> bool:
        """Say whether a part was read."""
        return (whole_log(path), _number(path)) in self._read

    def pass_over(self, path: Path, behind: Path) -> int:
        """Wait no more for the parts between two others, and return how many have become missing by that."""
        between = {(whole_log(path), number) for number in range(_number(path) + 1, _number(behind))}
        missing = between - self._read - self._passed
        self._passed |= missing
        return len(missing)

    def arrived(self) -> Counter[Path]:
        """Count the parts that are there now and were passed over, by their logs, as `whole_log` calls these."""
        there = {(log, number) for log, number in self._passed if _part(log, number)}
        self._passed -= there
        return Counter(log for log, _ in there)

    def behind(self, path: Path) -> Path | None:
        """Return the first part behind the gap that follows a part; None if there is no gap, or not for long enough."""
        numbers = self._numbers(path.parent).get(whole_log(path).name, [])
        later = [found for number in sorted(numbers) if number > _number(path) and (found := _part(path, number))]
        if not later:
            self._since.pop(path, None)
            return None
        waited_s = self._monotonic() - self._since.setdefault(path, self._monotonic())
        return None if waited_s < self._patience_s else later[0]

    def _numbers(self, directory: Path) -> dict[str, set[int]]:
        now, listed = self._monotonic(), self._listed.get(directory)
        if listed is not None and now - listed[0] < min(_LISTED_S, self._patience_s):
            return listed[1]
        found: dict[str, set[int]] = {}
        for path in directory.iterdir() if directory.is_dir() else ():
            if (first := first_part(_plain(path))) is not None:
                found.setdefault(first, set()).add(_number(path))
        self._listed[directory] = now, found
        return found


def _number(path: Path) -> int:
    return part_number(_plain(path))


def _part(path: Path, number: int) -> Path | None:
    name = part_name(first_part(_plain(path)) or _plain(path), number)
    if name == _plain(path):
        return None
    names = [name, *(name + suffix for suffix in SUFFIXES)]
    return next((found for name in names if (found := path.with_name(name)).is_file()), None)


def whole_log(path: Path) -> Path:
    """Return the first part of the log that a file is a part of, as it is called while it is not compressed."""
    return path.with_name(first_part(_plain(path)) or _plain(path))


def _plain(path: Path) -> str:
    return path.stem if is_compressed(path) else path.name
