"""Asks Spark for the facts of the report, of a data set that `soltrace convert --partition-by` has written.

The questions are those of `sql/` that DuckDB is asked, translated; what they are asked of is made by those that begin
with `spark_`. The session is the caller's, on whatever cluster it is: what is asked of it is in a few protocols, so
that this needs no pyspark itself.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from msgspec import Struct

from soltrace.report import facts as f
from soltrace.report.ask import ATTRIBUTES, QueryRow, harmless, read_sql, to_facts, to_top
from soltrace.report.compare import comparisons
from soltrace.report.failures import find_failures
from soltrace.report.gather import MOST_ROWS, timeline, to_experiments
from soltrace.report.spark_wording import WORDING, translated


class SparkRow(Protocol):
    """A row of an answer."""

    def asDict(self) -> dict[str, Any]:  # noqa: N802 - pyspark's
        """Return its values by the names of its columns."""
        ...


class SparkFrame(Protocol):
    """`pyspark.sql.DataFrame`."""

    def createOrReplaceTempView(self, name: str) -> None:  # noqa: N802 - pyspark's
        """Give it a name in SQL."""
        ...

    def where(self, condition: str) -> "SparkFrame":
        """Choose rows."""
        ...

    def collect(self) -> Sequence[SparkRow]:
        """Return its rows."""
        ...


class SparkReader(Protocol):
    """`pyspark.sql.DataFrameReader`."""

    def parquet(self, path: str) -> SparkFrame:
        """Read a data set."""
        ...


class Spark(Protocol):
    """`pyspark.sql.SparkSession`."""

    @property
    def read(self) -> SparkReader:
        """What reads files."""
        ...

    def sql(self, text: str) -> SparkFrame:
        """Ask a question."""
        ...


class DataSetFacts(Struct, frozen=True):
    """What a data set says as a whole: the facts of a report that follow from its rows alone.

    A pass or an experiment that never ended is `open` here. Whether it is lost, or was replaced by a retry, the report
    asks of the machine and the scheduler.
    """

    events: list[f.Events]
    """Without `pass.steps`, which have a row for each step."""
    runs: f.Top[f.Run]
    experiments: f.Top[f.Experiment]
    phases: list[f.PhaseCost]
    compiled: f.Top[f.Compiled]
    timeline: f.Timeline
    lanes: f.Top[f.Lane]
    failures: f.Top[f.Failure]
    failure_kinds: f.Top[f.FailureKind]
    verdicts: f.Top[f.Trouble]
    open: f.Top[f.UnfinishedPass]
    comparisons: list[f.Comparison]
    too_many: dict[str, int]
    """Attributes with too many values to compare by, and about how many those are."""
    dropped: f.Top[f.Dropped]


_STEPS: Final = "pass.steps"
_VIEWS: Final = ("passes", "experiments", "experiment_sums", "busy")
"""What the questions are asked of beside `records`, each made of those before it."""


def ask_spark(session: Spark, data: str) -> DataSetFacts:
    """Ask Spark for the facts of a data set.

    Args:
        session: A session, with `spark.sql.sources.partitionColumnTypeInference.enabled` set to false: otherwise names
            that look like numbers or dates are read as such.
        data: The directory, wherever Spark reads from.
    """
    session.read.parquet(data).where(f"event <> '{_STEPS}'").createOrReplaceTempView("records")
    for view in _VIEWS:
        session.sql(read_sql(f"spark_{view}")).createOrReplaceTempView(view)

    def rows(question: str, /, *, compared_by: str = "", **parameters: object) -> list[QueryRow]:
        answer = session.sql(translated(read_sql(question), compared_by, parameters)).collect()
        return [{name: _value(name, value) for name, value in row.asDict().items()} for row in answer]

    def most(question: str) -> list[QueryRow]:
        return rows(question, limit=MOST_ROWS)

    runs = to_top(most("runs"), f.Run)
    compared, too_many = comparisons(rows, WORDING)
    return DataSetFacts(
        events=to_facts(rows("events"), f.Events),
        runs=runs,
        experiments=to_experiments(most("experiment_rows")),
        phases=to_facts(rows("phases"), f.PhaseCost),
        compiled=to_top(most("compiled"), f.Compiled),
        timeline=timeline(rows, runs),
        lanes=to_top(most("lanes"), f.Lane),
        failures=find_failures(rows, MOST_ROWS),
        failure_kinds=to_top(most("failure_kinds"), f.FailureKind),
        verdicts=to_top(most("verdicts"), f.Trouble),
        open=to_top(most("open"), f.UnfinishedPass),
        comparisons=compared,
        too_many=too_many,
        dropped=to_top(most("dropped"), f.Dropped),
    )


def _value(name: str, value: Any) -> Any:
    """Return a value as DuckDB would: Spark hands out times without a zone, in that of this process."""
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return value if name == ATTRIBUTES else harmless(value)
