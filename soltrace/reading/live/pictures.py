"""The frame of the live view: the list, one pass, or the help; and the last row, which says how it stands. Pure."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from rich.console import ConsoleDimensions
from rich.text import Text

from soltrace.reading.live.controls import HELP, Controls, Picture
from soltrace.reading.live.detail import Detail
from soltrace.reading.live.frame import Painter
from soltrace.reading.live.glyphs import Glyphs
from soltrace.reading.live.scene import Scene
from soltrace.reading.live.state import OpenPass
from soltrace.reading.text import clean, plural

_AROUND: Final = 4
"""Rows of a terminal that the frame's own are not: the blank one above, the last, and two of what has scrolled."""
_KEYS: Final = 9


class _Part(NamedTuple):
    """Of the last row."""

    text: str
    style: str = "dim"
    expendable: int = 0
    """Where there is no room, what has the most goes first; 0 stays."""


class Pictures:
    """Compose frames.

    Args:
        painter: Draws the rows of the list.
        detail: Draws one pass.
        glyphs: Signs to draw with.
        title: What is being followed.
        interactive: Whether there are keys, which the last row then says.
    """

    def __init__(
        self, painter: Painter, detail: Detail, glyphs: Glyphs, *, title: str = "", interactive: bool = False
    ) -> None:
        self._painter = painter
        self._detail = detail
        self._glyphs = glyphs
        self._title = title
        self._interactive = interactive
        self._top = 0
        """The first row of the list that is shown, of those that there is no room for at once."""

    def frame(self, scene: Scene, controls: Controls, size: ConsoleDimensions, skipped: int = 0) -> list[Text]:
        """Draw all that is below what has scrolled.

        Args:
            scene: What there is to be shown.
            controls: What its reader wants to see.
            size: Columns and rows of the terminal.
            skipped: Lines that could not be read.
        """
        room = max(1, size.height - _AROUND)
        if controls.picture is Picture.HELP:
            rows = self._help()
        elif controls.picture is Picture.DETAIL and controls.selected is not None:
            rows = self._detail.lines(controls.selected, scene.now, size.width)
        else:
            rows = self._list(scene, controls, size.width, room)
        frame = [Text(), *rows[:room], self._last_row(scene, controls, skipped, size.width)]
        return [_cut(line, size.width) for line in frame]

    def remains(self, scene: Scene, size: ConsoleDimensions) -> list[Text]:
        """Draw what stays on the screen when the view is left."""
        rows = self._list(scene, Controls(), size.width, max(1, size.height - _AROUND))
        return [_cut(line, size.width) for line in [Text(), *rows]] if rows else []

    def _list(self, scene: Scene, controls: Controls, width: int, room: int) -> list[Text]:
        place = controls.follow(scene.passes)
        total = len(scene.tallies) + len(scene.passes)
        if not total and (controls.choice.text or controls.choice.failed_only):
            return [Text("  nothing to show", "dim")]
        if total > room:
            return self._window(scene, controls.selected, place, width, room)
        self._top = 0
        blocks = self._painter.rows(scene.tallies, scene.passes, scene.now, width, controls.selected)
        rows = [line for block in blocks for line in block]
        # Lanes are the first to go.
        return rows if len(rows) <= room else [block[0] for block in blocks]

    def _window(self, scene: Scene, selected: OpenPass | None, place: int | None, width: int, room: int) -> list[Text]:
        """Draw as many rows as there is room for, the selected one among them: of thousands, only those cost time."""
        before = len(scene.tallies)
        total, count = before + len(scene.passes), room - 1
        if place is None:
            self._top = 0
        elif count:
            self._top = min(max(self._top, before + place - count + 1), before + place)
        top = self._top = min(self._top, total - count)
        tallies = scene.tallies[top : top + count]
        passes = scene.passes[max(0, top - before) : max(0, top + count - before)]
        rows = [block[0] for block in self._painter.rows(tallies, passes, scene.now, width, selected)]
        more = f"{top + 1:,}{self._glyphs.dash}{top + count:,} of {total:,}" if top else f"and {total - count:,} more"
        return [*rows, Text("  " + more, "dim")]

    def _help(self) -> list[Text]:
        return [
            Text.assemble("  ", (keys.format(up_down=self._glyphs.up_down).ljust(_KEYS), "bold"), f"  {what}")
            for keys, what in HELP
        ]

    def _last_row(self, scene: Scene, controls: Controls, skipped: int, width: int) -> Text:
        if controls.typing:
            line = Text.assemble(("/", "bold"), clean(controls.choice.text), ("_", "blink"))
        else:
            parts = self._parts(scene, controls, skipped)
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

    def _parts(self, scene: Scene, controls: Controls, skipped: int) -> list[_Part]:
        parts = [_Part(self._title, expendable=2)] if self._title else []
        if scene.open or scene.ended or scene.forgotten:
            places = [f"{scene.runs:,} runs"] if scene.runs > 1 else []
            places += [f"{scene.experiments:,} experiments"] if scene.experiments > 1 else []
            parts.append(_Part(f"{plural(scene.open, 'pass') if scene.open else 'none'} open"))
            parts += [_Part(f" in {', '.join(places)}", expendable=3)] if places else []
            parts.append(_Part(f"{scene.ended:,} ended"))
        else:
            parts.append(_Part("waiting for the first solve"))
        for count, what, style in (
            (scene.failed, "failed", "red"),
            (scene.forgotten, "silent for long", "dim"),
            (scene.lost, "records lost", "yellow"),
            (skipped, "lines skipped", "yellow"),
        ):
            parts += [_Part(f"{count:,} {what}", style)] if count else []
        parts += [_Part(word, "bold") for word in self._wishes(controls)]
        if self._interactive:
            hint = "? for keys" if controls.picture is Picture.LIST else "esc goes back"
            parts.append(_Part(hint, expendable=1))
        return parts

    def _wishes(self, controls: Controls) -> list[str]:
        choice = controls.choice
        words = ["held"] if controls.held else []
        if choice.order != "started" or choice.reverse:
            words.append(f"by {choice.order}" + (" reversed" if choice.reverse else ""))
        if choice.text:
            words.append(f"/{clean(choice.text)}")
        return words + (["failed only"] if choice.failed_only else [])


def _cut(line: Text, width: int) -> Text:
    line.no_wrap, line.overflow = True, "ellipsis"
    line.truncate(width, overflow="ellipsis")
    return line
