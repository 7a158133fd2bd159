"""Writes logs as a directory for TensorBoard: how the passes of each experiment went, and curves of single passes."""

import re
import zlib
from collections.abc import Iterator
from itertools import chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from soltrace.report.ask import QueryRow, each_row, read_sql
from soltrace.report.pictures.event_files import EventFile

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MOST_PASSES: Final = 100
"""How many passes have curves of their own: the longest. TensorBoard shows each as a run, with a box to tick."""
MOST_LANES: Final = 10
"""How many lanes of each of these: those with the most steps."""
_OUTSIDE: Final = "outside any experiment"
_LONGEST: Final = 100
"""Characters of the name of a directory."""
_OF_PASSES: Final = ("duration_s", "step", "rejected", "recomputed", "progress")
_SHOWN: Final = {"step": "steps"}
_Point: TypeAlias = tuple[str, float, int, float]
"""A tag, a time in seconds since 1970, a step and a value."""


def write_events(connection: "DuckDBPyConnection", directory: Path) -> None:
    """Write event files, each in a directory of its own, which TensorBoard shows as a run.

    `<experiment>/<run>` has the duration and the steps of one pass after the other. `<solve> <phase>` below it, and
    `lane <index>` below that, say how one pass went from step to step.

    Args:
        connection: To a database with the views of `soltrace.report.views`.
        directory: Where to.
    """
    passes = each_row(connection, read_sql("event_passes"))
    for (run_id, experiment), rows in groupby(passes, lambda row: (row["run_id"], row["experiment"])):
        _write(_place(directory, experiment, run_id), (point for row in rows for point in _points(row)))
    curves = each_row(connection, read_sql("event_curves"), passes=MOST_PASSES, lanes=MOST_LANES)
    for _, rows in groupby(curves, _curve):
        first = next(rows)
        points = ((row["tag"], row["at_s"], row["step"], row["value"]) for row in chain([first], rows))
        _write(_place_of_curve(directory, first), points)


def _points(row: QueryRow) -> Iterator[_Point]:
    for name in _OF_PASSES:
        if row[name] is not None:
            yield f"{row['phase']}/{_SHOWN.get(name, name)}", row["at_s"], row["number"], row[name]


def _curve(row: QueryRow) -> tuple[Any, ...]:
    return row["run_id"], row["pass_id"], row["batch_index"]


def _place_of_curve(directory: Path, row: QueryRow) -> Path:
    solve = row["solve_id"].removeprefix(f"{row['run_id']}.")
    lane = "" if row["batch_index"] is None else f"lane {','.join(map(str, row['batch_index']))}"
    place = _place(directory, row["experiment"], row["run_id"]) / _name(f"{solve} {row['phase']}")
    return place / lane if lane else place


def _place(directory: Path, experiment: str, run_id: str) -> Path:
    return directory.joinpath(*map(_name, experiment.split("/") if experiment else [_OUTSIDE]), _name(run_id))


def _name(text: str) -> str:
    """Make a name of a directory of a log's text: one that leads nowhere else, and is another one for another text."""
    plain = re.sub(r"[^\w.,+=@ -]", "_", text)[:_LONGEST].strip(" .") or "_"
    return plain if plain == text else f"{plain}-{zlib.crc32(text.encode('utf-8', 'replace')):08x}"


def _write(place: Path, points: Iterator[_Point]) -> None:
    place.mkdir(parents=True, exist_ok=True)
    # Always of the same name: TensorBoard adds up what the files of one directory say.
    with (place / "events.out.tfevents.soltrace").open("wb") as file:
        first = next(points)
        events = EventFile(file, first[1])
        for point in chain([first], points):
            events.scalar(*point)
