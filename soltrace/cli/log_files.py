"""What the commands that read whole logs have in common: which files they read, and what they say where there are none.

A check returns what is wrong, to be said after the command's name, or None.
"""

import argparse
import importlib.util
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from soltrace.cli.tail_arguments import DEFAULT_DIRECTORY, DIRECTORY_VARIABLE

EXTRA: Final = "report"
"""The extra that these commands need."""


def add_paths(parser: argparse.ArgumentParser) -> None:
    """Declare the argument for the logs that are read."""
    parser.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="PATH",
        help=f"log files, directories of them, or patterns (default: ${DIRECTORY_VARIABLE}, or {DEFAULT_DIRECTORY}/)",
    )


def files(paths: Sequence[Path]) -> list[Path]:
    """List the log files that are meant, each of them once, however many paths lead to it."""
    from soltrace.reading.files.places import logs

    return list({os.path.realpath(file): file for path in _chosen(paths) for file in logs(path)}.values())


def unfit(paths: Sequence[Path]) -> str | None:
    """Check that there is something to read."""
    from soltrace.reading.files.places import PATTERN, is_pattern, logs

    hint = "give a file or a directory that soltrace has written"
    for path in _chosen(paths):
        if is_pattern(path):
            if not logs(path):
                return f"nothing matches {path}: {hint}"
        elif not path.exists():
            return f"{path} does not exist: {hint}"
        elif not (path.is_dir() or path.is_file()):
            return f"{path} is neither a file nor a directory"
        elif not logs(path):
            return f"there is no {PATTERN} in {path}: {hint}"
    unreadable = next((file for file in files(paths) if not os.access(file, os.R_OK)), None)
    return None if unreadable is None else f"cannot read {unreadable}"


def _chosen(paths: Sequence[Path]) -> Sequence[Path]:
    return paths or [Path(os.environ.get(DIRECTORY_VARIABLE) or DEFAULT_DIRECTORY)]


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
