"""Writes logs as a file, or a directory, of another tool: whole or not at all."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from soltrace.reading.files.places import say_nothing
from soltrace.report.loading import Converted, loaded
from soltrace.report.pictures.perfetto import write_trace
from soltrace.report.pictures.speedscope import flame_graph
from soltrace.report.pictures.tensorboard import write_events
from soltrace.report.views import create_views

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def draw(tool: str, files: Sequence[Path], target: Path, say: Callable[[str], None] = say_nothing) -> Converted:
    """Write logs as a tool reads them.

    Args:
        tool: `perfetto`, `speedscope` or `tensorboard`.
        files: JSON logs, in any order.
        target: The file; for TensorBoard the directory. It is replaced once all is written, and left alone if there is
            no record; of a directory, the files that are written anew.
        say: Is called with the files of which a part cannot be read.

    Raises:
        OSError: A file cannot be read or written.
        duckdb.Error: There is no room or no memory, or a file cannot be read.
    """
    partial = target.absolute().with_name(f".{target.name}.partial")
    _remove(partial)
    try:
        with loaded(files, say) as logs:
            counted = logs.counted()
            if counted.records:
                create_views(logs.connection)
                _write(tool, logs.connection, partial)
        if counted.records:
            _move(partial, target)
    finally:
        _remove(partial)
    return counted


def _write(tool: str, connection: "DuckDBPyConnection", partial: Path) -> None:
    if tool == "tensorboard":
        write_events(connection, partial)
        return
    with partial.open("wb") as file:
        if tool == "perfetto":
            write_trace(connection, file.write)
        else:
            file.write(msgspec.json.encode(flame_graph(connection)) + b"\n")


def _move(partial: Path, target: Path) -> None:
    if partial.is_file():
        partial.replace(target)
        return
    for file in partial.rglob("*"):
        if file.is_file():
            place = target / file.relative_to(partial)
            place.parent.mkdir(parents=True, exist_ok=True)
            file.replace(place)


def _remove(partial: Path) -> None:
    if partial.is_dir():
        shutil.rmtree(partial)
    else:
        partial.unlink(missing_ok=True)
