"""What came of a step, as its program tells it: bits of an int32.

Host side; the traced room writes them.
"""

from enum import IntFlag


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
