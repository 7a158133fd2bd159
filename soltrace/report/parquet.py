"""Writes logs as one Parquet file: a typed row for each record, under the names of the log. Streamed, at any size."""

from collections.abc import Callable, Sequence
from pathlib import Path

from soltrace.reading.files.places import say_nothing
from soltrace.report.database import database, read
from soltrace.report.loading import Converted
from soltrace.report.sql_columns import quoted, sql_columns, validity


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
    # Not Parquet's own type for JSON, which polars takes for bytes.
    names = ", ".join(
        f'"{name}"::VARCHAR AS "{name}"' if kind == "JSON" else f'"{name}"' for name, kind in sql_columns().items()
    )
    statement = (
        f"COPY (SELECT {names} FROM lines WHERE {validity()}) "  # noqa: S608
        f"TO {quoted(str(partial.absolute()))} (FORMAT parquet, COMPRESSION zstd)"
    )
    with database() as connection:
        try:
            # Twice over the lines, the second time to count them: COPY only tells what it wrote.
            (records, lines), left_out = read(
                connection,
                files,
                say,
                [statement, "SELECT count(*) FROM lines"],
                damaged=lambda counts: counts[0] < counts[1],
            )
            if records:
                partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    return Converted(records, lines - records + left_out)
