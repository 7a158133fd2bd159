"""The keys of the terminal in whose foreground we run: read one by one, unseen; it is left as it was found.

On the main thread, which is the one that signals reach. It has no thread of its own: `select` waits for keys until it
is time to look at the logs again.
"""

import codecs
import os
import re
import select
import signal
import sys
import termios
import tty
from types import FrameType
from typing import Any, Final, Self, TextIO

_NAMED: Final = {
    "\r": "enter",
    "\n": "enter",
    "\t": "tab",
    "\x7f": "backspace",
    "\b": "backspace",
    "\x15": "clear",  # Ctrl-U, as on a command line
    "\x1b": "esc",
}
_FINAL: Final = {"A": "up", "B": "down", "C": "right", "D": "left", "H": "home", "F": "end"}
_TILDE: Final = {"1": "home", "4": "end", "5": "page up", "6": "page down", "7": "home", "8": "end"}
# CSI as ECMA-48 has it, SS3 (arrows of a keypad in application mode), Alt with a key, or a character.
_TOKEN: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1bO[^\x1b]|\x1b[^\x1b\[O]|.", re.DOTALL)
_UNFINISHED: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|O)?\Z")


def decode(text: str, *, whole: bool = False) -> tuple[list[str], str]:
    r"""Decode what a terminal has sent into names of keys: `\x1b[A` is `up`.

    Args:
        text: What was sent.
        whole: Whether nothing follows, so that an escape at the end is that key and does not begin a sequence.

    Returns:
        The names of the keys (a printable character is its own name; keys that have no use here are left out), and the
        beginning of a sequence that is not complete.
    """
    rest = ""
    if not whole and (unfinished := _UNFINISHED.search(text)):
        text, rest = text[: unfinished.start()], unfinished.group()
    keys = (_key(token) for token in _TOKEN.findall(text))
    return [key for key in keys if key], rest


def _key(token: str) -> str:
    if len(token) == 1:
        return _NAMED.get(token) or (token if token.isprintable() else "")
    if token.startswith("\x1b["):
        # Modifiers, as in `\x1b[1;5A`, make no difference.
        return _TILDE.get(token[2:-1].partition(";")[0], "") if token.endswith("~") else _FINAL.get(token[-1], "")
    return _FINAL.get(token[2:], "") if token.startswith("\x1bO") else ""


_REST_OF_A_SEQUENCE_S: Final = 0.05
"""An escape that nothing follows for so long is the key."""
_MOST_AT_ONCE: Final = 4096


class Keyboard:
    """Reads keys from a terminal. A context manager, which can be entered again.

    Without a terminal (in a pipe, in a job of a scheduler) there are no keys, and it does nothing.

    Args:
        stream: Where keys come from.
    """

    def __init__(self, stream: TextIO = sys.stdin) -> None:
        self._fd = _descriptor(stream)
        self._ours = False
        """Whether the terminal is in our mode."""
        self._found: list[Any] | None = None
        """Its mode before."""
        self._rest = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("ignore")
        self._handlers: dict[int, Any] = {}
        self._stop_asked = False

    @property
    def connected(self) -> bool:
        """Whether there is a terminal that keys could come from."""
        return self._fd is not None

    @property
    def stop_asked(self) -> bool:
        """Whether Ctrl-Z was pressed, and `stop` is to be called."""
        return self._stop_asked

    @property
    def away(self) -> bool:
        """Whether the terminal is another program's for now: we run in the background (`bg`, `&`)."""
        return self._fd is not None and not self._foreground(self._fd)

    def __enter__(self) -> Self:
        if self._fd is not None:
            for number, handler in ((signal.SIGTSTP, self._ask_to_stop), (signal.SIGCONT, self._continued)):
                self._handlers[number] = signal.signal(number, handler)
            self.take()
        return self

    def __exit__(self, *error: object) -> None:
        self._give_back()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def take(self) -> bool:
        """Put the terminal into our mode if it is ours to use.

        Returns:
            Whether it was in another mode: what is on the screen now may be another program's.
        """
        if self._fd is None or self._ours or not self._foreground(self._fd):
            return False
        if self._found is None:
            self._found = termios.tcgetattr(self._fd)
        # Not raw: Ctrl-C and Ctrl-Z stay signals, and what is printed keeps its line ends.
        tty.setcbreak(self._fd, termios.TCSADRAIN)
        self._ours = True
        return True

    def read(self, timeout_s: float = 0.0) -> list[str]:
        """Wait up to so many seconds for keys, and return their names."""
        if self._fd is None or not self._ours or not self._foreground(self._fd):
            select.select([], [], [], timeout_s)
            return []
        keys, self._rest = decode(self._rest + self._available(self._fd, timeout_s))
        if self._rest:
            more = self._available(self._fd, _REST_OF_A_SEQUENCE_S)
            more_keys, self._rest = decode(self._rest + more, whole=not more)
            keys += more_keys
        return keys

    def stop(self) -> None:
        """Stop this process, as Ctrl-Z does. When it goes on, `take` puts the terminal into our mode again."""
        self._give_back()
        handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, handler)
        self._stop_asked = False

    def _available(self, fd: int, timeout_s: float) -> str:
        if not select.select([fd], [], [], timeout_s)[0]:
            return ""
        try:
            sent = os.read(fd, _MOST_AT_ONCE)
        except OSError:
            sent = b""
        if not sent:  # The terminal is gone.
            self._fd = None
        return self._decoder.decode(sent)

    def _give_back(self) -> None:
        # In the background it is not ours to change: that would stop us.
        if self._ours and self._fd is not None and self._found is not None and self._foreground(self._fd):
            # What was typed and not read would be the shell's next command.
            termios.tcsetattr(self._fd, termios.TCSAFLUSH, self._found)
        self._ours = False

    @staticmethod
    def _foreground(fd: int) -> bool:
        try:
            return os.tcgetpgrp(fd) == os.getpgrp()
        except OSError:  # It is not our controlling terminal, or is gone.
            return False

    def _ask_to_stop(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        # Not at once: the screen is tidied up first, and may be half written now.
        self._stop_asked = True

    def _continued(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        # The shell has put the terminal into its own mode.
        self._ours = False


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno() if stream.isatty() else None
    except (OSError, ValueError):  # No file, or closed.
        return None
