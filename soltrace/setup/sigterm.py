"""SIGTERM, for who asks for it: what has been told is written and exported before the process ends.

Host side, on a thread of its own. Not in a handler of Python's alone: that runs when the main thread is back in Python,
which may be hours after a compiled solve began. A wake-up descriptor is written to at once, wherever the program is.
"""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from soltrace.errors import ConfigurationError
from soltrace.wire.descriptors import above_standard

NONE: Final = -1
"""No wake-up descriptor."""


class Listener:
    """Waits for the signal. There is one at most."""

    def __init__(self) -> None:
        """Begin without."""
        self.installed = False
        self._forking = threading.local()

    def install(self, end: Callable[[str], object]) -> None:
        """Have `end` called at SIGTERM, and the process end with status 143, as a shell reports that signal.

        A handler of the program's own stays, and nothing is installed: a process that ends by it ends as usual.

        Raises:
            ConfigurationError: this is not the main thread, or another library (asyncio) waits for signals already.
        """
        if self.installed or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            return
        if threading.current_thread() is not threading.main_thread():
            raise ConfigurationError("flush_on_sigterm= must be given on the main thread: only that one takes signals.")
        reader, writer = map(above_standard, os.pipe())
        os.set_blocking(writer, False)
        before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        if before != NONE:
            signal.set_wakeup_fd(before)
            raise ConfigurationError("flush_on_sigterm= must be given before an event loop runs, which takes signals.")
        # It writes too: an event loop that begins later has the descriptor for itself.
        signal.signal(signal.SIGTERM, lambda number, _: os.write(writer, bytes([number])))
        threading.Thread(target=_wait, args=(reader, end), name="soltrace-sigterm", daemon=True).start()
        self.installed = True

    def hold(self) -> None:
        """Let the signal wait while the process forks: a child killed right then would tell its parent to end."""
        self._forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM} if self.installed else ())

    def release(self) -> None:
        """Go on as before."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self._forking.mask)

    def forget(self) -> None:
        """Die of it at once, in the child of a fork: the thread is not there, and the descriptor is the parent's."""
        if self.installed:
            self.installed = False
            with suppress(ValueError):
                signal.set_wakeup_fd(NONE)
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self.release()


def _wait(reader: int, end: Callable[[str], object]) -> None:
    while signal.SIGTERM not in os.read(reader, 64):
        continue
    try:
        end(signal.SIGTERM.name)
    finally:
        os._exit(128 + signal.SIGTERM)


SIGTERM: Final = Listener()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=SIGTERM.hold, after_in_parent=SIGTERM.release, after_in_child=SIGTERM.forget)
