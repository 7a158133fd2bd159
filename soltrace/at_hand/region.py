r"""The last rows of a terminal, kept apart from the rest by a scroll region: what anybody prints scrolls above them.

So nothing of what is printed has to pass through here. Not a redirected `sys.stdout`, as progress bars have it:
handlers of `logging` hold the old stream, a bar of tqdm's ends in the middle of a line, and what C code or another
process writes never comes by. Each picture is one `write`, which the terminal takes as a whole; in between, the
cursor is where the program left it, with its colours, and visible.

Sequences as ECMA-48 and DEC's VT100 have them, which every terminal but a dumb one knows; `apt` draws its bar so.
"""

import os
import select
from collections.abc import Sequence
from typing import Final

from soltrace.at_hand.guard import Guard
from soltrace.at_hand.guard_process import TIDY

_SAVE: Final = "\x1b7"
_BACK: Final = "\x1b8"
_WHOLE: Final = "\x1b[r"
_DOWN: Final = "\x1bD"
"""One row down in the same column, and at the last row the rest scrolls: a newline would go to the first column."""
_CLEAR_ROW: Final = "\x1b[2K"
_STOP_WRAPPING: Final = "\x1b[?7l"
_WRAP: Final = "\x1b[?7h"


class Region:
    """The rows. Used by one thread at a time.

    Args:
        fd: Of the terminal.
        guard: Tidies up when this process cannot.
    """

    def __init__(self, fd: int, guard: Guard) -> None:
        self._fd = fd
        self._guard = guard
        self._rows = 0
        """How many there are now; 0: none, and the terminal is as the program expects it."""
        self._size: os.terminal_size = os.terminal_size((0, 0))

    def show(self, lines: Sequence[str], *, anew: bool = False) -> None:
        """Draw these, none wider than the terminal and fewer than it has rows.

        Args:
            lines: What to draw.
            anew: Whether somebody else may have drawn there meanwhile.
        """
        if not self._can_be_written():
            return  # Ctrl-S
        size = os.get_terminal_size(self._fd)
        steps: list[str] = []
        if self._rows and (anew or size != self._size):
            # Where the rows went to is the terminal's secret; but they are below the cursor.
            steps.append(TIDY)
            self._rows = 0
        if len(lines) != self._rows:
            steps.append(self._erased())
        if len(lines) > self._rows:
            steps += [_DOWN * len(lines), f"\x1b[{len(lines)}A"]
        first = size.lines - len(lines) + 1
        # The region each time: who clears or resets the terminal has taken it away.
        steps += [_SAVE, f"\x1b[1;{first - 1}r", _STOP_WRAPPING]
        steps += [f"\x1b[{first + index};1H{_CLEAR_ROW}{line}" for index, line in enumerate(lines)]
        steps += [_WRAP, _BACK]
        if not self._rows:
            self._guard.stand_by()
        self._rows, self._size = len(lines), size
        self._write("".join(steps))

    def tidy(self) -> None:
        """Take the rows away: the whole terminal is the program's again."""
        if self._rows:
            self._rows = 0
            self._write(TIDY)
        self._guard.stand_down()

    def leave(self, lines: Sequence[str]) -> None:
        """Take the rows away, and print lines that stay."""
        self.tidy()
        if lines and self._can_be_written():
            # A full row of spaces goes to the next row, unless the cursor is at the beginning of an empty one.
            fresh = f"{' ' * os.get_terminal_size(self._fd).columns}\r\x1b[K"
            self._write(fresh + "".join(f"{line}\r\n" for line in lines))

    def forget(self) -> None:
        """Take it that the rows are gone: while this process was stopped, the guard has tidied up."""
        self._rows = 0

    def _erased(self) -> str:
        if not self._rows:
            return ""
        first = self._size.lines - self._rows + 1
        rows = "".join(f"\x1b[{first + index};1H{_CLEAR_ROW}" for index in range(self._rows))
        return f"{_SAVE}{_WHOLE}{rows}{_BACK}"

    def _can_be_written(self) -> bool:
        return bool(select.select([], [self._fd], [], 0)[1])

    def _write(self, text: str) -> None:
        os.write(self._fd, text.encode(errors="replace"))
