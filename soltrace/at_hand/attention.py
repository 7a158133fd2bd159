"""Who has the terminal's attention: this program, another one in the foreground, a debugger, an editor.

Host side, on the thread that draws. It only looks: no hook of the program's is replaced, and no handler of a signal.
"""

import os
import sys
import termios
from enum import Enum
from types import FrameType
from typing import Final

_DEBUGGERS: Final = frozenset(
    {"pdb", "cmd", "code", "ipdb", "pudb", "IPython.core.debugger", "IPython.terminal.debugger"}
)
"""Modules in which somebody waits for a command."""
_PROMPTS: Final = frozenset({"cmdloop", "_cmdloop", "interaction", "interact", "raw_input", "_interact"})
"""And the functions there in which they do so."""
_DEEPEST: Final = 12
"""Frames that are looked at from the innermost on: the prompt is one of the last calls."""
_LOCAL_MODES: Final = 3


class Attention(Enum):
    """Who has it."""

    OURS = "ours"
    DEBUGGER = "debugger"
    """The rows are taken away, for as long as commands are typed."""
    KEYS = "keys"
    """Somebody reads single keys: an editor, a pager after a pipe, a prompt that can be edited. Nothing is drawn."""
    ELSEWHERE = "elsewhere"
    """This process is in the background."""


class Watcher:
    """Looks again and again.

    Args:
        fd: Of the terminal.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def look(self) -> Attention:
        """Say who has the terminal's attention now."""
        if not self._foreground():
            return Attention.ELSEWHERE
        if in_a_debugger():
            return Attention.DEBUGGER
        return Attention.OURS if self._canonical() else Attention.KEYS

    def _canonical(self) -> bool:
        try:
            return bool(termios.tcgetattr(self._fd)[_LOCAL_MODES] & termios.ICANON)
        except termios.error:
            return True

    def _foreground(self) -> bool:
        try:
            return os.tcgetpgrp(self._fd) == os.getpgrp()
        except OSError:  # it is not the terminal that controls us, and nobody else's either
            return True


def in_a_debugger() -> bool:
    """Say whether a thread waits for a command of a debugger's, or in a prompt like it."""
    frames = sys._current_frames()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - there is no other way
    return any(map(_waits, frames.values()))


def _waits(frame: FrameType | None) -> bool:
    for _ in range(_DEEPEST):
        if frame is None:
            return False
        if frame.f_code.co_name in _PROMPTS and frame.f_globals.get("__name__") in _DEBUGGERS:
            return True
        frame = frame.f_back
    return False
