"""From log files to a `Report`: load them, make the tables that the questions share, and ask."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

from soltrace import __version__
from soltrace.report import facts as f
from soltrace.report.ask import Answer, answers, asked, attributes, facts, sql, top
from soltrace.report.columns import KINDS, validity
from soltrace.report.compare import comparisons
from soltrace.report.database import database, read
from soltrace.report.failures import failures
from soltrace.wire.records import SCHEMA_VERSION

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MOST_ROWS: Final = 40
"""Of each table. The rest is counted."""
CURVES: Final = 6
"""Passes of each phase that are drawn one by one."""
SLIVERS: Final = 400
"""Pieces of time that a picture shows: about its columns."""
MOST_BARS: Final = 3000
"""Of the timeline, over all runs: the page stays small."""
POINTS: Final = 80
"""Of each curve."""


class NothingToReportError(Exception):
    """There is no record in what was read."""


def gather(files: Sequence[Path]) -> f.Report:
    """Read logs and say what is in them.

    Args:
        files: JSON logs, in any order.

    Raises:
        NothingToReportError: not one of their lines is a record.
        OSError: a file can't be read.
        duckdb.Error: no room, no memory, or a file that can't be read.
    """
    with database() as connection:
        _, left_out = read(connection, files, sql("load", valid_record=validity()))
        connection.execute(sql("passes"))
        sources = _sources(connection, files, left_out)
        connection.execute(sql("experiments"))
        connection.execute(sql("chosen"), {"limit": CURVES})
        return _report(connection, sources)


def _report(connection: "DuckDBPyConnection", sources: f.Sources) -> f.Report:
    def most(question: str) -> list[Answer]:
        return answers(connection, question, limit=MOST_ROWS)

    runs = top(most("runs"), f.Run)
    compared, too_many = comparisons(connection)
    return f.Report(
        soltrace=__version__,
        format=f.FORMAT,
        sources=sources,
        runs=runs,
        experiments=_experiments(most("experiment_rows")),
        phases=facts(answers(connection, "phases"), f.PhaseCost),
        compiled=top(most("compiled"), f.Compiled),
        timeline=_timeline(connection, runs),
        curves=_curves(connection),
        lanes=top(most("lanes"), f.Lane),
        failures=failures(connection, MOST_ROWS),
        failure_kinds=top(most("failure_kinds"), f.FailureKind),
        open=top(most("open"), f.OpenPass),
        comparisons=compared,
        too_many=too_many,
        dropped=top(most("dropped"), f.Dropped),
    )


def _sources(connection: "DuckDBPyConnection", files: Sequence[Path], left_out: int) -> f.Sources:
    events = facts(answers(connection, "events"), f.Events)
    skipped = facts(answers(connection, "skipped", schema=SCHEMA_VERSION, events=list(KINDS)), f.Skipped)
    if left_out:
        skipped.append(f.Skipped("too long, or in a damaged part of a compressed file", left_out))
    if not events:
        lines = sum(reason.lines for reason in skipped)
        raise NothingToReportError(
            f"none of {lines:,} lines is a record of soltrace's" if lines else "there are no lines"
        )
    (span,) = asked(connection, "SELECT min(timestamp) AS first, max(timestamp) AS last FROM records")
    return f.Sources(
        paths=f.Top([str(file) for file in files[:MOST_ROWS]], len(files)),
        bytes=sum(file.stat().st_size for file in files),
        records=sum(kind.records for kind in events),
        first=span["first"],
        last=span["last"],
        events=events,
        skipped=f.Top(skipped[:MOST_ROWS], sum(reason.lines for reason in skipped)),
    )


def _experiments(rows: list[Answer]) -> f.Top[f.Experiment]:
    return top([row | {"attributes": attributes(row["attributes"])} for row in rows], f.Experiment)


def _timeline(connection: "DuckDBPyConnection", runs: f.Top[f.Run]) -> f.Timeline:
    drawn = [run.run_id for run in runs.rows]
    slivers = min(SLIVERS, MOST_BARS // max(len(drawn), 1))
    return f.Timeline(facts(answers(connection, "timeline", runs=drawn, slivers=slivers), f.Bar), runs.total)


def _curves(connection: "DuckDBPyConnection") -> list[f.Curve]:
    progress = _by_pass(answers(connection, "progress", slivers=POINTS))
    sizes = _by_pass(answers(connection, "step_sizes", slivers=POINTS))
    chosen = asked(connection, "SELECT * FROM chosen ORDER BY phase DESC, took_s DESC, run_id, pass_id")
    return facts(
        [
            row | {"progress": progress.get(key, []), "sizes": sizes.get(key, [])}
            for row in chosen
            for key in [(row["run_id"], row["pass_id"])]
        ],
        f.Curve,
    )


def _by_pass(rows: list[Answer]) -> dict[tuple[str, str], list[Answer]]:
    return {key: list(points) for key, points in groupby(rows, lambda row: (row["run_id"], row["pass_id"]))}
