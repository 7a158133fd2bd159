"""Which way a backward pass goes: through the loop of the forward pass, or around it.

Traced side. diffrax's own adjoints are known. One of the user's may do either: what it does shows once it has run.
"""

from enum import Enum
from typing import Any, Final

import diffrax as dfx


class Way(Enum):
    """Where a backward pass goes."""

    THROUGH = "through"
    """It transposes the loop, step by step."""
    AROUND = "around"
    """It integrates backwards anew, or not at all."""
    UNKNOWN = "unknown"
    """The adjoint has a `loop` of its own."""


_WAYS: Final[dict[Any, Way]] = {
    dfx.RecursiveCheckpointAdjoint.loop: Way.THROUGH,
    dfx.DirectAdjoint.loop: Way.THROUGH,
    dfx.ForwardMode.loop: Way.THROUGH,
    dfx.BacksolveAdjoint.loop: Way.AROUND,
    dfx.ImplicitAdjoint.loop: Way.AROUND,
}


def way_of(adjoint: dfx.AbstractAdjoint) -> Way:
    """Tell the way of an adjoint: a subclass that has not changed how diffrax's runs goes the same."""
    cls: Any = type(adjoint)
    if cls._loop is not dfx.AbstractAdjoint._loop:  # type: ignore[attr-defined]
        return Way.UNKNOWN
    return _WAYS.get(cls.loop, Way.UNKNOWN)
