"""A series of numbers as one line of blocks. Pure."""

import math
from collections.abc import Sequence
from typing import Final

from soltrace.reading.live.glyphs import Glyphs

_NOISE: Final = 1e-3
"""Numbers that differ by no more than this share of them are drawn as equal."""


def sparkline(values: Sequence[float], glyphs: Glyphs, *, least: float | None = None) -> str:
    """Draw numbers as blocks, each as high as its number among the others.

    Args:
        values: What is not finite becomes a gap.
        glyphs: Signs to draw with.
        least: What the lowest block stands for; None for the least of the values.
    """
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return " " * len(values)
    low, high = min(known) if least is None else least, max(known)
    if high - low <= _NOISE * max(abs(high), abs(low)):
        high = low
    # Halved first: the distance of the largest floats is no float.
    distance = high / 2 - low / 2
    last = len(glyphs.levels) - 1

    def block(value: float) -> str:
        if not math.isfinite(value):
            return " "
        share = (value / 2 - low / 2) / distance if distance > 0 else 0.0
        return glyphs.levels[round(min(max(share, 0.0), 1.0) * last)]

    return "".join(map(block, values))
