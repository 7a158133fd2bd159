"""Threads of the system's, also where gevent or eventlet has put greenlets in their place.

Any side. These replace what `threading` has: each greenlet gets a `threading.local` and a number of its own then. But a
compiled program runs on a thread, and signals, garbage and the key of what jax has compiled are a thread's.
"""

import sys
import threading
from typing import TYPE_CHECKING, Any


def _original(name: str) -> Any:
    """What `threading` had under a name before it was patched."""
    if threading.local.__module__ != "_thread":
        if (gevent := sys.modules.get("gevent.monkey")) is not None:
            return gevent.get_original("threading", name)
        if (eventlet := sys.modules.get("eventlet.patcher")) is not None:
            return getattr(eventlet.original("threading"), name)
    return getattr(threading, name)


if TYPE_CHECKING:
    SystemLocal = threading.local
    system_thread = threading.get_ident
else:
    SystemLocal, system_thread = _original("local"), _original("get_ident")
