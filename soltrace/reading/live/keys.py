r"""What a terminal sends for a key, as names of keys: `\x1b[A` is `up`. Pure."""

import re
from typing import Final

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
_TOKEN: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1bO.|\x1b[^\x1b\[O]|.", re.DOTALL)
_UNFINISHED: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|O)?\Z")


def decode(text: str, *, whole: bool = False) -> tuple[list[str], str]:
    """Read keys.

    Args:
        text: What was sent.
        whole: Nothing follows: an escape at the end is that key, and does not begin a sequence.

    Returns:
        The names of keys, a character's own for one that can be shown; and the beginning of a sequence that is not
        complete. What is none of ours is left out.
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
