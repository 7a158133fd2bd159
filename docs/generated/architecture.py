"""Draws who imports whom: `python -m docs.generated.architecture` writes `docs/architecture.md` and its picture.

The rooms and their order are those of `tests/test_architecture.py`; the imports are found in the source, so the drawing
shows what is there, and not what is allowed.
"""

import ast
from pathlib import Path
from typing import Final, TypeAlias

from tests.test_architecture import FILES, PACKAGE, ROOMS, imports, module_of, room_of, within

from .drawing import BLUE, FAINT, GREEN, GREY, VIOLET, Canvas

DOCS: Final = Path(__file__).parents[1]
PAGE: Final = DOCS / "architecture.md"
PICTURE: Final = DOCS / "pictures" / "rooms.svg"
WIDTH, BOX, HEIGHT, FLOOR = 1000, 118, 34, 92
FILLS: Final = {"traced": BLUE, "host": GREEN, "wire": VIOLET}

Edges: TypeAlias = dict[str, set[str]]


def edges() -> Edges:
    """What each room imports of the others."""
    found: Edges = {room: set() for room in ROOMS}
    for file in FILES:
        if (room := room_of(module_of(file))) in found:
            others = {room_of(name) for name in imports(file) if within(name, "soltrace")}
            found[room] |= others & set(ROOMS) - {room}
    return found


def upwards(found: Edges) -> list[tuple[str, str]]:
    """The imports that run from a room to one that stands no lower."""
    order = list(ROOMS)
    return [(room, other) for room in order for other in sorted(found[room]) if order.index(other) >= order.index(room)]


def floors(found: Edges) -> list[list[str]]:
    """The rooms by floor, from the ground up: each stands right above the highest of those it imports."""
    heights: dict[str, int] = {}
    for room in ROOMS:
        heights[room] = 1 + max((heights.get(other, -1) for other in found[room]), default=-1)
    return [[room for room in ROOMS if heights[room] == height] for height in range(max(heights.values()) + 1)]


def places(found: Edges) -> dict[str, tuple[float, float]]:
    """Where the middle of each room's box is.

    A floor's rooms are evenly spread, in the order of the rooms below them that they import; a room that is alone on
    its floor stands right above the middle of those.
    """
    where: dict[str, tuple[float, float]] = {}
    storeys = floors(found)
    for height, rooms in enumerate(storeys):
        wished = {room: _mean([where[other][0] for other in found[room]]) for room in rooms}
        y = (len(storeys) - 1 - height) * FLOOR + 30 + HEIGHT / 2
        for i, room in enumerate(sorted(rooms, key=lambda room: wished[room])):
            x = wished[room] if len(rooms) == 1 else WIDTH * (i + 1) / (len(rooms) + 1)
            where[room] = (x, y)
    return where


def drawn(found: Edges) -> Edges:
    """The imports that are drawn: those that no other way leads along already."""

    def below(room: str) -> set[str]:
        return {lower for other in found[room] for lower in (other, *below(other))}

    return {room: {o for o in found[room] if not any(o in below(other) for other in found[room])} for room in found}


def picture(found: Edges) -> str:
    """The rooms, and an arrow for each import that is drawn."""
    where = places(found)
    canvas = Canvas(
        WIDTH, len(floors(found)) * FLOOR + 8, "The rooms of soltrace; every arrow, an import, runs downwards"
    )
    for room, others in drawn(found).items():
        for other in sorted(others):
            (x, y), (to_x, to_y) = where[room], where[other]
            canvas.curve((x, y + HEIGHT / 2), (to_x, to_y - HEIGHT / 2 - 2), FLOOR / 3)
    for room, (x, y) in where.items():
        canvas.box(x - BOX / 2, y - HEIGHT / 2, BOX, HEIGHT, [f"`{room}`"], FILLS.get(room, GREY))
    canvas.text(16, 20, "an arrow: imports", colour=FAINT, size=12)
    return canvas.svg()


TEXT: Final = """\
# Architecture

<!-- Written by `python -m docs.generated.architecture`: change the code, and run that. -->

The package has {rooms} rooms, a folder or a file at its root each, and {imports} imports between them. All run
downwards: a room imports rooms below it, never one above. `tests/test_architecture.py` holds the code to that, and to
which library is imported in which room.

![The rooms on their floors, with an arrow for each import; every arrow runs downwards](pictures/rooms.svg)

An import that another way leads along already has no arrow here. The table has them all, from the top down.

| room | what it is | imports |
| --- | --- | --- |
{rows}
"""


def page(found: Edges) -> str:
    """The page: the drawing, and the whole table."""
    rows = [
        f"| `{room}` | {_summary(room)} | {', '.join(f'`{other}`' for other in sorted(found[room]))} |"
        for room in reversed(ROOMS)
    ]
    return TEXT.format(rooms=len(ROOMS), imports=sum(map(len, found.values())), rows="\n".join(rows))


def _summary(room: str) -> str:
    """The first sentence of the room's docstring."""
    file = PACKAGE / f"{room}.py"
    if not file.exists():
        file = PACKAGE / room / "__init__.py"
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) if file.exists() else None
    first = " ".join((text or "files without code").split("\n\n")[0].split())
    return first.removesuffix(".").replace("|", "\\|")


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else WIDTH / 2


if __name__ == "__main__":
    PICTURE.write_text(picture(edges()), encoding="utf-8")
    PAGE.write_text(page(edges()), encoding="utf-8")
