"""Opens DuckDB over log files: within a bound of memory, on disk for the rest, and never on a network.

The database itself lies in a temporary directory too, so that the records of a log need not fit into memory.
"""

import re
import tempfile
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from soltrace.reading.files.lines import MAX_LINE_BYTES
from soltrace.report.interruptible import CONNECTIONS
from soltrace.report.sieve import sieve
from soltrace.report.sql_columns import json_columns, quoted, sql_columns, typed

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY: Final = "1GB"
"""What DuckDB's tables, joins and sorts may take. The rest goes to the temporary directory."""
THREADS: Final = 4
"""At most so many, since each holds some 100 MB of lines while it reads, outside of that bound."""


@contextmanager
def database() -> "Generator[DuckDBPyConnection]":
    """Open a database in a temporary directory (in `$TMPDIR`), which is removed with it.

    Raises:
        OSError: The directory cannot be made.
    """
    import duckdb

    with tempfile.TemporaryDirectory(prefix="soltrace-") as directory:
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": MEMORY,
            "temp_directory": f"{directory}/spilled",
            "preserve_insertion_order": False,  # it would hold back what other threads have read
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        with duckdb.connect(f"{directory}/log.duckdb", config=config) as connection:
            connection.execute(f"SET threads = least(current_setting('threads'), {THREADS})")
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET enable_progress_bar = true")  # or it would not know how far it is
            connection.execute("SET enable_progress_bar_print = false")
            connection.execute("SET progress_bar_time = 0")
            with CONNECTIONS.holding(connection):
                yield connection


def read(
    connection: "DuckDBPyConnection",
    files: Sequence[Path],
    say: Callable[[str], None],
    statements: Sequence[str],
    damaged: Callable[[Sequence[int]], object],
) -> tuple[list[int], int]:
    """Execute statements over the view `lines`, which has a row for each line of the files, all NULL if it is damaged.

    Args:
        connection: To the database.
        files: JSON logs.
        say: Is called with the files of which a part cannot be read.
        statements: Each returns a count. They are executed again if there is damage: what can be read of such lines has
            rows of its own then.
        damaged: Returns of the counts whether there may be any.

    Returns:
        What each statement counts, and how many lines have no row because DuckDB gives up at them (see `sieve`).

    Raises:
        duckdb.Error: There is no room or no memory, or a file cannot be read.
    """
    from duckdb import InvalidInputException, IOException

    _see(connection, files)
    try:
        counts = _counts(connection, statements)
        if not damaged(counts):
            return counts, 0
    except (InvalidInputException, IOException):  # it does not always say in which file
        pass
    with tempfile.TemporaryDirectory(prefix="soltrace-") as directory:
        left_out, readable = 0, list(files)
        for number, file in enumerate(files):
            if not _is_whole(connection, file):
                readable[number] = Path(directory) / f"{number}.jsonl"
                left_out += sieve(file, readable[number], say)
        _see(connection, readable)
        return _counts(connection, statements), left_out


def _counts(connection: "DuckDBPyConnection", statements: Iterable[str]) -> list[int]:
    rows: list[list[tuple[object, ...]]] = []
    for number, statement in enumerate(statements):
        with CONNECTIONS.doing("checking" if number else "reading"):
            rows.append(connection.execute(statement).fetchall())
    return [cast("int", row[0][0]) for row in rows]


def _is_whole(connection: "DuckDBPyConnection", file: Path) -> bool:
    from duckdb import InvalidInputException, IOException

    _see(connection, [file])
    try:
        return _counts(connection, ["SELECT count(*) - count(event) FROM lines"]) == [0]
    except (InvalidInputException, IOException):
        return False


def _see(connection: "DuckDBPyConnection", files: Iterable[Path]) -> None:
    paths = ", ".join(quoted(_literal(file)) for file in files)
    types = ", ".join(f"{quoted(name)}: {quoted(kind)}" for name, kind in json_columns().items())
    values = ", ".join(f'{typed(name, kind)} AS "{name}"' for name, kind in sql_columns().items())
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW lines AS SELECT {values} "  # noqa: S608
        f"FROM read_json([{paths}], columns = {{{types}}}, format = 'newline_delimited', ignore_errors = true, "
        f"maximum_object_size = {MAX_LINE_BYTES}, hive_partitioning = false)"
    )


def _literal(file: Path) -> str:
    """Write a path so that DuckDB does not take it for a pattern."""
    return re.sub(r"([*?\[])", r"[\1]", str(file.absolute()))
