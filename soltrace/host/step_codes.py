"""What came of a step, as its program tells it: bits of an int32.

Host side; the traced room writes them.
"""

from enum import IntFlag
from typing import NamedTuple

import numpy as np


class StepCode(IntFlag):
    """What is known of an attempted step."""

    ACCEPTED = 1
    UNSOLVED = 2
    """The nonlinear solver of an implicit step failed."""
    JUMP = 4
    """It ends at a jump."""
    EVENT = 8
    """An event occurred in it."""
    CONTROLLED = 16
    """The scaled error is known."""
    NONFINITE = 32
    """Something in it is not finite."""
    TO_THE_END = 64
    """So it is in the last step too."""
    UNFINISHED = 128
    """The solve goes on after it, if it may."""
    FAILED = 256
    """With it the solve has failed."""
    EXPLODED = 512
    """Where a backward pass transposes it, a cotangent has grown beyond what rounding leaves of it."""
    OF_ALL_LANES = 1024
    """What was found is the sum over lanes, and may come from another one."""


class Place(NamedTuple):
    """An array that is looked through for a value that is not finite."""

    found_in: str
    """What it is: see `soltrace.wire.records.Nonfinite`."""
    path: str
    """Where its elements are in the pytree of the state."""
    shape: tuple[int, ...]
    staged: bool
    """Whether its first axis are the stages of a step."""

    def element(self, number: int) -> tuple[str, int | None]:
        """Name one of its elements: its path, and in which stage it is, from 1."""
        index = [int(i) for i in np.unravel_index(number, self.shape)] if self.shape else []
        stage = index.pop(0) + 1 if self.staged else None
        return self.path + (f"[{', '.join(map(str, index))}]" if index else ""), stage
