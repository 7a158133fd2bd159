"""Why passes failed or took long, and what to try, as their last lines say it."""

from typing import Final

from soltrace.reading.text import clean, duration, plural
from soltrace.report.facts import LogReport
from soltrace.report.sections.model import Row, Section, Table

_LONGEST: Final = 600


def why_section(report: LogReport) -> Section | None:
    """Write what is wrong, by kind; None where nothing is."""
    top = report.verdicts
    if not top.rows:
        return None
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
    count = sum(row.passes for row in top.rows)
    text = f"Something is wrong with {plural(count, 'pass')}. The command soltrace explain says what, of each."
    return Section(
        "why",
        "Why",
        [text],
        [Table("What took longest first", columns, rows, top.left_out, frozenset(columns) - {"passes"})],
    )
