r"""Tidies up a terminal when the process that draws on it cannot: it was stopped (Ctrl-Z), killed, or has crashed.

A process of its own, which imports little. Not a handler of SIGTSTP: it would run when
the main thread is back in Python, which may be hours after a compiled solve began; and handlers are the program's.
This file is both: what starts it, and the program itself, which knows the standard library and nothing of ours.
"""

import os
import select
import subprocess
import sys
import time
from contextlib import suppress
from typing import Final

TIDY: Final = "\x1b7\x1b[r\x1b8\x1bD\x1b7\r\x1b[J\x1b8\x1b[A"
"""The whole terminal scrolls again, and the rows below the cursor's go. Harmless where it was so already.

Cleared from the next row on: tmux keeps a screen in its history that is cleared from the first place on.
"""
_LOOK_S: Final = 0.1
_LOOKS: Final = 200
_BETWEEN_S: Final = 0.005
_UP: Final = b"u"
_DOWN: Final = b"d"
_QUIT: Final = b"q"
"""Not the end of the pipe alone: a child that this process has forked may hold it open."""


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
        self._tell(_UP)

    def stand_down(self) -> None:
        """Tidy up no more: there is nothing."""
        self._tell(_DOWN)

    def dismiss(self) -> None:
        """End the process."""
        self._tell(_QUIT)
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
                [sys.executable, "-I", "-S", __file__, str(os.getpid())],
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


def stand_guard(parent: int) -> None:
    """Do what the process is for, until the one that it guards ends or says so."""
    up = tidied = False
    while os.getppid() == parent:
        if select.select([0], [], [], _LOOK_S)[0]:
            told = os.read(0, 64)
            if not told:
                break
            if told.endswith(_QUIT):
                return
            up, tidied = told.endswith(_UP), False
        stopped = up and _is_stopped(parent)
        if stopped and not tidied:
            os.write(1, TIDY.encode())
        tidied = stopped
    if up:
        os.write(1, TIDY.encode())


def _is_stopped(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat", "rb") as stat:  # noqa: PTH123 - pathlib takes longer than all of this
            return stat.read().rpartition(b") ")[2][:1] == b"T"
    except OSError:
        return False


if __name__ == "__main__":
    stand_guard(int(sys.argv[1]))
