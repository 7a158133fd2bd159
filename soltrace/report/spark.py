"""Asks Spark for the report of a data set that `soltrace convert --partition-by` has written.

The questions are those of `sql/` that DuckDB is asked, translated. What they are asked of is made in the same words,
but for the records and the steps. The session is the caller's, on whatever cluster it is: what is asked of it is in a
few protocols, so that this needs no pyspark itself.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from soltrace.reading.runs.jobs import Jobs
from soltrace.report import facts as f
from soltrace.report.ask import ATTRIBUTES, QueryRow, harmless, read_sql, to_facts
from soltrace.report.gather import CHOSEN, NothingToReportError, to_report
from soltrace.report.lost_runs import judge_runs
from soltrace.report.relations import JUDGED, TOLD
from soltrace.report.spark_sql import RELATIONS, translated, view_name
from soltrace.report.spark_wording import WORDING
from soltrace.report.sql_columns import plausibility


class SparkRow(Protocol):
    """A row of an answer."""

    def asDict(self, recursive: bool = False) -> dict[str, Any]:  # noqa: N802, FBT001, FBT002 - pyspark's
        """Return its values by the names of its columns."""
        ...


class SparkFrame(Protocol):
    """`pyspark.sql.DataFrame`."""

    def createOrReplaceTempView(self, name: str) -> None:  # noqa: N802 - pyspark's
        """Give it a name in SQL."""
        ...

    def localCheckpoint(self) -> "SparkFrame":  # noqa: N802 - pyspark's
        """Make its rows now, and return a frame that holds them."""
        ...

    def collect(self) -> Sequence[SparkRow]:
        """Return its rows."""
        ...


class SparkReader(Protocol):
    """`pyspark.sql.DataFrameReader`."""

    def parquet(self, path: str) -> SparkFrame:
        """Read a data set."""
        ...


class SparkCatalog(Protocol):
    """`pyspark.sql.catalog.Catalog`."""

    def dropTempView(self, name: str) -> object:  # noqa: N802 - pyspark's
        """Forget a name, if there is one."""
        ...


class Spark(Protocol):
    """`pyspark.sql.SparkSession`."""

    @property
    def read(self) -> SparkReader:
        """What reads files."""
        ...

    @property
    def catalog(self) -> SparkCatalog:
        """What knows the names."""
        ...

    def sql(self, text: str) -> SparkFrame:
        """Ask a question."""
        ...

    def createDataFrame(self, data: Sequence[tuple[Any, ...]], schema: str) -> SparkFrame:  # noqa: N802 - pyspark's
        """Make a frame of rows."""
        ...


_LOST: Final = "run_id string, since timestamp, why string"


def ask_spark(session: Spark, data: str) -> f.LogReport:
    """Ask Spark for the report of a data set. Nothing of it stays in the session.

    Which runs are lost is judged where this is called: by the scheduler and the machine there, and by their silence.

    Args:
        session: A session, with `spark.sql.sources.partitionColumnTypeInference.enabled` set to false: otherwise names
            that look like numbers or dates are read as such.
        data: The directory, wherever Spark reads from.

    Raises:
        NothingToReportError: There is no record in it.
    """
    with _relations(session, data) as relations:
        relations.make("records", read_sql("spark_records", plausible_record=plausibility()))
        relations.make("attempted", read_sql("spark_attempted"))
        sources = _sources(relations, data)
        for name in TOLD:
            relations.keep(name, read_sql(name))
        stopped = judge_runs(relations.each_row("run_facts"), Jobs())
        relations.name("lost", session.createDataFrame(stopped.lost, _LOST))
        for name in JUDGED:
            relations.make(name, read_sql(name))
        relations.keep("chosen", read_sql("chosen"), **CHOSEN)
        return to_report(relations.rows, sources, WORDING)


class _Relations:
    """What questions are asked of, as views of a session."""

    def __init__(self, session: Spark) -> None:
        self._session = session

    def name(self, name: str, frame: SparkFrame) -> None:
        frame.createOrReplaceTempView(view_name(name))

    def make(self, name: str, text: str, **parameters: object) -> None:
        self.name(name, self._session.sql(translated(text, parameters=parameters)))

    def keep(self, name: str, text: str, **parameters: object) -> None:
        """Make one whose rows are kept: it is asked of again and again, and costs more than to be read.

        Not `persist`, which keeps how they are made in the plan of all that is asked of them: that took seconds.
        """
        self.name(name, self._session.sql(translated(text, parameters=parameters)).localCheckpoint())

    def forget(self) -> None:
        for name in RELATIONS:
            self._session.catalog.dropTempView(view_name(name))

    def each_row(self, question: str, /, *, compared_by: str = "", **parameters: object) -> Iterator[QueryRow]:
        """Ask a question, and hand out the rows of the answer with their values as they are."""
        return self.asked(translated(read_sql(question), compared_by, parameters))

    def asked(self, text: str) -> Iterator[QueryRow]:
        rows = self._session.sql(text).collect()
        return ({name: _moment(value) for name, value in row.asDict(recursive=True).items()} for row in rows)

    def rows(self, question: str, /, *, compared_by: str = "", **parameters: object) -> list[QueryRow]:
        """Ask a question, as `soltrace.report.ask` does."""
        rows = self.each_row(question, compared_by=compared_by, **parameters)
        return [{name: value if name == ATTRIBUTES else harmless(value) for name, value in row.items()} for row in rows]


@contextmanager
def _relations(session: Spark, data: str) -> Generator[_Relations]:
    relations = _Relations(session)
    try:
        relations.name("data_set", session.read.parquet(data))
        yield relations
    finally:
        relations.forget()


def _sources(relations: _Relations, data: str) -> f.Sources:
    events = to_facts(relations.rows("spark_events"), f.Events)
    if not events:
        raise NothingToReportError(f"there is no record in {data}")
    (span,) = relations.rows("span")
    quoted = data.replace("`", "``")
    (files,) = relations.asked(
        "SELECT sum(size) AS bytes FROM (SELECT DISTINCT _metadata.file_path, _metadata.file_size AS size "  # noqa: S608
        f"FROM parquet.`{quoted}`)"
    )
    return f.Sources(
        paths=f.Top([data], 1),
        bytes=files["bytes"],
        records=sum(kind.records for kind in events),
        first=span["first"],
        last=span["last"],
        events=events,
        skipped=f.Top([], 0),
    )


def _moment(value: Any) -> Any:
    """Return a value with a zone: Spark hands out times without one, in that of this process."""
    return value.astimezone(UTC) if isinstance(value, datetime) else value
