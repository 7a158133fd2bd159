"""Finds the runs that are lost, as `soltrace tail` does, and notes them where all questions see them.

A log tells what was open at its end; whether its run goes on, the machine and the scheduler have to say, or the time
that has passed since.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from soltrace.reading.runs.jobs import Jobs
from soltrace.reading.runs.lost import Fate, RunFacts, RunJudge
from soltrace.report.ask import each_row, read_sql

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ASKED_FOR_S: Final = 5.0
"""So long a scheduler is waited for: a report without its word is better than none."""


def note_lost_runs(
    connection: "DuckDBPyConnection", jobs: Jobs, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> None:
    """Fill the tables `lost` and `over`, and set the status of what was open in runs that are lost.

    `over` are those that owe their last line, and have ended all the same, by what their scheduler says.

    Args:
        connection: The database that is filled otherwise.
        jobs: What the scheduler says.
        now: Returns the time.
    """
    connection.execute("CREATE TABLE lost (run_id VARCHAR, since TIMESTAMPTZ, why VARCHAR)")
    connection.execute("CREATE TABLE over (run_id VARCHAR)")
    runs = [_facts(row) for row in each_row(connection, read_sql("run_facts"))]
    for run in runs:
        jobs.see(run.resource)
    jobs.look(wait_s=ASKED_FOR_S)
    judge, time = RunJudge(jobs=jobs), now()
    judged = [(run, judge.verdict(run, (time - run.newest).total_seconds())) for run in runs]
    lost = [(run.run_id, run.newest, verdict.why) for run, verdict in judged if verdict.fate is Fate.LOST]
    over = [(run.run_id,) for run, verdict in judged if verdict.fate is Fate.ENDED]
    if lost:
        connection.executemany("INSERT INTO lost VALUES (?, ?, ?)", lost)
    if over:
        connection.executemany("INSERT INTO over VALUES (?)", over)
    connection.execute(read_sql("lost"))


def _facts(row: dict[str, Any]) -> RunFacts:
    row["resource"] = _resource(row["resource"])
    return RunFacts(**row)


def _resource(text: str | None) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(text or "{}")
    except (msgspec.DecodeError, RecursionError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
