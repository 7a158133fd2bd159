"""Why passes failed or took long, as their last lines say it; and which values were not finite first."""

from typing import Final

from soltrace.reading.phrases import lane_name
from soltrace.reading.text import clean, duration, number, plural
from soltrace.report.facts import LogReport
from soltrace.report.sections.model import Row, Section, Table
from soltrace.report.step_facts import NotFinite

_LONGEST: Final = 600


def why_section(report: LogReport) -> Section | None:
    """Write what is wrong, by kind, and where a value was not finite; None where nothing is."""
    sentences: list[str] = []
    if report.verdicts.rows:
        count = sum(row.passes for row in report.verdicts.rows)
        sentences.append(
            f"Something is wrong with {plural(count, 'pass')}. The command soltrace explain says what, of each."
        )
    if report.nonfinite.rows:
        first = report.nonfinite.rows[0]
        where = f"{number(first.value)} in {clean(first.path)} ({_found_in(first)}) of {clean(first.pass_id)}"
        sentences.append(f"The first value that was not finite: {where}.")
    tables = [table for table in (_verdicts(report), _culprits(report)) if table.rows]
    return Section("why", "Why", sentences, tables) if tables else None


def _verdicts(report: LogReport) -> Table:
    top = report.verdicts
    columns = ("what", "experiment", "phase", "passes", "they took", "the first of them", "why", "try")
    rows = [
        Row(
            (
                row.kind,
                clean(row.experiment or "-"),
                row.phase,
                f"{row.passes:,}",
                duration(row.took_s),
                clean(row.pass_id),
                clean(row.text, _LONGEST),
                clean(row.advice, _LONGEST),
            ),
            row.experiment,
        )
        for row in top.rows
    ]
    return Table("What took longest first", columns, rows, top.left_out, frozenset(columns) - {"passes"})


def _culprits(report: LogReport) -> Table:
    top = report.nonfinite
    columns = ("where", "value", "before", "found in", "step", "t", "dt", "lane", "pass", "experiment", "phase")
    rows = [
        Row(
            (
                clean(row.path),
                number(row.value),
                "" if row.before is None else number(row.before),
                _found_in(row),
                "" if row.step is None else f"{row.step:,}",
                *("" if value is None else number(value) for value in (row.t, row.dt)),
                "" if row.batch_index is None else lane_name(row.batch_index),
                clean(row.pass_id),
                clean(row.experiment or "-"),
                row.phase,
            ),
            row.experiment,
            bad=True,
        )
        for row in top.rows
    ]
    text = frozenset({"found in", "lane", "pass", "experiment", "phase"})
    return Table("The first value of each lane that was not finite", columns, rows, top.left_out, text)


def _found_in(row: NotFinite) -> str:
    stage = "" if row.stage is None else f", stage {row.stage:,}"
    return f"{clean(row.found_in)}{stage}"
