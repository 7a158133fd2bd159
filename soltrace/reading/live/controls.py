"""What keys do: which of the three pictures is shown, of which pass, and how the list is ordered. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from soltrace.reading.live.order import Choice
from soltrace.reading.live.state import OpenPass

HELP: Final = (
    ("{up_down} j k", "select a pass"),
    ("enter", "look at it closely"),
    ("esc", "back, select none, show all"),
    ("s  r", "another order, the reverse"),
    ("/", "search names and phases"),
    ("f", "show what failed or stalled"),
    ("space", "hold the picture still"),
    ("?", "this help"),
    ("q", "leave"),
)
"""Keys, and what they do."""
_LONGEST_TEXT: Final = 60
_PAGE: Final = 10
_MOVES: Final = {
    "up": -1,
    "k": -1,
    "down": 1,
    "j": 1,
    "page up": -_PAGE,
    "page down": _PAGE,
    "home": -(1 << 30),
    "g": -(1 << 30),
    "end": 1 << 30,
    "G": 1 << 30,
}


class Picture(Enum):
    """What is shown."""

    LIST = "list"
    DETAIL = "detail"
    HELP = "help"


@dataclass
class Controls:
    """The reader's wishes so far."""

    choice: Choice = field(default_factory=Choice)
    picture: Picture = Picture.LIST
    typing: bool = False
    """Whether the text that is looked for is being written."""
    held: bool = False
    """Whether the picture is held still."""
    left: bool = False
    selected: OpenPass | None = None
    _index: int = 0
    """Where the selected one was last seen."""
    _text_before: str = ""

    def press(self, key: str, passes: Sequence[OpenPass]) -> None:
        """Take a key.

        Args:
            key: By `soltrace.reading.live.keys`' names.
            passes: The list as it is now.
        """
        if self.typing:
            self._type(key)
        elif key == "q":
            self.left = True
        elif key == " ":
            self.held = not self.held
        elif key == "?":
            self.picture = Picture.LIST if self.picture is Picture.HELP else Picture.HELP
        elif key == "esc":
            self._back()
        elif self.picture is Picture.HELP:
            self.picture = Picture.LIST
        elif key in _MOVES:
            self._move(_MOVES[key], passes)
        elif key == "enter":
            if self.selected is None:
                self._move(1, passes)
            self.picture = Picture.LIST if self.selected is None else Picture.DETAIL
        else:
            self._order(key)

    def follow(self, passes: Sequence[OpenPass]) -> int | None:
        """Find the selected pass in the list as it is now; if it is gone, the one in its place is selected.

        Returns:
            Its place, or None if none is selected.
        """
        if self.selected is None:
            return None
        found = next((i for i, at in enumerate(passes) if at.key == self.selected.key), None)
        if found is None and self.picture is Picture.DETAIL:
            return None  # It has ended, and is still looked at.
        if found is None and not passes:
            self.selected = None
            return None
        self._index = min(self._index, len(passes) - 1) if found is None else found
        self.selected = passes[self._index]
        return self._index

    def _move(self, by: int, passes: Sequence[OpenPass]) -> None:
        place = self.follow(passes)
        if not passes:
            return
        if place is None:
            place = self._index if self.selected is not None else (-1 if by > 0 else len(passes))
        self._index = min(max(place + by, 0), len(passes) - 1)
        self.selected = passes[self._index]

    def _back(self) -> None:
        if self.picture is not Picture.LIST:
            self.picture = Picture.LIST
        elif self.selected is not None:
            self.selected = None
        else:
            self.choice.text, self.choice.failed_only = "", False

    def _order(self, key: str) -> None:
        if key == "s":
            self.choice.next_order()
        elif key == "r":
            self.choice.reverse = not self.choice.reverse
        elif key == "f":
            self.choice.failed_only = not self.choice.failed_only
        elif key == "/":
            self.typing, self._text_before = True, self.choice.text
            self.picture = Picture.LIST

    def _type(self, key: str) -> None:
        choice = self.choice
        if key == "enter":
            self.typing = False
        elif key == "esc":
            self.typing, choice.text = False, self._text_before
        elif key == "backspace":
            choice.text = choice.text[:-1]
        elif key == "clear":
            choice.text = ""
        elif len(key) == 1:
            choice.text = (choice.text + key)[:_LONGEST_TEXT]
