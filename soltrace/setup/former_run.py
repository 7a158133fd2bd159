"""Which run does this one continue, where a scheduler runs a task again that it had ended?

Host side, on the thread of whoever solves first. The logs of the directory say it in their first lines. Looked for only
where the scheduler counts its attempts, and only in so many logs.
"""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from soltrace.setup.settings import Settings
from soltrace.wire.records import Attribute

_LOOKED_AT_MOST: Final = 1000
"""Logs, the youngest first."""
_FOR_S: Final = 1.0
"""A file system that is slow is not to keep the program from its work."""
_LINE_AT_MOST: Final = 1 << 16
_SAME: Final = ("scheduler", "job", "array_task", "rank")
"""What the runs of one task have in common."""


class _First(msgspec.Struct):
    """What is needed of the first line of a log."""

    timestamp: str
    run_id: str
    resource: dict[str, Any]


def former_run(facts: Mapping[str, Attribute], settings: Settings) -> str | None:
    """Return the id of the last run of the task that this process runs again; None where there is none to be found.

    Args:
        facts: What is known of where this run lives.
        settings: What was configured.
    """
    if _attempt(facts) == 0 or not settings.json_log or settings.logger is not None:
        return None
    former: _First | None = None
    deadline = time.monotonic() + _FOR_S
    for log in _youngest(settings.log_directory()):
        first = _first_line(log)
        if first is not None and _is_earlier(first.resource, facts):
            former = first if former is None else max(former, first, key=lambda run: run.timestamp)
        if time.monotonic() > deadline:
            break
    return None if former is None else former.run_id


def _is_earlier(there: Mapping[str, Any], here: Mapping[str, Attribute]) -> bool:
    return all(there.get(name) == here.get(name) for name in _SAME) and _attempt(there) < _attempt(here)


def _attempt(facts: Mapping[str, Any]) -> int:
    """How often the scheduler has run the task before, as far as it counts."""
    restart = str(facts.get("restart", "0"))
    return int(restart) if restart.isascii() and restart.isdigit() and len(restart) < len("1000000") else 0


def _youngest(directory: Path) -> list[Path]:
    found: list[tuple[float, Path]] = []
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.endswith(".jsonl"):
                with suppress(OSError):
                    found.append((entry.stat().st_mtime, Path(entry.path)))
    found.sort(reverse=True)
    return [path for _, path in found[:_LOOKED_AT_MOST]]


def _first_line(log: Path) -> _First | None:
    with suppress(OSError, msgspec.DecodeError, UnicodeDecodeError), log.open("rb") as file:
        return msgspec.json.decode(file.readline(_LINE_AT_MOST), type=_First)
    return None
