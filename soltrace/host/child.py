"""Processes that may end otherwise than others do: children of `multiprocessing`, forks, and those that are told to.

Host side, any thread.
"""

import functools
import os
import threading
from pathlib import Path
from typing import Final

from soltrace.wire.multiprocessings import that_started_this

BEFORE_IT_IS_TERMINATED_S: Final = 1.0
"""How long the end of an experiment may take to get to its log there."""
_STAT: Final = Path("/proc/self/stat")
_FLAGS: Final = 6
"""Where the kernel's flags are in it, behind the name, which ends with the last parenthesis."""
_FORKED_AND_NOT_STARTED_ANEW: Final = 0x40
"""`PF_FORKNOEXEC` of Linux."""
_IMPORTED_IN: Final = os.getpid()
_WARNED: Final = threading.Event()


def is_child_of_multiprocessing() -> bool:
    """Say whether this process is one, or a child of what was made of it."""
    return that_started_this() is not None


def may_end_at_once() -> bool:
    """Say whether this process may end as soon as it has done its work, and without its exit handlers.

    A pool of `multiprocessing` terminates its workers once it has their results. The child of a fork leaves by
    `os._exit`, as those of any `os.fork` do. A server that was told to end by a signal, as uvicorn
    is, ends what it is about, and dies of that signal then.
    """
    return _WARNED.is_set() or is_child_of_multiprocessing() or _is_forked(os.getpid())


def end_is_near() -> None:
    """Note that a signal has come which ends processes, or warns of their end, and that the program decides."""
    _WARNED.set()


@functools.cache
def _is_forked(process: int) -> bool:
    """Say whether this process was forked by one that is a Python, and not started anew since."""
    if process != _IMPORTED_IN:
        return True
    try:  # the child may have been the first to import this
        stat = _STAT.read_text(encoding="utf-8", errors="replace")
        return bool(int(stat.rpartition(")")[2].split()[_FLAGS]) & _FORKED_AND_NOT_STARTED_ANEW)
    except (OSError, ValueError, IndexError):  # no Linux
        return False
