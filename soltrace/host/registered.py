"""Attributes of solves by number: what a program carries as data instead of values that would be a part of it.

Host side, any thread. A value is kept for as long as anything may name it: a Python object that holds it, such as the
adjoint of a solve or a compiled program. A solve may be dispatched, and its adjoint be gone, before it starts; so the
last few that nobody holds any more are kept too.
"""

import itertools
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final
from weakref import WeakValueDictionary

from soltrace.host.signals import LARGEST_TOKEN
from soltrace.wire.records import Attribute

RELEASED_AT_MOST: Final = 4096
"""Values that nobody holds any more: many more than the solves that jax lets be dispatched and not yet started."""


class _Values:
    """Attributes. An object of its own, so that it can outlive whoever registered it."""

    __slots__ = ("__weakref__", "attributes")

    def __init__(self, attributes: Mapping[str, Attribute]) -> None:
        self.attributes = attributes


_BY_TOKEN: Final[WeakValueDictionary[int, _Values]] = WeakValueDictionary()
_RELEASED: Final[deque[_Values]] = deque(maxlen=RELEASED_AT_MOST)
_NUMBERS: Final = itertools.count()


class RegisteredAttributes:
    """Holds attributes under a number, for as long as it lives and a while longer."""

    __slots__ = ("_values", "token")

    def __init__(self, attributes: Mapping[str, Attribute]) -> None:
        """Register them."""
        self._values = _Values(attributes)
        self.token = _unused()
        """The number, from 1: for a start's fourth int."""
        _BY_TOKEN[self.token] = self._values

    def __del__(self, release: Callable[[_Values], None] = _RELEASED.append) -> None:
        """Let the values go, after those that were let go before. It may run in the midst of anything: no lock."""
        release(self._values)


def _unused() -> int:
    while (token := next(_NUMBERS) % LARGEST_TOKEN + 1) in _BY_TOKEN:
        pass
    return token


def registered_attributes(token: int) -> Mapping[str, Attribute] | None:
    """Find the attributes of that number: none for 0, and None if they have been forgotten."""
    if token == 0:
        return {}
    values = _BY_TOKEN.get(token)
    return None if values is None else values.attributes
