"""Loads logs into the tables that all questions share, whoever asks them: the report, the queries and the pictures."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from soltrace.reading.runs.jobs import Jobs
from soltrace.report.ask import read_sql
from soltrace.report.database import database, read
from soltrace.report.lost_runs import note_lost_runs
from soltrace.report.relations import JUDGED, TOLD
from soltrace.report.sql_columns import plausibility, validity

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class Converted:
    """What has become of the lines."""

    records: int
    skipped: int
    """How many lines are no records: torn, damaged, or of a kind or a schema that this version does not know."""


@dataclass(frozen=True)
class LoadedLogs:
    """A database that is filled. Its tables and views are those of `sql/`."""

    connection: "DuckDBPyConnection"
    left_out: int
    """How many lines have no row at all: too long, or in a damaged part of a compressed file."""

    def counted(self) -> Converted:
        """Count the lines that are records, and those that are none."""
        rows = self.connection.execute(
            "SELECT count(*) FILTER (valid), count(*) FILTER (NOT valid) FROM main.log"
        ).fetchall()
        records, others = cast("tuple[int, int]", rows[0])
        return Converted(records, others + self.left_out)


@contextmanager
def loaded(files: Sequence[Path], say: Callable[[str], None]) -> Generator[LoadedLogs]:
    """Load logs: `records`, the steps that were `attempted`, the runs that are `lost`, and what `relations` names.

    Args:
        files: JSON logs, in any order.
        say: Is called with the files of which a part cannot be read.

    Raises:
        OSError: There is no place for the database.
        duckdb.Error: There is no room or no memory, or a file cannot be read.
    """
    with database() as connection:
        load = read_sql("load", valid_record=validity(), plausible_record=plausibility())
        no_events = "SELECT count(*) FROM log WHERE event IS NULL"
        _, left_out = read(connection, files, say, [load, no_events], damaged=lambda counts: counts[1])
        connection.execute(read_sql("seconds_before"))
        connection.execute("CREATE VIEW records AS SELECT * EXCLUDE (valid) FROM log WHERE valid")
        connection.execute(f"CREATE VIEW attempted AS {read_sql('attempted')}")
        for table in TOLD:
            connection.execute(f"CREATE TABLE {table} AS {read_sql(table)}")
        note_lost_runs(connection, Jobs())
        for view in JUDGED:
            connection.execute(f"CREATE VIEW {view} AS {read_sql(view)}")
        yield LoadedLogs(connection, left_out)
