"""Writes logs as a Parquet data set: the table of `parquet`, in directories by the values of columns, as Hive does.

`day=2026-11-27/experiment=fit/part-0.parquet`. DuckDB, polars and Spark read it alike, and skip what is not asked for.
"""

import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from soltrace.reading.files.places import say_nothing
from soltrace.report.database import database, read
from soltrace.report.loading import Converted
from soltrace.report.parquet import COUNT_OTHERS, record_rows
from soltrace.report.sql_columns import quoted

PARTITIONS: Final[Mapping[str, str]] = {
    "day": "strftime(make_timestamp(epoch_us(timestamp)), '%Y-%m-%d')",
    "event": "event",
    "experiment": "nullif(experiment, '')",  # Spark refuses a data set with an empty value
    "host": "nullif(host, '')",
    "run_id": "nullif(run_id, '')",
}
"""What can be partitioned by, and how its value follows from a record: of the day, in UTC."""
_HOSTS: Final = """\
CREATE OR REPLACE TEMP TABLE hosts AS
SELECT run_id, any_value(resource->>'host') AS host FROM lines WHERE event = 'log.opened' GROUP BY run_id"""
_ROWS_HELD: Final = 50_000
"""So many each thread gathers before it writes them: long rows of DuckDB's 524,288 would not fit into its memory."""
_MOST_OPEN: Final = 1000
"""Partitions with an open file each. Those that come back later have a second file."""
_ESCAPED: Final = re.compile(r'[\x00-\x1f"#%\'*/:=?\\\x7f{}\[\]^]')
"""What Hive writes as %XX: only ASCII. DuckDB writes é as two of them, and Spark would read two letters."""


def convert_partitioned(
    files: Sequence[Path], target: Path, columns: Sequence[str], say: Callable[[str], None] = say_nothing
) -> Converted:
    """Write the records of log files to a directory of Parquet files.

    Args:
        files: JSON logs.
        target: The directory; it is made if it is not there. Once all is written, each partition that has rows now is
            replaced. Other partitions stay as they are.
        columns: What it is partitioned by, of `PARTITIONS`. They are names of directories, and not in the files.
        say: Is called with the files of which a part cannot be read.

    Raises:
        OSError: A file cannot be written.
        duckdb.Error: There is no room or no memory, or a file cannot be read or written.
    """
    partial = target.absolute().with_name(f".{target.absolute().name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    statements = [*([_HOSTS] if "host" in columns else []), _copy(partial, columns), COUNT_OTHERS]
    with database() as connection:
        connection.execute(f"SET partitioned_write_flush_threshold = {_ROWS_HELD}")
        connection.execute(f"SET partitioned_write_max_open_files = {_MOST_OPEN}")
        try:
            counts, left_out = read(connection, files, say, statements, damaged=lambda counts: counts[-1])
            rows, others = counts[-2:]
            if rows:
                _move(partial, target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return Converted(rows, others + left_out)


def _copy(partial: Path, columns: Sequence[str]) -> str:
    rows = f"({record_rows()})" + (" LEFT JOIN hosts USING (run_id)" if "host" in columns else "")
    names, texts = ", ".join(f'"{name}"' for name in columns), ", ".join(map(quoted, columns))
    values = ", ".join(f'{PARTITIONS[name]} AS "{name}"' for name in columns)
    # Not `* EXCLUDE`, which fails of a column that is not there: a day is none of the table's.
    return (
        f"COPY (SELECT COLUMNS(lambda name: name NOT IN ({texts})), {values} FROM {rows}) "  # noqa: S608
        f"TO {quoted(str(partial))} (FORMAT parquet, COMPRESSION zstd, PARTITION_BY ({names}), OVERWRITE)"
    )


def _move(partial: Path, target: Path) -> None:
    """Put each partition in the place of the one of the same name, file by file: what is read meanwhile is whole."""
    for directory, written in groupby(sorted(partial.rglob("*.parquet")), lambda file: file.parent):
        place = target.joinpath(*map(_as_hive, directory.relative_to(partial).parts))
        place.mkdir(parents=True, exist_ok=True)
        names: list[str] = []
        for number, file in enumerate(written):
            names.append(f"part-{number}.parquet")
            file.replace(place / names[-1])
        for old in place.glob("*.parquet"):
            if old.name not in names:
                old.unlink()


def _as_hive(name: str) -> str:
    """Spell the name of a directory as Hive does."""
    key, _, value = name.partition("=")
    return f"{key}={_ESCAPED.sub(lambda found: f'%{ord(found[0]):02X}', unquote(value))}"


def other_columns(target: Path, columns: Sequence[str]) -> list[str] | None:
    """Return by which columns a directory is partitioned, if it holds Parquet files and it is not by these."""
    for file in _parquet_files(target):
        found = [part.partition("=")[0] for part in file.relative_to(target).parts[:-1] if "=" in part]
        if found != list(columns):
            return found
    return None


def _parquet_files(directory: Path) -> Iterator[Path]:
    return directory.rglob("*.parquet") if directory.is_dir() else iter(())
