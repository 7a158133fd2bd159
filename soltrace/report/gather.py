"""Makes a `LogReport` of log files: loads them, and asks."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

from soltrace import __version__
from soltrace.reading.files.places import say_nothing
from soltrace.report import facts as f
from soltrace.report.ask import Asks, QueryRow, ask, read_attributes, read_sql, to_facts, to_top
from soltrace.report.compare import Wording, comparisons
from soltrace.report.failures import find_failures
from soltrace.report.loading import loaded
from soltrace.report.sql_columns import KINDS
from soltrace.wire.records import SCHEMA_VERSION

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MOST_ROWS: Final = 40
"""How many rows each table has. The others are counted."""
CURVES: Final = 6
"""How many passes of each phase are drawn one by one."""
NOT_FINITE: Final = 3
"""How many passes with a value that is not finite are drawn beside them."""
CHOSEN: Final = {"limit": CURVES, "not_finite": NOT_FINITE}
"""How the question `chosen` is asked."""
SLIVERS: Final = 400
"""Into how many pieces of time the timeline is cut: about as many as it has columns of pixels."""
MOST_BARS: Final = 3000
"""How many bars the timeline has at most, over all runs, so that the page stays small."""
POINTS: Final = 80
"""How many points each curve has at most."""
ATTEMPTS: Final = 300
"""How many steps of a pass are drawn one by one. Where there are more, several are one point."""


class NothingToReportError(Exception):
    """There is no record in what was read."""


def gather(files: Sequence[Path], say: Callable[[str], None] = say_nothing) -> f.LogReport:
    """Read logs, and report what they say as a whole.

    ```python
    report = gather([Path("run.jsonl")])
    print([failure.result for failure in report.failures.rows])
    ```

    Args:
        files: JSON logs, in any order.
        say: Is called with the files of which a part cannot be read.

    Raises:
        NothingToReportError: Not one of their lines is a record.
        OSError: A file cannot be read.
        duckdb.Error: There is no room or no memory, or a file cannot be read.
    """
    with loaded(files, say) as logs:
        sources = _sources(logs.connection, files, logs.left_out)
        logs.connection.execute(f"CREATE TABLE chosen AS {read_sql('chosen')}", CHOSEN)
        return to_report(partial(ask, logs.connection), sources, Wording())


def to_report(asks: Asks, sources: f.Sources, wording: Wording) -> f.LogReport:
    """Ask all that a report says.

    Args:
        asks: Asks whoever holds the records, and what `relations` names, and `chosen`.
        sources: What was read.
        wording: How what is compared by is said there.
    """

    def most(question: str) -> list[QueryRow]:
        return asks(question, limit=MOST_ROWS)

    runs = to_top(most("runs"), f.Run)
    compared, too_many = comparisons(asks, wording)
    return f.LogReport(
        soltrace=__version__,
        format=f.FORMAT,
        sources=sources,
        runs=runs,
        experiments=_experiments(most("experiment_rows")),
        phases=to_facts(asks("phases"), f.PhaseCost),
        compiled=to_top(most("compiled"), f.Compiled),
        work=to_top(most("work"), f.Work),
        solves=to_facts(asks("solve_work"), f.SolveWork),
        rejections=to_top(most("rejections"), f.Rejection),
        nonfinite=to_top(most("nonfinite"), f.NotFinite),
        timeline=_timeline(asks, runs),
        curves=_curves(asks),
        lanes=to_top(most("lanes"), f.Lane),
        failures=find_failures(asks, MOST_ROWS),
        failure_kinds=to_top(most("failure_kinds"), f.FailureKind),
        verdicts=to_top(most("verdicts"), f.Trouble),
        open=to_top(most("open"), f.UnfinishedPass),
        lost=to_top(most("lost_rows"), f.LostRunFact),
        comparisons=compared,
        too_many=too_many,
        dropped=to_top(most("dropped"), f.Dropped),
    )


def _sources(connection: "DuckDBPyConnection", files: Sequence[Path], left_out: int) -> f.Sources:
    events = to_facts(ask(connection, "events"), f.Events)
    skipped = to_facts(ask(connection, "skipped", schema=SCHEMA_VERSION, events=list(KINDS)), f.Skipped)
    if left_out:
        skipped.append(f.Skipped("too long, or in a damaged part of a compressed file", left_out))
    if not events:
        lines = sum(reason.lines for reason in skipped)
        raise NothingToReportError(
            f"none of {lines:,} lines is a record of soltrace's" if lines else "there are no lines"
        )
    (span,) = ask(connection, "span")
    return f.Sources(
        paths=f.Top([str(file) for file in files[:MOST_ROWS]], len(files)),
        bytes=sum(file.stat().st_size for file in files),
        records=sum(kind.records for kind in events),
        first=span["first"],
        last=span["last"],
        events=events,
        skipped=f.Top(skipped[:MOST_ROWS], sum(reason.lines for reason in skipped)),
    )


def _experiments(rows: list[QueryRow]) -> f.Top[f.Experiment]:
    """Turn rows into experiments."""
    return to_top([row | {"attributes": read_attributes(row["attributes"])} for row in rows], f.Experiment)


def _timeline(asks: Asks, runs: f.Top[f.Run]) -> f.Timeline:
    """Return when these runs were busy."""
    drawn = [run.run_id for run in runs.rows]
    slivers = min(SLIVERS, MOST_BARS // max(len(drawn), 1))
    return f.Timeline(to_facts(asks("timeline", runs=drawn, slivers=slivers), f.Bar), runs.total)


def _curves(asks: Asks) -> list[f.Curve]:
    progress = _by_pass(asks("progress", slivers=POINTS))
    sizes = _by_pass(asks("step_sizes", slivers=POINTS))
    attempts = _by_pass(asks("attempts", most=ATTEMPTS))
    watched = _by_pass(asks("watched", slivers=POINTS // 2))
    chosen = asks("chosen_rows")
    for row in chosen:
        key = row["run_id"], row["pass_id"]
        row["progress"], row["sizes"] = progress.get(key, []), sizes.get(key, [])
        row["watched"] = watched.get(key, [])
        row["attempts"] = attempts.get(key, [])
        row["every_step"] = any(point["every_step"] for point in row["attempts"])
    return to_facts(chosen, f.Curve)


def _by_pass(rows: list[QueryRow]) -> dict[tuple[str, str], list[QueryRow]]:
    return {key: list(points) for key, points in groupby(rows, lambda row: (row["run_id"], row["pass_id"]))}
