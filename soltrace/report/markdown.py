"""Writes a report as Markdown: for a terminal, a pull request, a laboratory notebook."""

import re
from collections.abc import Iterable, Iterator

from soltrace.report.facts import LogReport
from soltrace.report.sections import sections
from soltrace.report.sections.model import Figure, Section, Table


def markdown(report: LogReport) -> str:
    """Write a report as Markdown. Charts are left out, and so are the long tables behind those of single points."""
    lines = ["# soltrace report", ""]
    for section in sections(report):
        lines += _section(section)
    lines += [f"Made by soltrace {escaped(report.soltrace)}."]
    return "\n".join(lines) + "\n"


_POINTS = frozenset({"progress", "sizes", "errors", "rejected", "timeline"})
"""The charts whose tables would have a row for each point."""


def _has_points(figure: Figure) -> bool:
    return figure.chart in _POINTS or figure.chart.startswith("watched-")


def _section(section: Section) -> Iterator[str]:
    yield from (f"## {escaped(section.title)}", "")
    yield from _paragraph(section.sentences)
    for table in [figure.table for figure in section.figures if not _has_points(figure)] + section.tables:
        if table.rows:
            yield from (f"### {escaped(table.title)}", "", *_table(table), "")
    for choice in section.choices:
        yield from (f"### {escaped(choice.figure.table.title)}", "")
        yield from _paragraph(choice.sentences)
        yield from (*_table(choice.figure.table), "")


def _paragraph(sentences: list[str]) -> Iterator[str]:
    if sentences:
        yield from (*(escaped(sentence) for sentence in sentences), "")


def _table(table: Table) -> Iterator[str]:
    yield _row(table.columns)
    yield _row(("---:" if table.numeric(i) else "---" for i in range(len(table.columns))), raw=True)
    yield from (_row(row.cells) for row in table.rows)
    if table.left_out:
        yield from ("", f"and {table.left_out:,} more")


def _row(cells: Iterable[str], *, raw: bool = False) -> str:
    return f"| {' | '.join(cell if raw else escaped(cell) for cell in cells)} |"


def escaped(text: str) -> str:
    """Escape what Markdown, and HTML within it, would take for more than text."""
    return re.sub(r"([\\`*\[\]<>|~$&])", r"\\\1", text)
