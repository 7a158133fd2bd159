"""The frame of the live view: the list, one pass, or the help, and below it the last row, which sums up. Pure."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from rich.console import ConsoleDimensions
from rich.text import Text

from soltrace.reading.live.columns import Glyphs
from soltrace.reading.live.controls import HELP, Controls, Screen
from soltrace.reading.live.detail import DetailRenderer
from soltrace.reading.live.rows import RowRenderer
from soltrace.reading.live.snapshot import Snapshot
from soltrace.reading.live.state import OpenPass
from soltrace.reading.text import clean, coarse, percent, plural

_AROUND: Final = 4
"""Rows of the terminal that are left free: a blank one above, the last one, and two for what was announced."""
_KEYS: Final = 9


class _Part(NamedTuple):
    """A part of the last row."""

    text: str
    style: str = "dim"
    expendable: int = 0
    """Where there is no room, the part with the highest number goes first; 0 stays."""


class FrameRenderer:
    """Composes frames.

    Args:
        rows: Draws the rows of the list.
        detail: Draws one pass.
        glyphs: The signs to draw with.
        title: What is being followed.
        interactive: Whether there are keys, of which the last row then reminds.
    """

    def __init__(
        self, rows: RowRenderer, detail: DetailRenderer, glyphs: Glyphs, *, title: str = "", interactive: bool = False
    ) -> None:
        self._rows = rows
        self._detail = detail
        self._glyphs = glyphs
        self._title = title
        self._interactive = interactive
        self._top = 0
        """The first row that is shown of a list that there is not enough room for."""

    def frame(self, snapshot: Snapshot, controls: Controls, size: ConsoleDimensions, skipped: int = 0) -> list[Text]:
        """Draw all that is below the news.

        Args:
            snapshot: What there is to be shown.
            controls: What the reader wants to see.
            size: Columns and rows of the terminal.
            skipped: How many lines could not be read.
        """
        room = max(1, size.height - _AROUND)
        if controls.screen is Screen.HELP:
            rows = self._help()
        elif controls.screen is Screen.DETAIL and controls.selected is not None:
            rows = self._detail.lines(controls.selected, snapshot.now, size.width)
        else:
            rows = self._list(snapshot, controls, size.width, room)
        frame = [Text(), *rows[:room], self._last_row(snapshot, controls, skipped, size.width)]
        return [_cut(line, size.width) for line in frame]

    def remains(self, snapshot: Snapshot, size: ConsoleDimensions) -> list[Text]:
        """Draw what stays on the terminal when the view is left."""
        rows = self._list(snapshot, Controls(), size.width, max(1, size.height - _AROUND))
        return [_cut(line, size.width) for line in [Text(), *rows]] if rows else []

    def _list(self, snapshot: Snapshot, controls: Controls, width: int, room: int) -> list[Text]:
        place = controls.follow(snapshot.passes)
        total = len(snapshot.tallies) + len(snapshot.passes)
        if not total and (controls.query.text or controls.query.failed_only):
            return [Text("  nothing to show", "dim")]
        if total > room:
            return self._window(snapshot, controls.selected, place, width, room)
        self._top = 0
        blocks = self._rows.rows(snapshot.tallies, snapshot.passes, snapshot.now, width, controls.selected)
        rows = [line for block in blocks for line in block]
        # Lanes are the first to go.
        return rows if len(rows) <= room else [block[0] for block in blocks]

    def _window(
        self, snapshot: Snapshot, selected: OpenPass | None, place: int | None, width: int, room: int
    ) -> list[Text]:
        """Draw as many rows as there is room for, the selected one among them: thousands of others cost no time."""
        before = len(snapshot.tallies)
        total, count = before + len(snapshot.passes), room - 1
        if place is None:
            self._top = 0
        elif count:
            self._top = min(max(self._top, before + place - count + 1), before + place)
        top = self._top = min(self._top, total - count)
        tallies = snapshot.tallies[top : top + count]
        passes = snapshot.passes[max(0, top - before) : max(0, top + count - before)]
        rows = [block[0] for block in self._rows.rows(tallies, passes, snapshot.now, width, selected)]
        more = f"{top + 1:,}{self._glyphs.dash}{top + count:,} of {total:,}" if top else f"and {total - count:,} more"
        return [*rows, Text("  " + more, "dim")]

    def _help(self) -> list[Text]:
        return [
            Text.assemble("  ", (keys.format(up_down=self._glyphs.up_down).ljust(_KEYS), "bold"), f"  {what}")
            for keys, what in HELP
        ]

    def _last_row(self, snapshot: Snapshot, controls: Controls, skipped: int, width: int) -> Text:
        if controls.typing:
            line = Text.assemble(("/", "bold"), clean(controls.query.text), ("_", "blink"))
        else:
            parts = self._parts(snapshot, controls, skipped)
            line = self._joined(parts)
            for expendable in sorted({part.expendable for part in parts if part.expendable}, reverse=True):
                if line.cell_len <= width:
                    break
                parts = [part for part in parts if part.expendable != expendable]
                line = self._joined(parts)
        return line

    def _joined(self, parts: Sequence[_Part]) -> Text:
        line = Text()
        for part in parts:
            # What says where stands after what, without a dot.
            line.append(self._glyphs.dot if line and not part.text.startswith(" ") else "", "dim")
            line.append(part.text, part.style)
        return line

    def _parts(self, snapshot: Snapshot, controls: Controls, skipped: int) -> list[_Part]:
        parts = [_Part(self._title, expendable=2)] if self._title else []
        if snapshot.open or snapshot.ended or snapshot.forgotten or snapshot.lost_runs:
            places = [f"{snapshot.runs:,} runs"] if snapshot.runs > 1 else []
            places += [f"{snapshot.experiments:,} experiments"] if snapshot.experiments > 1 else []
            parts.append(_Part(f"{plural(snapshot.open, 'pass') if snapshot.open else 'none'} open"))
            parts += [_Part(f" in {', '.join(places)}", expendable=3)] if places else []
            parts.append(_Part(f"{snapshot.ended:,} ended"))
        else:
            parts.append(_Part("waiting for the first solve"))
        for count, what, style in (
            (snapshot.failed, "failed", "red"),
            (snapshot.lost_runs, "run lost" if snapshot.lost_runs == 1 else "runs lost", "red"),
            (snapshot.compiling, "compiling", "dim"),
            (snapshot.forgotten, "silent for long", "dim"),
            (snapshot.lost, "records lost", "yellow"),
            (skipped, "lines skipped", "yellow"),
        ):
            parts += [_Part(f"{count:,} {what}", style)] if count else []
        parts += self._of_many(snapshot)
        parts += [_Part(word, "bold") for word in self._wishes(controls)]
        if self._interactive:
            hint = "? for keys" if controls.screen is Screen.LIST else "esc goes back"
            parts.append(_Part(hint, expendable=1))
        return parts

    def _of_many(self, snapshot: Snapshot) -> list[_Part]:
        """What there is to be said of many runs: which is behind, what the scheduler's tasks are in, what they take."""
        parts: list[_Part] = []
        if (slow := snapshot.slowest) is not None:
            text = f"{clean(slow.name)} is at {percent(slow.progress)}, the median at {percent(slow.median)}"
            parts.append(_Part(text, "yellow", expendable=4))
        if snapshot.tasks:
            counts = ", ".join(f"{count:,} {state}" for state, count in snapshot.tasks.items())
            parts.append(_Part(f"tasks: {counts}", expendable=5))
        if snapshot.tasks_left_s is not None:
            parts.append(_Part(f"all in about {coarse(snapshot.tasks_left_s)}", expendable=6))
        return parts

    def _wishes(self, controls: Controls) -> list[str]:
        query = controls.query
        words = ["held"] if controls.held else []
        if query.order != "started" or query.reverse:
            words.append(f"by {query.order}" + (" reversed" if query.reverse else ""))
        if query.text:
            words.append(f"/{clean(query.text)}")
        return words + (["failed only"] if query.failed_only else [])


def _cut(line: Text, width: int) -> Text:
    line.no_wrap, line.overflow = True, "ellipsis"
    line.truncate(width, overflow="ellipsis")
    return line
