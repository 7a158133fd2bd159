"""The live view as a few lines of text: what is open, what the rest has come to, and one line above that sums up. Pure.

It stands below what the program prints, so it is small: the more passes there are, the fewer of them get a row.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from rich.text import Text

from soltrace.at_hand.story import Story
from soltrace.reading.live.columns import ASCII, Cells, ColumnLayout, Glyphs
from soltrace.reading.live.endings import PassTally
from soltrace.reading.live.rows import RowRenderer
from soltrace.reading.live.state import OpenPass
from soltrace.reading.phrases import describe_record
from soltrace.reading.plain import LONGEST_LINE
from soltrace.reading.text import clean, duration, plural, rate
from soltrace.wire.records import ExperimentEnded, PassEnded

OF_TOTALS: Final = 3
"""Rows that stay for totals while many passes are open: one of each phase, and one more."""
MOST_OF_A_SUMMARY: Final = 12


class Picture:
    """Draws a story.

    Args:
        story: What has happened.
        ascii_only: Whether there are no other signs.
    """

    def __init__(self, story: Story, *, ascii_only: bool = False) -> None:
        self._story = story
        self._glyphs = ASCII if ascii_only else Glyphs()
        self._ascii = ascii_only
        self._rows = RowRenderer(None, self._glyphs, story.runs)
        self._columns = ColumnLayout(self._glyphs)

    def frame(self, now: datetime, now_s: float, width: int, room: int) -> list[Text]:
        """Draw what stands below the program's own lines, on so many rows at most.

        Args:
            now: The present.
            now_s: The same, on the monotonic clock of the story.
            width: Of the terminal, in columns.
            room: Rows, the one that sums up among them; at least 1.
        """
        passes = self._story.passes(now, now_s)
        tallies = list(self._story.totals.tallies)
        rows = max(0, room - 1)
        if len(tallies) + len(passes) > rows:
            # Those of which one has ended last: they are what goes on.
            latest = sorted(tallies, key=lambda tally: tally.heard_s)[-max(0, min(OF_TOTALS, rows // 2)) :]
            tallies = [tally for tally in tallies if tally in latest] if rows > 1 else []
        shown = passes[: max(0, rows - len(tallies))]
        if len(shown) < len(passes) and shown:
            shown = shown[:-1]
        lines = self._lines(tallies, shown, now, width)
        if shown and len(lines) + sum(line is not None for line in map(self._rows.lanes, shown)) <= rows:
            lines = self._with_lanes(lines, tallies, shown)
        if len(shown) < len(passes) and len(lines) < rows:
            lines.append(Text(f"  and {len(passes) - len(shown):,} more", "dim"))
        return self._fit([self._rule(width), *lines[:rows]], width)

    def summary(self, now: datetime, width: int) -> list[Text]:
        """Draw what stays when the view is left: what ran, how it ended, and what it cost."""
        story = self._story
        if not story.began:
            return []
        tallies = list(story.totals.tallies)
        lines = self._lines(tallies[:MOST_OF_A_SUMMARY], list(story.open)[:OF_TOTALS], now, width, last=True)
        if (more := len(tallies) - MOST_OF_A_SUMMARY) > 0:
            lines.append(Text(f"  and {more:,} more", "dim"))
        lines += [self._failed(ended) for ended in story.totals.experiments if ended.status == "error"][-OF_TOTALS:]
        return self._fit([Text(self.headline(last=True), "bold"), *lines], width)

    def headline(self, *, last: bool = False) -> str:
        """Write in a few words how things are."""
        story, totals = self._story, self._story.totals
        count = len(story.open)
        if not last and not count and not totals.ended:
            return "soltrace: waiting for the first solve"
        open_passes = f"{plural(count, 'pass')} {'still ' if last else ''}open"
        parts = [] if last and not count else [open_passes if count else "none open"]
        parts.append(f"{plural(totals.ended, 'pass')} ended" if last else f"{totals.ended:,} ended")
        parts += [f"{totals.failed:,} FAILED"] if totals.failed else []
        parts += [f"compiled in {duration(totals.compiled_s)}"] if totals.compiled else []
        parts += [f"{totals.left_out:,} of them long ago"] if totals.left_out else []
        parts += [f"{story.lost:,} records lost"] if story.lost else []
        return f"soltrace: {', '.join(parts)}"

    def line(self, now: datetime) -> str:
        """Write how things are as one line, with the pass that is open for longest."""
        passes = self._story.open
        if not passes:
            return self.headline()
        cells = self._rows.pass_cells(passes[0], now)
        where = " ".join(part for part in (cells.percent, cells.t, cells.steps, cells.eta) if part)
        return f"{self.headline()}; {cells.name} {cells.solve} {cells.phase} {where}"

    def open_rows(self, now: datetime) -> Iterator[tuple[Cells, str]]:
        """Fill a row for each pass that is open, and write what there is to be said of its lanes."""
        for shown in self._story.open[:MOST_OF_A_SUMMARY]:
            lanes = self._rows.lanes(shown)
            yield self._rows.pass_cells(shown, now), "" if lanes is None else lanes.plain.strip()

    def _lines(
        self,
        tallies: Sequence[PassTally],
        passes: Sequence[OpenPass],
        now: datetime,
        width: int,
        *,
        last: bool = False,
    ) -> list[Text]:
        cells = [self._total(tally, last=last) for tally in tallies] + [
            self._rows.pass_cells(shown, now) for shown in passes
        ]
        return self._columns.rows(cells, width)

    def _with_lanes(
        self, lines: Sequence[Text], tallies: Sequence[PassTally], passes: Sequence[OpenPass]
    ) -> list[Text]:
        below = [None] * len(tallies) + [self._rows.lanes(shown) for shown in passes]
        return [part for line, lanes in zip(lines, below, strict=True) for part in (line, lanes) if part is not None]

    def _total(self, tally: PassTally, *, last: bool) -> Cells:
        record = tally.newest
        name = "-" if record.experiment is None else clean(record.experiment)
        failed = tally.failed > 0
        mark = Text.assemble((self._glyphs.failed if failed else self._glyphs.ok, "bold red" if failed else "green"))
        return Cells(name, record.phase, "", mark, text=total_text(tally, last=last))

    def _failed(self, record: ExperimentEnded) -> Text:
        name = "-" if record.experiment is None else clean(record.experiment)
        said = clean(f"{name}  experiment  {describe_record(record)}", LONGEST_LINE)
        return Text.assemble((self._glyphs.failed, "bold red"), f" {said}")

    def _rule(self, width: int) -> Text:
        text = f"{self._glyphs.left * 2} {self.headline()} "
        return Text(text + self._glyphs.left * (width - len(text)), "dim")

    def _fit(self, lines: Sequence[Text], width: int) -> list[Text]:
        for line in lines:
            if self._ascii:
                line.plain = line.plain.encode("ascii", "replace").decode()
            line.truncate(width, overflow="ellipsis")
        return list(lines)


def total_text(tally: PassTally, *, last: bool = False) -> Text:
    """Write what passes have come to: `132 passes ok in 3.2 s, 31/s, median 12 ms, 4,602 steps (17 rejected)`.

    Args:
        tally: The passes.
        last: Whether no more are expected, so that nobody wants to know how many come in a second.
    """
    if tally.count == 1:
        record: PassEnded = tally.newest
        return Text(clean(describe_record(record), LONGEST_LINE), "red" if tally.failed else "")
    words = f"{plural(tally.count, 'pass')}{'' if tally.failed else ' ok'} in {duration(tally.total_s)}"
    parts = [words] + ([] if last or tally.passes_per_s is None else [rate(tally.passes_per_s)])
    parts += [f"median {duration(tally.median_s)}", steps_words(tally)]
    text = Text(", ".join(parts))
    return text.append(f", FAILED: {verdict(tally)}", "red") if tally.failed else text


def steps_words(tally: PassTally) -> str:
    """Write steps and what became of them: `4,602 steps (17 rejected, 9,000 recomputed)`."""
    counted = ((tally.rejected, "rejected"), (tally.recomputed, "recomputed"))
    beside = ", ".join(f"{count:,} {word}" for count, word in counted if count)
    return plural(tally.steps, "step") + (f" ({beside})" if beside else "")


def verdict(tally: PassTally) -> str:
    """Write how passes ended: `ok`, or the results of those that failed, the most frequent first."""
    if not tally.failed:
        return "ok"
    return ", ".join(f"{count:,} {clean(name)}" for name, count in tally.results.most_common())
