"""A canvas for drawings of boxes and arrows, as SVG that needs no font and no network."""

from collections.abc import Sequence
from html import escape
from typing import Final

INK: Final = "#1f2937"
FAINT: Final = "#6b7280"
BLUE: Final = "#dbeafe"
GREEN: Final = "#dcfce7"
VIOLET: Final = "#ede9fe"
GREY: Final = "#f3f4f6"
FONT: Final = "font-family='system-ui, DejaVu Sans, Helvetica, Arial, sans-serif'"
HEAD: Final = (
    "<marker id='head' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='8' markerHeight='8' orient='auto'>"
    f"<path d='M0,0 L8,4 L0,8 z' fill='{INK}'/></marker>"
)
LINE: Final = 17
"""From one line of text to the next."""


class Canvas:
    """What is drawn later covers what was drawn before. Its background is white, so that it can be read in the dark."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self._width, self._height, self._title = width, height, title
        self._parts: list[str] = []

    def box(
        self, x: float, y: float, width: float, height: float, lines: str | Sequence[str] = (), fill: str = GREY
    ) -> None:
        """A box with lines of text in its middle."""
        self._parts.append(
            f"<rect x='{x:g}' y='{y:g}' width='{width:g}' height='{height:g}' rx='6' fill='{fill}' stroke='{FAINT}'/>"
        )
        lines = [lines] if isinstance(lines, str) else lines
        top = y + height / 2 - (len(lines) - 1) * LINE / 2 + 5
        for i, line in enumerate(lines):
            self.text(x + width / 2, top + i * LINE, line, anchor="middle")

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        anchor: str = "start",
        size: int = 13,
        colour: str = INK,
        bold: bool = False,
    ) -> None:
        """A line of text; what is between backticks is code."""
        weight = " font-weight='600'" if bold else ""
        spans = [
            f"<tspan font-family='DejaVu Sans Mono, Menlo, monospace' font-size='{size - 1}'>{escape(part)}</tspan>"
            if code % 2
            else escape(part)
            for code, part in enumerate(text.split("`"))
        ]
        self._parts.append(
            f"<text x='{x:g}' y='{y:g}' text-anchor='{anchor}' font-size='{size}' fill='{colour}'{weight}"
            f" xml:space='preserve'>{''.join(spans)}</text>"
        )

    def arrow(self, *points: tuple[float, float], dashed: bool = False) -> None:
        """An arrow through points, straight from one to the next."""
        self._path("M" + " L".join(f"{x:g},{y:g}" for x, y in points), dashed=dashed)

    def curve(self, start: tuple[float, float], end: tuple[float, float], bend: float, *, dashed: bool = False) -> None:
        """An arrow that leaves and arrives vertically; `bend` is how far it goes on straight."""
        (x, y), (to_x, to_y) = start, end
        path = f"M{x:g},{y:g} C{x:g},{y + bend:g} {to_x:g},{to_y - bend:g} {to_x:g},{to_y:g}"
        self._path(path, dashed=dashed)

    def line(self, *points: tuple[float, float], dashed: bool = False) -> None:
        """A line without a head."""
        self._path("M" + " L".join(f"{x:g},{y:g}" for x, y in points), dashed=dashed, head=False)

    def svg(self) -> str:
        """The drawing as a file."""
        size = f"viewBox='0 0 {self._width} {self._height}' width='{self._width}' height='{self._height}'"
        inside = "\n".join(self._parts)
        return (
            f"<svg xmlns='http://www.w3.org/2000/svg' {size} role='img' {FONT}>\n<title>{escape(self._title)}</title>\n"
            f"<defs>{HEAD}</defs>\n<rect width='100%' height='100%' rx='8' fill='white'/>\n{inside}\n</svg>\n"
        )

    def _path(self, path: str, *, dashed: bool, head: bool = True) -> None:
        style = " stroke-dasharray='5 4'" if dashed else ""
        end = " marker-end='url(#head)'" if head else ""
        self._parts.append(f"<path d='{path}' fill='none' stroke='{INK}' stroke-width='1.3'{style}{end}/>")
