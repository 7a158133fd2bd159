"""How soltrace says that telemetry does less than was asked for."""

import sys
import warnings
from contextlib import suppress

from soltrace.errors import SoltraceWarning

SAID: set[str] = set()
"""What has been said in this process."""


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


def say(message: str) -> None:
    """Say something on stderr, where there is one: `print` would take stdout for None, and raises if it is closed."""
    stderr = getattr(sys, "stderr", None)  # None under pythonw and daemons
    if stderr is not None:
        with suppress(Exception):  # of a program's own, it raises what it likes
            print(f"soltrace: {message}", file=stderr)
