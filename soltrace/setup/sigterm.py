"""SIGTERM, and the other signals by which schedulers end a job: what has been told is written before the process ends.

Host side, on a thread of its own. Not in a handler of Python's alone: that runs when the main thread is back in Python,
which may be hours after a compiled solve began. A wake-up descriptor is written to at once, wherever the program is.
"""

import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Final

from soltrace.errors import ConfigurationError
from soltrace.wire.descriptors import above_standard

NONE: Final = -1
"""No wake-up descriptor."""
FATAL: Final = frozenset(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU") if hasattr(signal, name)
)
"""By which schedulers end a job, or warn of its end, and of which a process dies that does nothing about them."""
_WARNING: Final = FATAL | {signal.SIGINT}
"""After which a SIGKILL may follow, whatever the program does about them."""
_OURS: Final = 128
"""Added to the number of a signal whose handler is ours. The wake-up descriptor gets the number alone, of every signal
that Python handles."""
_TO_DIE_S: Final = 0.5
_SIGACTION_AT_MOST: Final = 1024
"""Bytes: more than any system's `struct sigaction` has."""
_INIT: Final = 1
"""The process of a container that a signal kills only if it says so itself."""


class Listener:
    """Waits for signals. There is one at most."""

    def __init__(self) -> None:
        """Begin without."""
        self.installed: frozenset[int] = frozenset()
        """The signals whose handler is ours, as far as nobody has installed another one since."""
        self._listens = False
        self._writer = NONE
        self._forking = threading.local()

    def install(self, end: Callable[[str], object], write: Callable[[], object]) -> None:
        """Have `end` called at a signal of which the process would die, and have it die of that signal then.

        A handler of the program's own stays, and so does one that it installs later: it decides how the process goes on
        or ends, and until it runs, `write` is called.

        Args:
            end: Is called with the name of the signal, on another thread.
            write: Writes down what has been told so far.

        Raises:
            ConfigurationError: this is not the main thread, or another library (asyncio) waits for signals already.
        """
        if self._listens:
            return
        deadly = _is_deadly(signal.SIGTERM)
        if threading.current_thread() is not threading.main_thread():
            if deadly:
                raise ConfigurationError(
                    "flush_on_sigterm= must be given on the main thread: only that one takes signals."
                )
            return
        if not self._listen(end, write):
            if deadly:
                raise ConfigurationError(
                    "flush_on_sigterm= must be given before an event loop runs, which takes signals."
                )
            return
        self.installed = frozenset(filter(_is_deadly, FATAL))
        for number in self.installed:
            signal.signal(number, self._handle)

    def install_if_possible(self, end: Callable[[str], object], write: Callable[[], object]) -> None:
        """Do the same where nobody has asked for it: where it can't be done, it is not."""
        # The first process of a container dies of no signal that it does not handle: it goes on until SIGKILL.
        if os.getpid() != _INIT and threading.current_thread() is threading.main_thread():
            with suppress(ConfigurationError):
                self.install(end, write)

    def _listen(self, end: Callable[[str], object], write: Callable[[], object]) -> bool:
        """Have a thread wait; not where the wake-up descriptor, of which there is one, is somebody else's."""
        reader, writer = map(above_standard, os.pipe())
        os.set_blocking(writer, False)
        before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        if before != NONE:
            signal.set_wakeup_fd(before)
            os.close(reader)
            os.close(writer)
            return False
        self._writer, self._listens = writer, True
        thread = threading.Thread(target=self._wait, args=(reader, end, write), name="soltrace-sigterm", daemon=True)
        thread.start()
        return True

    def _handle(self, number: int, _: FrameType | None) -> None:
        # It writes too: an event loop that begins later has the descriptor for itself; and a handler of the program's,
        # which has replaced this one, may call it.
        with suppress(BlockingIOError):
            os.write(self._writer, bytes([_OURS + number]))

    def _wait(self, reader: int, end: Callable[[str], object], write: Callable[[], object]) -> None:
        while True:
            for told in os.read(reader, 64):
                number = told % _OURS
                if told >= _OURS or (number in FATAL and signal.getsignal(number) == self._handle):
                    try:
                        end(signal.Signals(number).name)
                    finally:
                        _die_of(number)
                if number in _WARNING:
                    with suppress(Exception):  # what it could not write is counted
                        write()

    def hold(self) -> None:
        """Let the signals wait while the process forks: a child killed right then would tell its parent to end."""
        self._forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, self.installed)

    def release(self) -> None:
        """Go on as before."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self._forking.mask)

    def forget(self) -> None:
        """Die of them at once, in the child of a fork: the thread is not there, and the descriptor is the parent's."""
        if self._listens:
            with suppress(ValueError):
                signal.set_wakeup_fd(NONE)
                for number in self.installed:
                    if signal.getsignal(number) == self._handle:
                        signal.signal(number, signal.SIG_DFL)
            self._listens, self.installed = False, frozenset()
        self.release()


def _is_deadly(number: int) -> bool:
    """Say whether the process would die of a signal: nobody handles it, in Python or in C, and it is not ignored."""
    if signal.getsignal(number) is not signal.SIG_DFL:
        return False
    # Python knows nothing of what libraries install: `faulthandler.register`, and jax where it is told of preemptions.
    with suppress(Exception):
        found = ctypes.create_string_buffer(_SIGACTION_AT_MOST)
        if ctypes.CDLL(None).sigaction(ctypes.c_int(number), None, found) == 0:
            return not any(found.raw[: ctypes.sizeof(ctypes.c_void_p)])  # the handler comes first; none is SIG_DFL
    return True


def _die_of(number: int) -> None:
    """Die of a signal, as without us: so do whoever waits for the process, and the scheduler, see how it ended."""
    with suppress(Exception):
        # Not `signal.signal`: that is for the main thread alone, which may be anywhere.
        ctypes.CDLL(None).signal(ctypes.c_int(number), ctypes.c_void_p(None))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        os.kill(os.getpid(), number)
        time.sleep(_TO_DIE_S)
    os._exit(128 + number)  # asked to end by a signal that can't kill it, as the first process of a container


SIGTERM: Final = Listener()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=SIGTERM.hold, after_in_parent=SIGTERM.release, after_in_child=SIGTERM.forget)
