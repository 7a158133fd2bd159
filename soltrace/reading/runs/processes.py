"""Whether a process still is there: on this machine alone that can be known."""

import os
import socket
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_MARGIN: Final = timedelta(minutes=1)
"""By which a clock may have been set since."""
_STATE, _START = 0, 19
"""Of `/proc/PID/stat`, behind the name: which state, and how long after the system it was started."""


def process_is_gone(host: str, pid: int, began: datetime | None = None) -> bool:
    """Return whether a process is known to be gone. Nothing is known of those on other hosts.

    Args:
        host: Where it ran.
        pid: Its number.
        began: When it was there. One that was started later has its number, and is another.
    """
    if host != socket.gethostname() or pid <= 0:
        return False
    with suppress(PermissionError, OverflowError):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
    return _is_dead_or_another(pid, began)


def _is_dead_or_another(pid: int, began: datetime | None) -> bool:
    """Look closer, where the system tells: a process that nobody has waited for still has its number."""
    with suppress(OSError, ValueError, IndexError):
        fields = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        if fields[_STATE] in {"Z", "X"}:
            return True
        if began is not None:
            started_s = _booted_s() + int(fields[_START]) / os.sysconf("SC_CLK_TCK")
            return datetime.fromtimestamp(started_s, UTC) > began + _MARGIN
    return False


def _booted_s() -> int:
    lines = (_PROC / "stat").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("btime "))
