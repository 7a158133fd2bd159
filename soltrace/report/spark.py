"""Asks Spark for the facts of the report, of a data set that `soltrace convert --partition-by` has written.

The questions are those of `sql/` that DuckDB is asked, translated by sqlglot. The session is the caller's, on whatever
cluster it is: what is asked of it is in a few protocols, so that this needs no pyspark itself.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

from msgspec import Struct

from soltrace.report import facts as f
from soltrace.report.ask import QueryRow, harmless, read_sql, to_facts, to_top
from soltrace.report.gather import MOST_ROWS

if TYPE_CHECKING:
    from sqlglot.expressions import Expr


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

    A pass that never ended is `open` here. Whether it is lost, the report asks of the machine and the scheduler.
    """

    events: list[f.Events]
    """Without `pass.steps`, which have a row for each step."""
    runs: f.Top[f.Run]
    phases: list[f.PhaseCost]
    compiled: f.Top[f.Compiled]
    lanes: f.Top[f.Lane]
    failure_kinds: f.Top[f.FailureKind]
    verdicts: f.Top[f.Trouble]
    open: f.Top[f.UnfinishedPass]
    dropped: f.Top[f.Dropped]


_STEPS: Final = "pass.steps"


def ask_spark(session: Spark, data: str) -> DataSetFacts:
    """Ask Spark for the facts of a data set.

    Args:
        session: A session, with `spark.sql.sources.partitionColumnTypeInference.enabled` set to false: otherwise names
            that look like numbers or dates are read as such.
        data: The directory, wherever Spark reads from.
    """
    session.read.parquet(data).where(f"event <> '{_STEPS}'").createOrReplaceTempView("records")
    session.sql(read_sql("spark_passes")).createOrReplaceTempView("passes")

    def rows(question: str) -> list[QueryRow]:
        answer = session.sql(translated(read_sql(question))).collect()
        return [{name: _value(value) for name, value in row.asDict().items()} for row in answer]

    return DataSetFacts(
        events=to_facts(rows("events"), f.Events),
        runs=to_top(rows("runs"), f.Run),
        phases=to_facts(rows("phases"), f.PhaseCost),
        compiled=to_top(rows("compiled"), f.Compiled),
        lanes=to_top(rows("lanes"), f.Lane),
        failure_kinds=to_top(rows("failure_kinds"), f.FailureKind),
        verdicts=to_top(rows("verdicts"), f.Trouble),
        open=to_top(rows("open"), f.UnfinishedPass),
        dropped=to_top(rows("dropped"), f.Dropped),
    )


def translated(question: str) -> str:
    """Translate a question from DuckDB's SQL to Spark's."""
    import sqlglot

    tree = sqlglot.parse_one(question.replace("$limit", str(MOST_ROWS)), read="duckdb")
    # sqlglot leaves this one as it is; Spark takes its second form only with WITHIN GROUP.
    return tree.transform(_skip_nulls).sql("spark").replace("PERCENTILE_CONT(", "PERCENTILE(")


def _skip_nulls(node: "Expr") -> "Expr":
    """Have Spark's `max_by` and `min_by` pass over what is NULL, as DuckDB's do."""
    from sqlglot import exp

    if not isinstance(node, exp.ArgMax | exp.ArgMin):
        return node
    known = exp.Not(this=exp.Is(this=node.this.copy(), expression=exp.Null()))
    return exp.Filter(this=node.copy(), expression=exp.Where(this=known))


def _value(value: Any) -> Any:
    """Return a value as DuckDB would: Spark hands out times without a zone, in that of this process."""
    return value.astimezone(UTC) if isinstance(value, datetime) else harmless(value)
