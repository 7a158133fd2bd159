"""What the reader of the live view wants to see, and the keys that say so: which screen, pass and order. Pure."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias

from soltrace.reading.live.state import OpenPass, Runs
from soltrace.reading.phrases import pass_name, solve_name
from soltrace.reading.text import natural_key
from soltrace.wire.records import PassRecord, Record

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
"""The keys, and what they do."""
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
_FOREVER_S: Final = 1e12
_SortKey: TypeAlias = float | list[tuple[str, int, str]]


def _by_start(shown: OpenPass, runs: Runs) -> _SortKey:
    del shown, runs
    return 0.0  # It is the order in which they come.


def _by_progress(shown: OpenPass, runs: Runs) -> _SortKey:
    del runs
    # In whole percents, or rows of about the same progress would change places all the time.
    return math.floor(shown.progress * 100 + 1e-6)


def _by_eta(shown: OpenPass, runs: Runs) -> _SortKey:
    del runs
    eta_s = shown.eta_s
    # The longest first, and last what nobody knows; in steps of a fifth, for the same reason.
    return math.inf if eta_s is None else -math.floor(math.log(min(max(eta_s, 1.0), _FOREVER_S), 1.2))


def _by_experiment(shown: OpenPass, runs: Runs) -> _SortKey:
    del runs
    return natural_key(shown.first.experiment or "")


def _by_run(shown: OpenPass, runs: Runs) -> _SortKey:
    return natural_key(runs.name(shown.first))


ORDERS: Final[dict[str, Callable[[OpenPass, Runs], _SortKey]]] = {
    "started": _by_start,
    "progress": _by_progress,
    "eta": _by_eta,
    "experiment": _by_experiment,
    "run": _by_run,
}
"""What passes are sorted by. Those that are equal stay in the order in which they started."""


@dataclass
class Query:
    """Which passes are wanted, and in what order."""

    order: str = "started"
    """A key of `ORDERS`."""
    reverse: bool = False
    text: str = ""
    """Only what has this in the name of its experiment, run, solve or phase, in any case."""
    failed_only: bool = False

    def next_order(self) -> None:
        """Change to the next order."""
        names = list(ORDERS)
        self.order = names[(names.index(self.order) + 1) % len(names)]
        self.reverse = False

    def matches(self, record: Record, runs: Runs) -> bool:
        """Return whether a record is about something that the text is found in."""
        if not self.text:
            return True
        words = [record.experiment or "-", runs.name(record), record.run_id]
        if isinstance(record, PassRecord):
            words += [solve_name(record), pass_name(record)]
        return self.text.casefold() in " ".join(words).casefold()

    def arrange(self, passes: Iterable[OpenPass], runs: Runs) -> list[OpenPass]:
        """Pick the passes that are wanted, and sort them. Those that fail or stand still always come first."""
        wanted = [
            shown
            for shown in passes
            if (not self.failed_only or shown.failing or shown.stalled) and self.matches(shown.first, runs)
        ]
        by = ORDERS[self.order]
        wanted.sort(key=lambda shown: by(shown, runs))
        if self.reverse:
            wanted.reverse()
        wanted.sort(key=_trouble)
        return wanted


def _trouble(shown: OpenPass) -> int:
    if shown.failing:
        return 0
    return 1 if shown.stalled else 2


class Screen(Enum):
    """What is shown."""

    LIST = "list"
    DETAIL = "detail"
    HELP = "help"


@dataclass
class Controls:
    """What the keys that were pressed so far have come to."""

    query: Query = field(default_factory=Query)
    screen: Screen = Screen.LIST
    typing: bool = False
    """Whether the text to search for is being typed."""
    held: bool = False
    """Whether the picture is held still."""
    left: bool = False
    """Whether the reader has left."""
    selected: OpenPass | None = None
    _index: int = 0
    """Where the selected pass was last seen."""
    _text_before: str = ""

    def press(self, key: str, passes: Sequence[OpenPass]) -> None:
        """Take a key.

        Args:
            key: Its name (see [`soltrace.reading.live.keyboard.decode`][]).
            passes: The list as it is now.
        """
        if self.typing:
            self._type(key)
        elif key == "q":
            self.left = True
        elif key == " ":
            self.held = not self.held
        elif key == "?":
            self.screen = Screen.LIST if self.screen is Screen.HELP else Screen.HELP
        elif key == "esc":
            self._back()
        elif self.screen is Screen.HELP:
            self.screen = Screen.LIST
        elif key in _MOVES:
            self._move(_MOVES[key], passes)
        elif key == "enter":
            if self.selected is None:
                self._move(1, passes)
            self.screen = Screen.LIST if self.selected is None else Screen.DETAIL
        else:
            self._order(key)

    def follow(self, passes: Sequence[OpenPass]) -> int | None:
        """Find the selected pass in the list as it is now. If it is gone, select the one in its place.

        Returns:
            Its place, or None if no pass is selected.
        """
        if self.selected is None:
            return None
        found = next((i for i, shown in enumerate(passes) if shown.key == self.selected.key), None)
        if found is None and self.screen is Screen.DETAIL:
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
        if self.screen is not Screen.LIST:
            self.screen = Screen.LIST
        elif self.selected is not None:
            self.selected = None
        else:
            self.query.text, self.query.failed_only = "", False

    def _order(self, key: str) -> None:
        if key == "s":
            self.query.next_order()
        elif key == "r":
            self.query.reverse = not self.query.reverse
        elif key == "f":
            self.query.failed_only = not self.query.failed_only
        elif key == "/":
            self.typing, self._text_before = True, self.query.text
            self.screen = Screen.LIST

    def _type(self, key: str) -> None:
        query = self.query
        if key == "enter":
            self.typing = False
        elif key == "esc":
            self.typing, query.text = False, self._text_before
        elif key == "backspace":
            query.text = query.text[:-1]
        elif key == "clear":
            query.text = ""
        elif len(key) == 1:
            query.text = (query.text + key)[:_LONGEST_TEXT]
