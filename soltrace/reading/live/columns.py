"""Lays the rows of the live view out in columns: signs, bars, which columns there is room for, and how wide. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from rich.cells import cell_len
from rich.text import Text

WIDEST_NAME: Final = 28
WIDEST_RUN: Final = 16
GAP: Final = 2
_BAR: Final = (8, 30)
_SHORT: Final = {"forward": "fwd", "backward": "bwd"}


@dataclass(frozen=True)
class Glyphs:
    """The signs to draw with, in Unicode."""

    done: str = "━"
    half: str = "╸"
    left: str = "─"
    ok: str = "✓"
    failed: str = "✗"
    stalled: str = "!"
    news: str = "·"
    selected: str = "▸"
    lanes: str = "╰"
    dot: str = " · "
    dash: str = "\N{EN DASH}"
    levels: str = "▁▂▃▄▅▆▇█"
    """The blocks of a sparkline, from the lowest to the highest."""
    up_down: str = "↑↓"


ASCII: Final = Glyphs(
    done="#",
    half="-",
    left="-",
    ok="+",
    failed="x",
    news="-",
    selected=">",
    lanes="`-",
    dot=" - ",
    dash="-",
    levels="_.-=*#",
    up_down="up/down",
)
"""The same in ASCII, for terminals that are not UTF-8."""
PHASES: Final = {"forward": "cyan", "backward": "magenta"}
"""The colour of each phase."""


@dataclass
class Cells:
    """A row, before it is known which of its columns there is room for."""

    name: str
    phase: str
    run: str = ""
    mark: Text = field(default_factory=lambda: Text(" "))
    """One sign, in front."""
    solve: str = ""
    progress: float = 0.0
    percent: str = ""
    t: str = ""
    steps: str = ""
    rejected: str = ""
    rate: str = ""
    watched: str = ""
    """Quantities that the user watches."""
    eta: str = ""
    late: bool = False
    """Whether `eta` says for how long nothing was heard of the pass, though something should have been."""
    text: Text | None = None
    """What stands in the place of all columns after the phase."""
    selected: bool = False


_RIGHT: Final = {"percent": 6, "t": 8, "steps": 12, "rejected": 11, "rate": 6, "watched": 0, "eta": 13}
"""The right-aligned columns after the bar, and their least widths, lest they jump while their numbers grow."""
_DIM: Final = frozenset({"rejected", "rate", "eta"})
_NARROWER: Final = (
    ("t", 0),
    ("rejected", 0),
    ("rate", 0),
    ("watched", 0),
    ("steps", 0),
    ("solve", 0),
    ("name", 16),
    ("bar", 0),
    ("phase", 3),
    ("name", 10),
    ("eta", 0),
    ("name", 6),
    ("run", 6),
    ("name", 0),
    ("name", 1),
    ("phase", 0),
    ("run", 1),
)
"""What a narrow terminal has less of, first things first: a column, and how much of it stays. A name goes where the run
says as much."""


class ColumnLayout:
    """Lays rows out in columns. They only ever become wider, lest the frame jumps when a row goes."""

    def __init__(self, glyphs: Glyphs) -> None:
        self._glyphs = glyphs
        self._least: dict[str, int] = {"run": 0, "name": 0, "phase": 0, "solve": 0, **_RIGHT, "rejected": 0}

    def rows(self, rows: Sequence[Cells], width: int) -> list[Text]:
        """Draw rows, none of them wider than the terminal."""
        for row in rows:
            for column, least in self._least.items():
                self._least[column] = max(least, cell_len(getattr(row, column)))
        if self._least["rejected"]:
            self._least["rejected"] = max(self._least["rejected"], _RIGHT["rejected"])
        widths = self._widths(width)
        return [self._row(row, widths, width) for row in rows]

    def _widths(self, width: int) -> dict[str, int]:
        least = self._least
        widths = {"mark": 1, "run": min(WIDEST_RUN, least["run"]), "name": min(WIDEST_NAME, least["name"])}
        widths |= {"phase": least["phase"], "solve": least["solve"], "bar": _BAR[0]}
        widths |= {column: least[column] for column in _RIGHT}
        widths = {column: size for column, size in widths.items() if size}
        full = dict(widths)
        for column, stays in _NARROWER:
            over = _total(widths) - width
            if over <= 0:
                break
            if column not in widths or ((column, stays) == ("name", 0) and "run" not in widths):
                continue
            if not stays:
                del widths[column]
            else:
                widths[column] = max(min(stays, widths[column]), 0 if column == "phase" else widths[column] - over)
        self._give_back(widths, full, width)
        if "bar" in widths:
            widths["bar"] += min(_BAR[1] - _BAR[0], width - _total(widths))
        return widths

    @staticmethod
    def _give_back(widths: dict[str, int], full: Mapping[str, int], width: int) -> None:
        """Widen what is left: a column that went may have left more room than was needed."""
        if "phase" in widths and _total(widths | {"phase": full["phase"]}) <= width:
            widths["phase"] = full["phase"]
        for column in ("run", "name"):
            if column in widths:
                widths[column] += max(0, min(full[column] - widths[column], width - _total(widths)))

    def _row(self, row: Cells, widths: Mapping[str, int], width: int) -> Text:
        gap = " " * GAP
        phase = row.phase.partition(".")[0]
        style = PHASES.get(phase, "")
        line = Text().append_text(row.mark)
        for column in ("run", "name"):
            if column in widths:
                line.append(gap if column == "name" and "run" in widths else " ")
                line.append_text(_cut(getattr(row, column), widths[column]))
        if "phase" in widths:
            short = cell_len(row.phase) > widths["phase"]
            text = _SHORT.get(phase, row.phase) if short else row.phase
            line.append(gap).append(text.ljust(widths["phase"]), style)
        if row.text is not None:
            line.append(gap).append_text(row.text)
        else:
            if "solve" in widths:
                line.append(gap + row.solve.rjust(widths["solve"]), "dim")
            if "bar" in widths:
                line.append(gap).append_text(bar(row.progress, widths["bar"], style, self._glyphs))
            for column in _RIGHT:
                if column in widths:
                    text = str(getattr(row, column)).rjust(widths[column])
                    warns = column == "eta" and row.late
                    line.append(gap + text, "yellow" if warns else "dim" if column in _DIM else "")
        line.truncate(width, overflow="ellipsis")
        if row.selected:
            line.stylize("bold")
        return line


def bar(progress: float, width: int, style: str, glyphs: Glyphs) -> Text:
    """Draw progress as a bar."""
    halves = int(min(max(progress, 0.0), 1.0) * width * 2)
    done = glyphs.done * (halves // 2) + glyphs.half * (halves % 2)
    return Text.assemble((done, style), (glyphs.left * (width - len(done)), "dim"))


def _cut(text: str, width: int) -> Text:
    cut = Text(text)
    cut.truncate(width, overflow="ellipsis", pad=True)
    return cut


def _total(widths: Mapping[str, int]) -> int:
    # After the mark there is one space, after the others two.
    return sum(widths.values()) + GAP * (len(widths) - 1) - (1 if len(widths) > 1 else 0)
