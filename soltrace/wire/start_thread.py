"""Starts a thread of soltrace's own, where one can be started, and knows it again."""

import threading
from collections.abc import Callable
from contextvars import Context


class _OwnThread(threading.Thread):
    """A thread of soltrace's own."""


def on_own_thread() -> bool:
    """Say whether this is called on one: by a sink or a processor of the program's own, where it is no code of ours."""
    return isinstance(threading.current_thread(), _OwnThread)


def start_thread(run: Callable[[], None], name: str) -> threading.Thread | None:
    """Start a daemon thread, and return it; None if that is impossible.

    It is in no experiment and no span, also where a thread inherits the context of who starts it, as from Python 3.14
    on it may.

    None can be started while the interpreter ends, from Python 3.12 on, nor beyond a limit of the system, nor in a
    program that has deleted `sys.stderr`, which a thread keeps.
    """
    try:
        thread = _OwnThread(target=Context().run, args=(run,), name=name, daemon=True)
        thread.start()
    except Exception:  # noqa: BLE001 - whatever the cause is, the caller does without
        return None
    return thread
