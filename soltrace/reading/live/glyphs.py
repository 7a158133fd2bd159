"""Signs and colours that the live view draws with, in Unicode and in ASCII. Pure."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Glyphs:
    """Signs to draw with."""

    done: str = "━"
    half: str = "╸"
    left: str = "─"
    ok: str = "✓"
    failed: str = "✗"
    stalled: str = "!"
    news: str = "·"
    chosen: str = "▸"
    lanes: str = "╰"
    dot: str = " · "
    dash: str = "\N{EN DASH}"
    levels: str = "▁▂▃▄▅▆▇█"
    """Of a sparkline, from the least to the most."""
    up_down: str = "↑↓"


ASCII: Final = Glyphs(
    done="#",
    half="-",
    left="-",
    ok="+",
    failed="x",
    news="-",
    chosen=">",
    lanes="`-",
    dot=" - ",
    dash="-",
    levels="_.-=*#",
    up_down="up/down",
)
"""For terminals that are not UTF-8."""
PHASES: Final = {"forward": "cyan", "backward": "magenta"}
"""Colour of each."""
