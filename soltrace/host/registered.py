"""What a solve brings, by number: its program carries that as data, instead of values that would be a part of it.

Host side, any thread. A value is kept for as long as anything may name it: a Python object that holds it, such as the
adjoint of a solve or a compiled program. A solve may be dispatched, and its adjoint be gone, before it starts; so the
last few that nobody holds any more are kept too.
"""

import itertools
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final
from weakref import WeakValueDictionary

from soltrace.host.context import Context
from soltrace.host.signals import LARGEST_TOKEN
from soltrace.wire.records import Attribute

RELEASED_AT_MOST: Final = 4096
"""Values that nobody holds any more: many more than the solves that jax lets be dispatched and not yet started."""


class Brought:
    """What a solve brings. An object of its own, so that it can outlive whoever registered it."""

    __slots__ = ("__weakref__", "attributes", "place")

    def __init__(self, attributes: Mapping[str, Attribute], place: Context | None) -> None:
        """Bring it."""
        self.attributes = attributes
        self.place = place
        """Where it belongs, if its caller is known."""


_NOTHING: Final = Brought({}, None)
_BY_TOKEN: Final[WeakValueDictionary[int, Brought]] = WeakValueDictionary()
_RELEASED: Final[deque[Brought]] = deque(maxlen=RELEASED_AT_MOST)
_NUMBERS: Final = itertools.count(secrets.randbelow(LARGEST_TOKEN))
"""Not from 0: a number that was saved by another process is to mean nobody here."""


class RegisteredSolve:
    """Holds what a solve brings under a number, for as long as it lives and a while longer."""

    __slots__ = ("_brought", "token")

    def __init__(self, attributes: Mapping[str, Attribute], place: Context | None = None) -> None:
        """Register it."""
        self._brought = Brought(attributes, place)
        self.token = _unused()
        """The number, from 1: for a start's fourth int."""
        _BY_TOKEN[self.token] = self._brought

    def __del__(self, release: Callable[[Brought], None] = _RELEASED.append) -> None:
        """Let it go, after what was let go before. It may run in the midst of anything: no lock."""
        release(self._brought)


def _unused() -> int:
    while (token := next(_NUMBERS) % LARGEST_TOKEN + 1) in _BY_TOKEN:
        pass
    return token


def registered_solve(token: int) -> Brought | None:
    """Find what was registered under a number: nothing for 0, and None if it has been forgotten."""
    return _NOTHING if token == 0 else _BY_TOKEN.get(token)
