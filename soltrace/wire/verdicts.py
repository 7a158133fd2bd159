"""What the end of a pass says of why it ended so, or took so long.

Any side, any thread.
"""

from typing import Literal, TypeAlias

from msgspec import Struct

VerdictKind: TypeAlias = Literal[
    "nonfinite",
    "exploding_gradient",
    "nonlinear_failed",
    "linear_failed",
    "bad_lanes",
    "tolerance_below_grain",
    "stiff",
    "not_smooth",
    "stuck",
    "dtmin",
    "max_steps",
    "rejections",
    "slow_lanes",
    "recomputation",
    "event_at_start",
    "event_chatters",
    "recompiled",
]
"""What is wrong with a pass or a run, the most telling first. The last two are of a run: no pass ends with them."""


class Verdict(Struct, frozen=True, kw_only=True, gc=False):
    """Why a pass ended as it did, or took as long as it did."""

    kind: VerdictKind
    """What is wrong, for programs."""
    text: str
    """The same in words, with its numbers."""
    advice: str
    """What to try."""
