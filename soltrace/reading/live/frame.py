"""What the live view draws: rows of a frame and lines that scroll above it, as rich texts of a given width. Pure."""

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from soltrace.reading.live.columns import GAP, WIDEST_NAME, WIDEST_RUN, Cells, Columns
from soltrace.reading.live.endings import Item, Rest, Tally
from soltrace.reading.live.glyphs import PHASES, Glyphs
from soltrace.reading.live.runs import Runs
from soltrace.reading.live.state import OpenPass
from soltrace.reading.phrases import describe, finished, half, index, solve, subject
from soltrace.reading.plain import LONGEST_LINE
from soltrace.reading.text import (
    between,
    clean,
    clock,
    countdown,
    duration,
    local,
    percent,
    plural,
    rate,
    steady,
)
from soltrace.wire.records import PassEnded, PassStarted, Record

SILENT_S: Final = 15.0
"""A pass of which nothing was heard for longer has no estimate any more, but the time of its silence."""

_SLOWEST: Final = 3
"""Lanes that are named in the list."""
_NEVER_REJECT: Final = frozenset({"ConstantStepSize", "StepTo"})
"""Step size controllers of diffrax's under which a count of rejected steps says nothing."""


class Painter:
    """Turn passes and endings into texts.

    Args:
        zone: Whose times are shown; None for this machine's.
        glyphs: Signs to draw with.
        runs: What runs are called.
    """

    def __init__(self, zone: tzinfo | None = None, glyphs: Glyphs | None = None, runs: Runs | None = None) -> None:
        self._zone = zone
        self._glyphs = glyphs or Glyphs()
        self._runs = runs or Runs()
        self._columns = Columns(self._glyphs)
        self._widths = [0, len("fit"), len("#1 backward")]

    def scrolled(self, item: Item) -> Text:
        """Draw a line about something that is over."""
        if isinstance(item, Rest):
            return self._rest(item)
        failed = item.failed > 0 if isinstance(item, Tally) else getattr(item, "status", "ok") == "error"
        news = not hasattr(item, "status") and not isinstance(item, Tally)
        record = item.newest if isinstance(item, Tally) else item
        line = self._mark(failed=failed, news=news).append(" ")
        line.append(f"{clock(local(record.timestamp, self._zone))[:8]}  ", "dim")
        style = PHASES.get(record.phase, "") if isinstance(record, PassEnded) else "bold"
        about = half(item.newest) if isinstance(item, Tally) else subject(record)
        run, name, about = self._aligned(self._runs.column(record), _experiment(record), about)
        line.append(run).append(name).append(about, style)
        if isinstance(item, Tally):
            return line.append_text(self.tally(item))
        return line.append(clean(describe(record), LONGEST_LINE), "red" if failed else "")

    def _aligned(self, *columns: str) -> list[str]:
        """Pad the first columns of a line to what they needed so far."""
        sizes = [cell_len(text) for text in columns]
        widest = (WIDEST_RUN, WIDEST_NAME, WIDEST_NAME)
        self._widths = [
            max(width, min(size, most)) for width, size, most in zip(self._widths, sizes, widest, strict=True)
        ]
        paddings = [max(0, width - size) + GAP for width, size in zip(self._widths, sizes, strict=True)]
        padded = [text + " " * padding for text, padding in zip(columns, paddings, strict=True)]
        return padded if self._widths[0] else ["", *padded[1:]]

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
        text = self._mark(failed=rest.failed > 0, news=False).append(" ")
        text.append(f"and {' and '.join(parts) or 'more'} ended meanwhile" if parts else "and more", "dim")
        if rest.failed:
            text.append(f", {plural(rest.failed, 'pass')} FAILED", "red")
        if rest.compiled:
            text.append(f", {plural(rest.compiled, 'program')} compiled", "dim")
        if rest.dropped:
            text.append(f", {rest.dropped:,} records dropped", "yellow")
        return text

    def _mark(self, *, failed: bool, news: bool) -> Text:
        if failed:
            sign, style = self._glyphs.failed, "bold red"
        else:
            sign, style = (self._glyphs.news, "dim") if news else (self._glyphs.ok, "green")
        # Assembled, for a text's own style would hold for what is appended to it.
        return Text.assemble((sign, style))

    def rows(
        self,
        tallies: Sequence[Tally],
        passes: Sequence[OpenPass],
        now: datetime,
        width: int,
        selected: OpenPass | None = None,
    ) -> list[list[Text]]:
        """Draw what is going on.

        Returns:
            For each tally and pass its lines, the most important first.
        """
        cells = [self._tally_cells(tally) for tally in tallies]
        cells += [self._pass_cells(at, now, chosen=at is selected) for at in passes]
        lines = self._columns.rows(cells, width)
        details = [None] * len(tallies) + [self._lanes(at) for at in passes]
        return [[line] if detail is None else [line, detail] for line, detail in zip(lines, details, strict=True)]

    def _tally_cells(self, tally: Tally) -> Cells:
        record = tally.newest
        if tally.count == 1:
            text = Text(clean(describe(record), LONGEST_LINE), "red" if tally.failed else "")
        else:
            text = self.tally(tally)
        mark = self._mark(failed=tally.failed > 0, news=False)
        return Cells(_experiment(record), half(record), self._runs.column(record), mark, text=text)

    def _pass_cells(self, at: OpenPass, now: datetime, *, chosen: bool) -> Cells:
        first = at.first
        cells = Cells(_experiment(first), half(first), self._runs.column(first), self._sign(at, chosen=chosen))
        cells.solve, cells.chosen = solve(first), chosen
        if at.end is not None:
            cells.text = Text(clean(f"{solve(first)} {describe(at.end)}", LONGEST_LINE), "red" if at.failing else "")
            return cells
        cells.progress, cells.percent = at.progress, percent(at.progress)
        cells.t = "" if at.t is None else f"t {steady(at.t)}"
        cells.steps = plural(at.step, "step")
        cells.rejected = _rejected(at)
        cells.rate = "" if at.rate is None else rate(at.rate)
        cells.eta, cells.late = self.left(at, now), at.stalled
        return cells

    def _sign(self, at: OpenPass, *, chosen: bool) -> Text:
        glyphs = self._glyphs
        style = "bold red" if at.failing else "bold yellow" if at.stalled else "bold"
        if chosen:
            return Text.assemble((glyphs.chosen, style))
        return Text.assemble((glyphs.failed if at.failing else glyphs.stalled if at.stalled else " ", style))

    def left(self, at: OpenPass, now: datetime) -> str:
        """Say when a pass will be over, or since when nothing was heard of it."""
        silent_s = (now - at.moved).total_seconds()
        if at.stalled or silent_s > SILENT_S:
            return f"{'stalled' if at.stalled else 'silent'} {countdown(silent_s)}"
        found = at.estimate
        if found is None:
            return ""
        if found.rough:
            return f"eta ~{between(found.likely_s, found.likely_s)}"
        return f"eta {between(found.low_s, found.high_s, self._glyphs.dash)}"

    def _lanes(self, at: OpenPass) -> Text | None:
        if at.lanes is None:
            shape = at.first.batch_shape if isinstance(at.first, PassStarted) else []
            text = "lanes " + "x".join(str(size) for size in shape) if shape else ""
            return Text(f"  {self._glyphs.lanes} {text}", "dim") if text else None
        slowest = ", ".join(f"{index(lane.batch_index)} at {percent(lane.progress)}" for lane in at.slowest[:_SLOWEST])
        line = Text.assemble((f"  {self._glyphs.lanes} ", "dim"))
        line.append(finished(at.lanes), "red" if at.lanes.failed else "dim")
        return line.append(f"{self._glyphs.dot}slowest {slowest}", "dim") if slowest else line


def _rejected(at: OpenPass) -> str:
    never = isinstance(at.first, PassStarted) and at.first.controller in _NEVER_REJECT
    return "" if at.rejected is None or (never and not at.rejected) else f"{at.rejected:,} rejected"


def _experiment(record: Record) -> str:
    return "-" if record.experiment is None else clean(record.experiment)
