"""Experiments side by side, by any attribute that tells their passes apart."""

from soltrace.reading.text import clean, duration, percent
from soltrace.report.compare import group_name
from soltrace.report.facts import Comparison, Group, LogReport
from soltrace.report.sections.model import Choice, Figure, Row, Section, Table

_COLUMNS = (
    "passes",
    "failed",
    "steps",
    "rejected",
    "forward in all",
    "backward in all",
    "median forward",
    "median backward",
)


def sides_section(report: LogReport) -> Section:
    """Write about passes side by side, with a choice for each attribute."""
    sentences: list[str] = []
    if not report.comparisons:
        sentences.append("All passes have the same attributes: there is nothing to compare by.")
    if report.too_many:
        names = ", ".join(f"{clean(name)} (about {number:,})" for name, number in report.too_many.items())
        sentences.append(f"Not compared by what has too many values: {names}.")
    choices = [_choice(comparison) for comparison in report.comparisons]
    return Section("sides", "Side by side", sentences, choices=choices)


def _choice(comparison: Comparison) -> Choice:
    by, groups = clean(comparison.by), comparison.groups
    rows = [_row(group) for group in groups.rows]
    table = Table(f"By {by}", (by, *_COLUMNS), rows, groups.left_out)
    differences = [f"{sentence}." for sentence in comparison.differences] or ["They differ in nothing of note."]
    description = (
        f"Bars for each value of {by}: the median duration of its forward and its backward passes. {differences[0]}"
    )
    return Choice(by, differences, Figure("sides", f"Median duration of a pass, by {by}", description, table))


def _row(group: Group) -> Row:
    share = f" ({percent(group.rejected / group.steps)})" if group.steps else ""
    cells = (
        group_name(group),
        f"{group.passes:,}",
        f"{group.failed:,}",
        f"{group.steps:,}",
        f"{group.rejected:,}{share}",
        duration(group.forward_s),
        duration(group.backward_s),
        *("" if taken is None else duration(taken) for taken in (group.median_forward_s, group.median_backward_s)),
    )
    return Row(cells, bad=group.failed > 0)
