"""The rows of the live view, one for each open pass, and the news above them, as rich texts. Pure."""

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from soltrace.reading.live.columns import GAP, PHASES, WIDEST_NAME, WIDEST_RUN, Cells, ColumnLayout, Glyphs
from soltrace.reading.live.endings import NewsItem, PassTally, Remainder
from soltrace.reading.live.state import OpenPass, Runs
from soltrace.reading.phrases import describe_record, lane_name, lanes_text, pass_name, solve_name, subject
from soltrace.reading.plain import LONGEST_LINE
from soltrace.reading.runs.run_watch import LostRun
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
"""A pass that has been silent for longer shows the time of its silence in the place of an estimate."""

_SLOWEST: Final = 3
"""How many lanes are named in the list."""
_NEVER_REJECT: Final = frozenset({"ConstantStepSize", "StepTo"})
"""diffrax's step size controllers under which a count of rejected steps says nothing."""


class RowRenderer:
    """Turns passes and news into texts.

    Args:
        zone: Whose times are shown; None for this machine's.
        glyphs: Signs to draw with.
        runs: What runs are called.
    """

    def __init__(self, zone: tzinfo | None = None, glyphs: Glyphs | None = None, runs: Runs | None = None) -> None:
        self._zone = zone
        self._glyphs = glyphs or Glyphs()
        self._runs = runs or Runs()
        self._columns = ColumnLayout(self._glyphs)
        self._widths = [0, len("fit"), len("#1 backward")]

    def news_line(self, item: NewsItem) -> Text:
        """Draw one line of news."""
        if isinstance(item, Remainder):
            return self._rest(item)
        if isinstance(item, LostRun):
            return self._lost(item)
        failed = item.failed > 0 if isinstance(item, PassTally) else getattr(item, "status", "ok") == "error"
        news = not hasattr(item, "status") and not isinstance(item, PassTally)
        record = item.newest if isinstance(item, PassTally) else item
        line = self._mark(failed=failed, news=news).append(" ")
        line.append(f"{clock(local(record.timestamp, self._zone))[:8]}  ", "dim")
        style = PHASES.get(record.phase, "") if isinstance(record, PassEnded) else "bold"
        about = pass_name(item.newest) if isinstance(item, PassTally) else subject(record)
        run, name, about = self._aligned(self._runs.column(record), _experiment(record), about)
        line.append(run).append(name).append(about, style)
        if isinstance(item, PassTally):
            return line.append_text(self.tally(item))
        return line.append(clean(describe_record(record), LONGEST_LINE), "red" if failed else "")

    def _lost(self, lost: LostRun) -> Text:
        line = self._mark(failed=True, news=False).append(" ")
        line.append(f"{clock(local(lost.since, self._zone))[:8]}  ", "dim")
        passes = f"; {plural(lost.passes, 'pass')} open" if lost.passes else ""
        text = f"{self._runs.name_of(lost.run_id)} was heard of last, and is lost: {lost.why}{passes}"
        return line.append(clean(text, LONGEST_LINE), "red")

    def _aligned(self, *columns: str) -> list[str]:
        """Pad the first columns of a line to the width that they have needed so far."""
        sizes = [cell_len(text) for text in columns]
        widest = (WIDEST_RUN, WIDEST_NAME, WIDEST_NAME)
        self._widths = [
            max(width, min(size, most)) for width, size, most in zip(self._widths, sizes, widest, strict=True)
        ]
        paddings = [max(0, width - size) + GAP for width, size in zip(self._widths, sizes, strict=True)]
        padded = [text + " " * padding for text, padding in zip(columns, paddings, strict=True)]
        return padded if self._widths[0] else ["", *padded[1:]]

    def tally(self, tally: PassTally) -> Text:
        """Write what many passes have come to: `132 passes ok, 31/s, median 12 ms, 4,602 steps`."""
        parts = [plural(tally.count, "pass") + ("" if tally.failed else " ok")]
        if tally.passes_per_s is not None:
            parts.append(rate(tally.passes_per_s))
        parts += [f"median {duration(tally.median_s)}", plural(tally.steps, "step")]
        text = Text(", ".join(parts))
        if tally.failed:
            reasons = ", ".join(f"{count:,} {clean(name)}" for name, count in tally.results.most_common())
            text.append(f", FAILED: {reasons}", "red")
        return text

    def _rest(self, rest: Remainder) -> Text:
        parts = [plural(rest.passes, "pass")] if rest.passes else []
        parts += [plural(rest.experiments, "experiment")] if rest.experiments else []
        text = self._mark(failed=rest.failed + rest.lost > 0, news=False).append(" ")
        text.append(f"and {' and '.join(parts) or 'more'} ended meanwhile" if parts else "and more", "dim")
        if rest.failed:
            text.append(f", {plural(rest.failed, 'pass')} FAILED", "red")
        if rest.lost:
            text.append(f", {plural(rest.lost, 'run')} LOST", "red")
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
        tallies: Sequence[PassTally],
        passes: Sequence[OpenPass],
        now: datetime,
        width: int,
        selected: OpenPass | None = None,
    ) -> list[list[Text]]:
        """Draw the list.

        Args:
            tallies: Passes that end too fast to be shown one by one.
            passes: The others.
            now: The present, for how long they have been silent.
            width: Of the terminal, in columns.
            selected: The pass that is marked.

        Returns:
            The lines of each tally and pass, the most important first.
        """
        cells = [self._tally_cells(tally) for tally in tallies]
        cells += [self.pass_cells(shown, now, selected=shown is selected) for shown in passes]
        lines = self._columns.rows(cells, width)
        details = [None] * len(tallies) + [self.lanes(shown) for shown in passes]
        return [[line] if detail is None else [line, detail] for line, detail in zip(lines, details, strict=True)]

    def _tally_cells(self, tally: PassTally) -> Cells:
        record = tally.newest
        if tally.count == 1:
            text = Text(clean(describe_record(record), LONGEST_LINE), "red" if tally.failed else "")
        else:
            text = self.tally(tally)
        mark = self._mark(failed=tally.failed > 0, news=False)
        return Cells(_experiment(record), pass_name(record), self._runs.column(record), mark, text=text)

    def pass_cells(self, shown: OpenPass, now: datetime, *, selected: bool = False) -> Cells:
        """Fill the cells of the row of a pass."""
        first = shown.first
        cells = Cells(
            _experiment(first), pass_name(first), self._runs.column(first), self._sign(shown, selected=selected)
        )
        cells.solve, cells.selected = solve_name(first), selected
        if shown.end is not None:
            cells.text = Text(
                clean(f"{solve_name(first)} {describe_record(shown.end)}", LONGEST_LINE), "red" if shown.failing else ""
            )
            return cells
        cells.progress, cells.percent = shown.progress, percent(shown.progress)
        cells.t = "" if shown.t is None else f"t {steady(shown.t)}"
        cells.steps = plural(shown.step, "step")
        cells.rejected = _rejected(shown)
        cells.rate = "" if shown.steps_per_s is None else rate(shown.steps_per_s)
        cells.watched = "" if shown.watched is None else shown.watched.text()
        cells.eta, cells.late = self.left(shown, now), shown.stalled or shown.lost is not None
        return cells

    def _sign(self, shown: OpenPass, *, selected: bool) -> Text:
        glyphs = self._glyphs
        failing = shown.failing or shown.lost is not None
        style = "bold red" if failing else "bold yellow" if shown.stalled else "bold"
        if selected:
            return Text.assemble((glyphs.selected, style))
        return Text.assemble((glyphs.failed if failing else glyphs.stalled if shown.stalled else " ", style))

    def left(self, shown: OpenPass, now: datetime) -> str:
        """Write when a pass will be over, or for how long nothing has been heard of it."""
        silent_s = (now - shown.moved).total_seconds()
        if shown.lost is not None:
            return f"lost {countdown((now - shown.lost.since).total_seconds())}"
        if shown.stalled or silent_s > SILENT_S:
            return f"{'stalled' if shown.stalled else 'silent'} {countdown(silent_s)}"
        found = shown.estimate
        if found is None:
            return ""
        if found.rough:
            return f"eta ~{between(found.likely_s, found.likely_s)}"
        return f"eta {between(found.low_s, found.high_s, self._glyphs.dash)}"

    def lanes(self, shown: OpenPass) -> Text | None:
        """Write what there is to be said of the lanes of a batch; None for a single solve."""
        if shown.lanes is None:
            shape = shown.first.batch_shape if isinstance(shown.first, PassStarted) else []
            text = "lanes " + "x".join(str(size) for size in shape) if shape else ""
            return Text(f"  {self._glyphs.lanes} {text}", "dim") if text else None
        slowest = ", ".join(
            f"{lane_name(lane.batch_index)} at {percent(lane.progress)}" for lane in shown.slowest[:_SLOWEST]
        )
        line = Text.assemble((f"  {self._glyphs.lanes} ", "dim"))
        line.append(lanes_text(shown.lanes), "red" if shown.lanes.failed else "dim")
        return line.append(f"{self._glyphs.dot}slowest {slowest}", "dim") if slowest else line


def _rejected(shown: OpenPass) -> str:
    never = isinstance(shown.first, PassStarted) and shown.first.controller in _NEVER_REJECT
    return "" if shown.rejected is None or (never and not shown.rejected) else f"{shown.rejected:,} rejected"


def _experiment(record: Record) -> str:
    return "-" if record.experiment is None else clean(record.experiment)
