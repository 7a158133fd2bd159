r"""Tidies up a terminal when the process that draws on it cannot: it was stopped (Ctrl-Z), killed, or has crashed.

A process of its own. Not a handler of SIGTSTP: it would run when the main thread is back in Python, which may be hours
after a compiled solve began; and handlers are the program's.
"""

import os
import subprocess
import sys
import time
from contextlib import suppress
from typing import Final

from soltrace.at_hand import guard_process
from soltrace.at_hand.guard_process import DOWN, QUIT, UP

_LOOKS: Final = 200
_BETWEEN_S: Final = 0.005


class Guard:
    """The process, as the one that it guards sees it.

    Args:
        fd: Of the terminal.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._process: int | None = None
        self._pipe: int | None = None

    def stand_by(self) -> None:
        """Tidy up from now on if something happens; the process is started by the first call."""
        if self._pipe is None:
            self._start()
        self._tell(UP)

    def stand_down(self) -> None:
        """Tidy up no more: there is nothing."""
        self._tell(DOWN)

    def dismiss(self) -> None:
        """End the process."""
        self._tell(QUIT)
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
        if self._process is not None:
            _await(self._process)
            self._process = None

    def _start(self) -> None:
        if not sys.executable or getattr(sys, "frozen", False):
            return  # there is no Python that could be started: that is the program itself
        reader, writer = os.pipe()  # which programs that are started do not inherit
        try:
            process = subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, "-I", "-S", guard_process.__file__, str(os.getpid())],
                stdin=reader,
                stdout=self._fd,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # no key of this terminal reaches it
                cwd="/",
            )
        except OSError:
            os.close(writer)  # it goes without
        else:
            self._pipe, self._process = writer, process.pid
            process.returncode = 0  # or the child of a fork, where this is dropped, would complain that it still runs
        finally:
            os.close(reader)

    def _tell(self, what: bytes) -> None:
        if self._pipe is not None:
            try:
                os.write(self._pipe, what)
            except OSError:  # it was killed
                os.close(self._pipe)
                self._pipe = None


def _await(process: int) -> None:
    """Leave no zombie, and do not wait for long: it ends within milliseconds."""
    with suppress(ChildProcessError):  # the program waits for any child
        for _ in range(_LOOKS):
            if os.waitpid(process, os.WNOHANG)[0]:
                return
            time.sleep(_BETWEEN_S)
