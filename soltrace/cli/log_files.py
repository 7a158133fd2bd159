"""Which logs a command reads, and what it says where there are none.

A check returns what is wrong, to be said after the command's name, or None.
"""

import argparse
import importlib.util
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from soltrace.wire.log_names import DEFAULT_DIRECTORY, DIRECTORY_VARIABLE, default_directory

LONGEST_MESSAGE: Final = 2000
"""Characters of what a command says on stderr: it may name a file."""
EXTRA: Final = "report"
"""The extra that the commands need which read whole logs."""


def add_paths(parser: argparse.ArgumentParser) -> None:
    """Declare the argument for the logs that are read."""
    parser.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="PATH",
        help=f"log files, directories of them, or patterns (default: ${DIRECTORY_VARIABLE}, or {DEFAULT_DIRECTORY}/)",
    )


def files(paths: Sequence[Path], say: Callable[[str], None]) -> list[Path]:
    """List the log files that are meant and can be read, each of them once, however many paths and copies there are.

    Args:
        paths: Files, directories and patterns.
        say: Is called with what is left out, once each.
    """
    from soltrace.reading.files.copies import without_copies
    from soltrace.reading.files.places import logs

    said: list[str] = []
    found = [file for path in paths or [default_directory()] for file in logs(path, said.append)]
    each = {os.path.realpath(file): file for file in found}.values()
    said += [f"cannot read {file}: Permission denied" for file in each if not os.access(file, os.R_OK)]
    kept = without_copies([file for file in each if os.access(file, os.R_OK)], said.append)
    for message in dict.fromkeys(said):
        say(message)
    return kept


def unfit(paths: Sequence[Path]) -> str | None:
    """Check that there is something to read, and that some of it can be read."""
    if problem := absent(paths or [default_directory()]):
        return problem
    said: list[str] = []
    return None if files(paths, said.append) else said[0]


def absent(paths: Sequence[Path], *, follow: bool = False) -> str | None:
    """Check that there are logs.

    Args:
        paths: Files, directories and patterns.
        follow: Whether they are waited for, so that they need not be there yet.
    """
    from soltrace.reading.files.places import PATTERN, is_pattern, logs

    hint = "give a file or a directory that soltrace has written"
    for path in paths:
        pattern = is_pattern(path)
        if path.exists() and not (path.is_dir() or path.is_file()):
            return f"{path} is neither a file nor a directory"
        if follow:
            continue
        if not pattern and not path.exists():
            return f"{path} does not exist: {hint}"
        said: list[str] = []
        try:
            found = logs(path, said.append)
        except OSError as error:
            return f"cannot read {path}: {error.strerror}"
        if not found:
            nothing = f"nothing matches {path}: {hint}" if pattern else f"there is no {PATTERN} in {path}: {hint}"
            return next((message for message in said if message.startswith("cannot")), nothing)
    return None


def missing_modules(modules: Iterable[str]) -> str | None:
    """Check that the modules which a command needs are installed."""
    names = [name for name in modules if importlib.util.find_spec(name) is None]
    return f"needs {', '.join(names)}, not installed here: pip install 'soltrace[{EXTRA}]'" if names else None


def unfit_target(target: Path) -> str | None:
    """Check that a file can be written."""
    if target.is_dir():
        return f"{target} is a directory: give the name of a file"
    if not target.parent.is_dir():
        return f"there is no directory {target.parent}"
    if not os.access(target.parent, os.W_OK):
        return f"cannot write into {target.parent}"
    return None
