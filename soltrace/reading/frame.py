"""What the live view draws: rows of a frame and lines that scroll above it, as rich texts of a given width. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from soltrace.reading.endings import Item, Rest, Tally
from soltrace.reading.phrases import describe, finished, half, index, solve, subject
from soltrace.reading.plain import LONGEST_LINE, Names
from soltrace.reading.state import OpenPass
from soltrace.reading.text import clean, clock, countdown, duration, local, percent, plural, rate, steady
from soltrace.records import PassEnded, PassStarted

SILENT_S: Final = 15.0
"""A pass of which nothing was heard for longer has no estimate any more, but the time of its silence."""
WIDEST_NAME: Final = 28
_BAR: Final = (10, 30)
_GAP: Final = 2
_PHASES: Final = {"forward": "cyan", "backward": "magenta"}


@dataclass(frozen=True)
class Glyphs:
    """Signs to draw with."""

    done: str = "━"
    half: str = "╸"
    left: str = "─"
    ok: str = "✓"
    failed: str = "✗"
    news: str = "·"
    lanes: str = "╰"
    dot: str = " · "


ASCII: Final = Glyphs(done="#", half="-", left="-", ok="+", failed="x", news="-", lanes="`-", dot=" - ")
"""For terminals that are not UTF-8."""


@dataclass
class Cells:
    """A row of the frame, before it is known which of its columns there is room for."""

    name: str
    phase: str
    solve: str = ""
    progress: float = 0.0
    percent: str = ""
    t: str = ""
    steps: str = ""
    rate: str = ""
    eta: str = ""
    text: Text | None = None
    """In the place of all columns after the phase."""


# Right-aligned columns after the bar, and what they are at least wide, lest they jump about while their numbers grow.
_COLUMNS: Final = {"percent": 7, "t": 8, "steps": 11, "rate": 6, "eta": 11}
# What a narrow terminal does without, first things first.
_DISPENSABLE: Final = ("rate", "t", "steps", "solve", "bar", "eta")


class Painter:
    """Turn passes and endings into texts.

    Args:
        zone: Whose times are shown; None for this machine's.
        glyphs: Signs to draw with.
    """

    def __init__(self, zone: tzinfo | None = None, glyphs: Glyphs | None = None) -> None:
        self._zone = zone
        self._glyphs = glyphs or Glyphs()
        self._names = Names()
        self._widths = [len("fit"), len("#1 backward")]

    def scrolled(self, item: Item) -> Text:
        """Draw a line about something that is over."""
        if isinstance(item, Rest):
            return self._rest(item)
        failed = item.failed > 0 if isinstance(item, Tally) else getattr(item, "status", "ok") == "error"
        news = not hasattr(item, "status") and not isinstance(item, Tally)
        record = item.newest if isinstance(item, Tally) else item
        line = self._mark(failed=failed, news=news)
        line.append(f"{clock(local(record.timestamp, self._zone))[:8]}  ", "dim")
        style = _PHASES.get(record.phase, "") if isinstance(record, PassEnded) else "bold"
        about = half(item.newest) if isinstance(item, Tally) else subject(record)
        name, about = self._columns(self._names.of(record), about)
        line.append(name).append(about, style)
        if isinstance(item, Tally):
            return line.append_text(self.tally(item))
        return line.append(clean(describe(record), LONGEST_LINE), "red" if failed else "")

    def _columns(self, *columns: str) -> list[str]:
        """Pad the first columns of a line to what they needed so far."""
        sizes = [cell_len(text) for text in columns]
        self._widths = [max(width, min(size, WIDEST_NAME)) for width, size in zip(self._widths, sizes, strict=True)]
        paddings = [max(0, width - size) + _GAP for width, size in zip(self._widths, sizes, strict=True)]
        return [text + " " * padding for text, padding in zip(columns, paddings, strict=True)]

    def tally(self, tally: Tally) -> Text:
        """Write what many passes have come to: `132 passes ok, 31/s, median 12 ms, 4,602 steps`."""
        parts = [plural(tally.count, "pass") + ("" if tally.failed else " ok")]
        if tally.rate is not None:
            parts.append(rate(tally.rate))
        parts += [f"median {duration(tally.median_s)}", plural(tally.steps, "step")]
        text = Text(", ".join(parts))
        if tally.failed:
            reasons = ", ".join(f"{count:,} {clean(name)}" for name, count in tally.results.most_common())
            text.append(f", FAILED: {reasons}", "red")
        return text

    def _rest(self, rest: Rest) -> Text:
        parts = [plural(rest.passes, "pass")] if rest.passes else []
        parts += [plural(rest.experiments, "experiment")] if rest.experiments else []
        text = self._mark(failed=rest.failed > 0, news=False)
        text.append(f"and {' and '.join(parts) or 'more'} ended meanwhile" if parts else "and more", "dim")
        if rest.failed:
            text.append(f", {plural(rest.failed, 'pass')} FAILED", "red")
        if rest.dropped:
            text.append(f", {rest.dropped:,} records dropped", "yellow")
        return text

    def _mark(self, *, failed: bool, news: bool) -> Text:
        if failed:
            sign, style = self._glyphs.failed, "bold red"
        else:
            sign, style = (self._glyphs.news, "dim") if news else (self._glyphs.ok, "green")
        # Assembled, for a text's own style would hold for what is appended to it.
        return Text.assemble((f"{sign} ", style))

    def rows(self, tallies: Sequence[Tally], passes: Sequence[OpenPass], now: datetime, width: int) -> list[list[Text]]:
        """Draw what is going on.

        Returns:
            For each tally and pass its lines, the most important first.
        """
        cells = [self._tally_cells(tally) for tally in tallies] + [self._pass_cells(at, now) for at in passes]
        lines = self._fit(cells, width)
        details = [None] * len(tallies) + [self._lanes(at) for at in passes]
        return [[line] if detail is None else [line, detail] for line, detail in zip(lines, details, strict=True)]

    def _tally_cells(self, tally: Tally) -> Cells:
        if tally.count == 1:
            text = Text(clean(describe(tally.newest), LONGEST_LINE), "red" if tally.failed else "")
        else:
            text = self.tally(tally)
        mark = self._mark(failed=tally.failed > 0, news=False)
        return Cells(self._names.of(tally.newest), half(tally.newest), text=mark.append_text(text))

    def _pass_cells(self, at: OpenPass, now: datetime) -> Cells:
        silent_s = (now - at.moved).total_seconds()
        eta = "" if at.eta_s is None else f"eta {countdown(at.eta_s)}"
        return Cells(
            name=self._names.of(at.first),
            phase=half(at.first),
            solve=solve(at.first),
            progress=at.progress,
            percent=percent(at.progress),
            t="" if at.t is None else f"t {steady(at.t)}",
            steps=plural(at.step, "step"),
            rate="" if at.rate is None else rate(at.rate),
            eta=f"{'stalled' if at.stalled else 'silent'} {countdown(silent_s)}"
            if at.stalled or silent_s > SILENT_S
            else eta,
        )

    def _lanes(self, at: OpenPass) -> Text | None:
        dot = self._glyphs.dot
        if at.lanes is None:
            shape = at.first.batch_shape if isinstance(at.first, PassStarted) else []
            text = "lanes " + "x".join(str(size) for size in shape) if shape else ""
            return Text(f"  {self._glyphs.lanes} {text}", "dim", no_wrap=True, overflow="ellipsis") if text else None
        slowest = ", ".join(f"{index(lane.batch_index)} at {percent(lane.progress)}" for lane in at.slowest[:3])
        line = Text.assemble((f"  {self._glyphs.lanes} ", "dim"), no_wrap=True, overflow="ellipsis")
        line.append(finished(at.lanes), "red" if at.lanes.failed else "dim")
        return line.append(f"{dot}slowest {slowest}", "dim") if slowest else line

    def _fit(self, rows: Sequence[Cells], width: int) -> list[Text]:
        widths = {
            "name": min(WIDEST_NAME, max((cell_len(row.name) for row in rows), default=0)),
            "phase": max((len(row.phase) for row in rows), default=0),
            "solve": max((len(row.solve) for row in rows), default=0),
            "bar": _BAR[0],
        }
        for column, least in _COLUMNS.items():
            widths[column] = max(least, *(len(str(getattr(row, column))) for row in rows)) if rows else least
        for column in _DISPENSABLE:
            if _total(widths) <= width:
                break
            del widths[column]
        if _total(widths) > width:
            widths["name"] = max(1, widths["name"] - (_total(widths) - width))
        if "bar" in widths:
            widths["bar"] += min(_BAR[1] - _BAR[0], width - _total(widths))
        return [self._row(row, widths, width) for row in rows]

    def _row(self, row: Cells, widths: dict[str, int], width: int) -> Text:
        gap = " " * _GAP
        style = _PHASES.get(row.phase.partition(".")[0], "")
        line = Text(no_wrap=True, overflow="ellipsis")
        name = Text(row.name)
        name.truncate(widths["name"], overflow="ellipsis", pad=True)
        line.append_text(name).append(gap).append(row.phase.ljust(widths["phase"]), style)
        if row.text is not None:
            line.append(gap).append_text(row.text)
            line.truncate(width, overflow="ellipsis")
            return line
        if "solve" in widths:
            line.append(gap + row.solve.rjust(widths["solve"]), "dim")
        if "bar" in widths:
            line.append(gap).append_text(self._bar(row.progress, widths["bar"], style))
        for column in _COLUMNS:
            if column in widths:
                text = str(getattr(row, column)).rjust(widths[column])
                line.append(gap + text, "dim" if column in {"rate", "eta"} else "")
        line.truncate(width, overflow="ellipsis")
        return line

    def _bar(self, progress: float, width: int, style: str) -> Text:
        halves = int(min(max(progress, 0.0), 1.0) * width * 2)
        done = self._glyphs.done * (halves // 2) + self._glyphs.half * (halves % 2)
        return Text.assemble((done, style), (self._glyphs.left * (width - len(done)), "dim"))


def _total(widths: dict[str, int]) -> int:
    return sum(widths.values()) + _GAP * (len(widths) - 1)
