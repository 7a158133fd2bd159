"""What steps were taken for, by experiment and by solve; and why they were in vain, as far as that was recorded."""

from collections.abc import Iterator
from typing import TypeAlias

from soltrace.reading.text import clean, duration, percent
from soltrace.report.facts import LogReport
from soltrace.report.sections.model import Figure, Row, Table
from soltrace.report.step_facts import SolveWork, Work
from soltrace.report.work_charts import WORDS, solve_title

_AnyWork: TypeAlias = Work | SolveWork


def work_figures(report: LogReport) -> Iterator[Figure]:
    """Describe the diagrams of the work, as far as there is something to draw."""
    if any(map(_total, report.work.rows)):
        yield Figure("work", "Work by experiment", f"{_each('experiment')} {_most(report)}", _by_experiment(report))
    if any(map(_total, report.solves)):
        yield Figure("solves", "Work of the solves that took longest", _each("solve"), _by_solve(report))
    if report.rejections.rows:
        yield Figure(
            "reasons",
            "Rejected steps by reason",
            "Stacked bars for each experiment and phase: steps that were rejected, by why they were, of the passes of "
            "which steps were recorded one by one.",
            _by_reason(report),
        )


def _each(what: str) -> str:
    return (
        f"A bar for each {what}, of the steps of all its lanes: forward steps that were accepted, those that were "
        "rejected, those taken again for the gradient, and the backward passes' own."
    )


def _most(report: LogReport) -> str:
    row = report.work.rows[0]
    own = row.accepted + row.backward
    return f"In {clean(row.experiment or '-')}, {percent(own / _total(row))} were neither in vain nor taken again."


def _total(row: _AnyWork) -> int:
    return row.accepted + row.rejected + row.recomputed + row.backward


def _cells(row: _AnyWork) -> tuple[str, ...]:
    return (*(f"{getattr(row, part):,}" for part in WORDS), f"{_total(row):,}")


def _by_experiment(report: LogReport) -> Table:
    rows = [
        Row((clean(row.experiment or "-"), f"{row.solves:,}", *_cells(row)), row.experiment) for row in report.work.rows
    ]
    columns = ("experiment", "solves", *WORDS.values(), "in all")
    return Table("Steps by experiment", columns, rows, report.work.left_out)


def _by_solve(report: LogReport) -> Table:
    rows = [
        Row((solve_title(row), "" if row.took_s is None else duration(row.took_s), *_cells(row)), row.experiment)
        for row in report.solves
    ]
    return Table("Steps by solve", ("solve", "took", *WORDS.values(), "in all"), rows)


def _by_reason(report: LogReport) -> Table:
    top = report.rejections
    columns = ("experiment", "phase", "why", "steps", "of those recorded", "passes")
    rows = [
        Row(
            (
                clean(row.experiment or "-"),
                row.phase,
                clean(row.reason),
                f"{row.steps:,}",
                percent(row.steps / row.recorded),
                f"{row.passes:,}",
            ),
            row.experiment,
        )
        for row in top.rows
    ]
    return Table("Rejected steps by reason", columns, rows, top.left_out, frozenset(columns[1:3]))
