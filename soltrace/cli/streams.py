"""The standard streams, when they are closed, or lead where there is no room."""

import errno
import os
import sys
from typing import Final, TextIO

from soltrace.cli.log_files import LONGEST_MESSAGE

_STANDARD: Final = (0, 1, 2)


def open_streams() -> None:
    """Put something in the place of standard streams that are closed.

    Otherwise the next file that is opened is taken for them. What is written to stdout fails, as it does on a full
    disk; what is written to stderr is lost.
    """
    for descriptor in _STANDARD:
        try:
            os.fstat(descriptor)
        except OSError:
            # For reading alone. It gets the lowest number that is free, which is this one.
            os.open(os.devnull, os.O_RDONLY)
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison] - it is, where there was none
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - as long as the process
    if sys.stderr is None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115


def discard_output() -> None:
    """Have what stdout still holds vanish: the interpreter flushes once more as it ends, and would complain."""
    _discard(sys.stdout)


def _discard(stream: TextIO) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def complain(command: str | None, message: str) -> None:
    """Say what is wrong on stderr, after the name of the command. Where that can't be written, nobody hears it."""
    from soltrace.reading.text import clean

    name = f"soltrace {command}" if command else "soltrace"
    # It may hold the name of somebody else's file.
    try:
        print(f"{name}: {clean(message, LONGEST_MESSAGE)}", file=sys.stderr, flush=True)
    except OSError:
        _discard(sys.stderr)


def failed_output(error: OSError) -> str:
    """Say in words that what was to be written could not be."""
    if error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    why = "it is closed" if error.errno == errno.EBADF else error.strerror or str(error)
    return f"cannot write to standard output: {why}"
