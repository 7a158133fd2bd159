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
    except SoltraceWarning:
        say(message)


def say(message: str) -> None:
    """Say something on stderr, where there is one: `print` would take stdout for None, and raises if it is closed."""
    if sys.stderr is not None:  # pyright: ignore[reportUnnecessaryComparison] - it is under pythonw and daemons
        with suppress(OSError, ValueError):
            print(f"soltrace: {message}", file=sys.stderr)  # noqa: T201
