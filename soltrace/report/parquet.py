"""Writes logs as one Parquet file: a typed row for each record, under the names of the log. Streamed, at any size.

A record that carries many steps as columns has a row for each of them.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from soltrace.reading.files.places import say_nothing
from soltrace.report.database import database, read
from soltrace.report.loading import Converted
from soltrace.report.sql_columns import quoted, sql_columns, validity

_ROWS: Final = "unnest(coalesce(range(1, len(attempts.step) + 1), [NULL]))"
"""Which of its steps a row is; NULL of a record that has none."""
COUNT_OTHERS: Final = f"SELECT count(*) FROM lines WHERE NOT {validity()}"  # noqa: S608
"""The question how many lines are no records."""


def convert(files: Sequence[Path], target: Path, say: Callable[[str], None] = say_nothing) -> Converted:
    """Write the records of log files to a Parquet file.

    Args:
        files: JSON logs.
        target: The file to write. If it exists it is replaced once all is written, and left alone if there is no
            record.
        say: Is called with the files of which a part cannot be read.

    Raises:
        duckdb.Error: There is no room or no memory, or a file cannot be read or written.
    """
    partial = target.with_name(f".{target.name}.partial")
    statement = f"COPY ({record_rows()}) TO {quoted(str(partial.absolute()))} (FORMAT parquet, COMPRESSION zstd)"
    with database() as connection:
        try:
            # Twice over the lines, the second time to count them: COPY only tells what it wrote.
            (rows, others), left_out = read(
                connection, files, say, [statement, COUNT_OTHERS], damaged=lambda counts: counts[1]
            )
            if rows:
                partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    return Converted(rows, others + left_out)


def record_rows() -> str:
    """Write the question whose answer is the table: what `lines` holds of records."""
    return f"SELECT {_columns()} FROM (SELECT *, {_ROWS} AS row_of FROM lines WHERE {validity()})"  # noqa: S608


def _columns() -> str:
    """Write what stands in each column: of a row that is a step, its own."""
    columns = sql_columns()
    (inner,) = re.findall(r"STRUCT\((.*)\)", columns.pop("attempts"))
    own = [part.split(" ")[0] for part in inner.split(", ")]
    columns |= dict.fromkeys([name for name in own if name not in columns], "")
    return ", ".join(_column(name, kind, is_own=name in own) for name, kind in columns.items())


def _column(name: str, kind: str, *, is_own: bool) -> str:
    if kind == "JSON":  # not Parquet's own type for it, which polars takes for bytes
        return f'"{name}"::VARCHAR AS "{name}"'
    if not is_own:
        return f'"{name}"'
    otherwise = f'ELSE "{name}" ' if kind else ""
    return f'CASE WHEN row_of IS NOT NULL THEN attempts."{name}"[row_of] {otherwise}END AS "{name}"'
