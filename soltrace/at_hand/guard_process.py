r"""The process that tidies up a terminal when the one that draws on it cannot: the program that `guard` starts.

It knows nothing of ours, and imports little: it starts beside the first solves, and takes processor time of theirs.
"""

import os
import select
import sys

TIDY = "\x1b7\x1b[r\x1b8\x1bD\x1b7\r\x1b[J\x1b8\x1b[A"
"""The whole terminal scrolls again, and the rows below the cursor's go. Harmless where it was so already.

Cleared from the next row on: tmux keeps a screen in its history that is cleared from the first place on.
"""
UP = b"u"
"""Rows have been drawn: tidy up if something happens."""
DOWN = b"d"
"""They are gone."""
QUIT = b"q"
"""Not the end of the pipe alone: a child that the guarded process has forked may hold it open."""
_LOOK_S = 0.1
"""How long to wait for what is told, before a look at the guarded process."""


def stand_guard(parent: int) -> None:
    """Do what the process is for, until the one that it guards ends or says so."""
    up = tidied = False
    while os.getppid() == parent:
        if select.select([0], [], [], _LOOK_S)[0]:
            told = os.read(0, 64)
            if not told:
                break
            if told.endswith(QUIT):
                return
            up, tidied = told.endswith(UP), False
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
