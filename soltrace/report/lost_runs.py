"""Finds the runs that are lost, as `soltrace tail` does, and notes them where all questions see them.

A log tells what was open at its end; whether its run goes on, the machine and the scheduler have to say, or the time
that has passed since.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from soltrace.reading.runs.jobs import Jobs
from soltrace.reading.runs.lost import Fate, RunFacts, RunJudge
from soltrace.report.ask import QueryRow, each_row, read_sql

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ASKED_FOR_S: Final = 5.0
"""So long a scheduler is waited for: a report without its word is better than none."""


@dataclass(frozen=True)
class StoppedRuns:
    """Runs that owe their last line."""

    lost: list[tuple[str, datetime, str]]
    """Which have stopped without a word: since when, and why one thinks so."""
    over: list[tuple[str]]
    """Which have ended all the same, by what their scheduler says."""


def judge_runs(
    rows: Iterable[QueryRow], jobs: Jobs, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> StoppedRuns:
    """Find the runs that are lost, and those that are over.

    Args:
        rows: The answer to the question `run_facts`.
        jobs: What the scheduler says.
        now: Returns the time.
    """
    runs = [_facts(row) for row in rows]
    for run in runs:
        jobs.see(run.resource)
    jobs.look(wait_s=ASKED_FOR_S)
    judge, time = RunJudge(jobs=jobs), now()
    judged = [(run, judge.verdict(run, (time - run.newest).total_seconds())) for run in runs]
    return StoppedRuns(
        [(run.run_id, run.newest, verdict.why) for run, verdict in judged if verdict.fate is Fate.LOST],
        [(run.run_id,) for run, verdict in judged if verdict.fate is Fate.ENDED],
    )


def note_lost_runs(connection: "DuckDBPyConnection", jobs: Jobs) -> None:
    """Fill the tables `lost` and `over`.

    Args:
        connection: The database that is filled otherwise.
        jobs: What the scheduler says.
    """
    connection.execute("CREATE TABLE lost (run_id VARCHAR, since TIMESTAMPTZ, why VARCHAR)")
    connection.execute("CREATE TABLE over (run_id VARCHAR)")
    stopped = judge_runs(each_row(connection, read_sql("run_facts")), jobs)
    if stopped.lost:
        connection.executemany("INSERT INTO lost VALUES (?, ?, ?)", stopped.lost)
    if stopped.over:
        connection.executemany("INSERT INTO over VALUES (?)", stopped.over)


def _facts(row: QueryRow) -> RunFacts:
    row["resource"] = _resource(row["resource"])
    return RunFacts(**row)


def _resource(text: str | None) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(text or "{}")
    except (msgspec.DecodeError, RecursionError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
