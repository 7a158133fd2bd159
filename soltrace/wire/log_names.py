"""What logs are called: who writes them and who reads them must agree on it.

Any side.
"""

import os
import re
from pathlib import Path
from typing import Final

DEFAULT_DIRECTORY: Final = "soltrace-runs"
DIRECTORY_VARIABLE: Final = "SOLTRACE_DIR"
ENDING: Final = ".jsonl"
OVER_OTLP: Final = ".exported.jsonl"
"""How the log of a run ends whose records go out by themselves too: a collector that reads files leaves it alone."""
NODE: Final = "node-"
"""How the log begins that all processes of a node write."""
_PART: Final = re.compile(r"(?P<stem>.+)\.part(?P<number>\d{4,})(?P<ending>(\.exported)?\.jsonl)")
_FIRST: Final = re.compile(r"(?P<stem>.+?)(?P<ending>(\.exported)?\.jsonl)")


def part_name(first: str, number: int) -> str:
    """Name a part of a log, so that parts sort: `run.jsonl`, `run.part0002.jsonl`, and so on.

    Args:
        first: What the first part is called.
        number: From 1.
    """
    found = _FIRST.fullmatch(first)
    if number == 1 or found is None:
        return first
    return f"{found['stem']}.part{number:04}{found['ending']}"


def first_part(name: str) -> str | None:
    """Name the first part of the log that a file is a later part of; None where it is none."""
    found = _PART.fullmatch(name)
    return None if found is None else f"{found['stem']}{found['ending']}"


def part_number(name: str) -> int:
    """Number a part, from 1."""
    found = _PART.fullmatch(name)
    return 1 if found is None else int(found["number"])


def directory_of(name: "str | os.PathLike[str]") -> Path:
    """Find a directory of logs: a `~` in front is the user's home, as where a shell has seen it.

    A shell leaves it alone in quotes and behind `=`, and none sees what stands in a program or in a file of settings.
    """
    try:
        return Path(name).expanduser()
    except RuntimeError:  # there is no home
        return Path(name)


def default_directory() -> Path:
    """Find the directory that logs are in where a program, or a command, names none."""
    said = os.environ.get(DIRECTORY_VARIABLE, "")
    return directory_of(said if said.strip() else DEFAULT_DIRECTORY)
