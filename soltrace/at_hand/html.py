"""The live view as HTML for a notebook: one table of what is over and what it cost, one of what is open. Pure.

No script and next to no style: the page that it is shown on has its own, dark or light, and of a notebook that is not
trusted both are taken away.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from html import escape
from typing import Final

from soltrace.at_hand.picture import MOST_OF_A_SUMMARY, OF_TOTALS, Picture, verdict
from soltrace.at_hand.story import Story
from soltrace.reading.live.columns import Cells, Glyphs, bar
from soltrace.reading.live.endings import PassTally
from soltrace.reading.phrases import describe_record
from soltrace.reading.text import clean, duration

_BAR: Final = 20
_LONG: Final = 40
"""What is shorter is not broken into lines."""
_TABLE: Final = '<table style="margin:0.3em 0;text-align:right">'
_MONOSPACE: Final = "font-family:monospace;white-space:pre"
_FAILED: Final = "color:#c62828"
"""A red that can be read on white and on black."""
_OVER: Final = ("", "experiment", "phase", "passes", "ended", "in all", "median", "steps")
_OF_STEPS: Final = ("rejected", "recomputed")
"""Columns that are there if there is anything to be said."""
_OPEN: Final = ("experiment", "phase", "solve", "progress", "t", "steps", "rate", "left")


def area_html(story: Story, picture: Picture, now: datetime, note: str = "", *, last: bool) -> str:
    """Write the output area.

    Args:
        story: What has happened.
        picture: Writes what the terminal says too.
        now: The present.
        note: What else there is to be said in the first line.
        last: Whether the cell is over.
    """
    title = picture.headline(last=last) + (f"; {note}" if note else "")
    parts = [f"<div><b>{escape(title)}</b></div>"]
    if tallies := story.totals.tallies[:MOST_OF_A_SUMMARY]:
        beside = [name for name in _OF_STEPS if any(getattr(tally, name) for tally in tallies)]
        rows = [_total(tally, beside) for tally in tallies]
        parts += [_TABLE, _row("th", (*_OVER, *beside)), *rows, "</table>"]
    if passes := list(picture.open_rows(now)):
        parts += [_TABLE, _row("th", _OPEN), *(line for each in passes for line in _open(*each)), "</table>"]
    parts += list(_failures(story))
    return "\n".join(["<div>", *parts, "</div>"])


def _total(tally: PassTally, beside: Sequence[str]) -> str:
    record = tally.newest
    glyphs = Glyphs()
    return _row(
        "td",
        (
            glyphs.failed if tally.failed else glyphs.ok,
            _experiment(record.experiment),
            record.phase,
            f"{tally.count:,}",
            f"FAILED: {verdict(tally)}" if tally.failed else verdict(tally),
            duration(tally.total_s),
            duration(tally.median_s),
            f"{tally.steps:,}",
            *(f"{getattr(tally, name):,}" for name in beside),
        ),
        _FAILED if tally.failed else "",
    )


def _open(row: Cells, lanes: str) -> Iterator[str]:
    drawn = f"{bar(row.progress, _BAR, '', Glyphs()).plain} {row.percent:>7}"
    cells = (row.name, row.phase, row.solve, drawn, row.t.removeprefix("t "), row.steps, row.rate, row.eta)
    yield _row("td", cells, monospaced=3)
    if below := Glyphs().dot.join(filter(None, (lanes, row.watched))):
        yield f'<tr><td></td><td colspan="{len(_OPEN) - 1}" style="text-align:left">{escape(below)}</td></tr>'


def _failures(story: Story) -> Iterator[str]:
    failed = [ended for ended in story.totals.experiments if ended.status == "error"]
    for record in failed[-OF_TOTALS:]:
        said = f"{_experiment(record.experiment)}: experiment {describe_record(record)}"
        yield f'<div style="{_FAILED}">{escape(clean(said, 400))}</div>'


def _experiment(name: str | None) -> str:
    return "-" if name is None else clean(name)


def _row(kind: str, cells: Sequence[str], style: str = "", *, monospaced: int | None = None) -> str:
    styles = [_MONOSPACE if index == monospaced else style for index in range(len(cells))]
    opened = [f'<{kind} style="{style}">' if style else f"<{kind}>" for style in styles]
    shown = [escape(cell) if len(cell) > _LONG else escape(cell).replace(" ", "&nbsp;") for cell in cells]
    return f"<tr>{''.join(f'{tag}{cell}</{kind}>' for tag, cell in zip(opened, shown, strict=True))}</tr>"
