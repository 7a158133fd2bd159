"""How soltrace says that telemetry does less than was asked for."""

import sys
import warnings
from contextlib import suppress
from typing import Final, TextIO

from soltrace.errors import SoltraceWarning

SAID: set[str] = set()
"""What has been said in this process."""
_ON: Final[list[TextIO | None]] = []
"""Where to say it, if that is not `sys.stderr`."""


def warn_once(message: str) -> None:
    """Warn, if this has not been said."""
    if message not in SAID:
        SAID.add(message)
        warn(message)


def warn(message: str) -> None:
    """Warn, and go on even where warnings are errors: this may run inside a solve."""
    try:
        warnings.warn(message, SoltraceWarning, stacklevel=2)
    except Exception:  # noqa: BLE001 - the warning, or whatever a `warnings.showwarning` of the program's own raises
        say(message)


def say_on(stream: TextIO | None) -> None:
    """Say things here from now on, and not in what a program puts in the place of `sys.stderr` to look into it."""
    _ON[:] = [stream]


def say(message: str) -> None:
    """Say something on stderr, where there is one: `print` would take stdout for None, and raises if it is closed."""
    stderr = _ON[0] if _ON else getattr(sys, "stderr", None)  # None under pythonw and daemons
    if stderr is not None:
        with suppress(Exception):  # of a program's own, it raises what it likes
            print(f"soltrace: {message}", file=stderr)
