"""Which run does this one continue, where a scheduler runs a task again that it had ended?

Host side, on the thread of whoever solves first. The logs of the directory say it in lines `log.opened`: a log of one
run in its first line, that of a node in any. Looked for only where the scheduler counts its attempts, and only in so
many logs, for so long.
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from soltrace.setup.logs import scheduled_place
from soltrace.setup.settings import Settings
from soltrace.wire.log_names import NODE
from soltrace.wire.records import Attribute, LogOpened

_LOOKED_AT_MOST: Final = 1000
"""Logs, the youngest first."""
_FOR_S: Final = 1.0
"""A file system that is slow is not to keep the program from its work."""
_LINE_AT_MOST: Final = 1 << 16
_CHUNK: Final = 1 << 20
"""Bytes of a node's log that are looked through at once, from its end."""
_OPENED: Final = str(LogOpened.__struct_config__.tag).encode()
_SAME: Final = ("scheduler", "job", "array_task", "rank")
"""What the runs of one task have in common."""


class _Opened(msgspec.Struct):
    """What is needed of a line `log.opened`."""

    timestamp: datetime
    event: str
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
    former: _Opened | None = None
    deadline = time.monotonic() + _FOR_S
    for log in _youngest(settings.log_directory(), facts, deadline):
        for opened in _openings(log, deadline):
            if _is_earlier(opened.resource, facts):
                former = opened if former is None else max(former, opened, key=lambda run: run.timestamp)
                break  # of a node's log, this is the last
        if time.monotonic() > deadline:
            break
    return None if former is None else former.run_id


def _is_earlier(there: Mapping[str, Any], here: Mapping[str, Attribute]) -> bool:
    return all(there.get(name) == here.get(name) for name in _SAME) and _attempt(there) < _attempt(here)


def _attempt(facts: Mapping[str, Any]) -> int:
    """How often the scheduler has run the task before, as far as it counts."""
    restart = str(facts.get("restart", "0"))
    return int(restart) if restart.isascii() and restart.isdigit() and len(restart) < len("1000000") else 0


def _youngest(directory: Path, facts: Mapping[str, Attribute], deadline: float) -> list[Path]:
    """List the logs that may hold a run of the same job, by their names."""
    job = "-".join(scheduled_place({name: fact for name, fact in facts.items() if name == "job"}))
    found: list[tuple[float, Path]] = []
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.endswith(".jsonl") and f"-{job}" in entry.name:
                with suppress(OSError):
                    found.append((entry.stat().st_mtime, Path(entry.path)))
            if time.monotonic() > deadline:
                break
    found.sort(reverse=True)
    return [path for _, path in found[:_LOOKED_AT_MOST]]


def _openings(log: Path, deadline: float) -> Iterator[_Opened]:
    """Read the lines that say where a run lives: of a node's log all, from its end, of another the first."""
    with suppress(OSError), log.open("rb") as file:
        lines = _from_the_end(file, deadline) if log.name.startswith(NODE) else [file.readline(_LINE_AT_MOST)]
        for line in lines:
            with suppress(msgspec.DecodeError, UnicodeDecodeError):
                opened = msgspec.json.decode(line, type=_Opened)
                if opened.event.encode() == _OPENED:
                    yield opened


def _from_the_end(file: BinaryIO, deadline: float) -> Iterator[bytes]:
    """Read the lines in which the event's name is, the last one first."""
    begins, rest = file.seek(0, os.SEEK_END), b""
    while begins > 0 and time.monotonic() <= deadline:
        ends, begins = begins, max(0, begins - _CHUNK)
        file.seek(begins)
        data = file.read(ends - begins) + rest
        # What begins before the chunk is looked at with the one before it.
        whole = data.find(b"\n") + 1 if begins else 0
        rest = data[:whole][-_LINE_AT_MOST:]
        at = data.rfind(_OPENED, whole)
        while at >= 0:
            start = max(data.rfind(b"\n", whole, at) + 1, whole)
            end = data.find(b"\n", at)
            yield data[start : len(data) if end < 0 else end]
            at = data.rfind(_OPENED, whole, start)
