"""Writes a report as one page that needs no network: its style, its scripts and its data are in it.

Vega draws the charts in the browser. The page forbids itself every request and every script but its own two (by their
hashes), so that nothing that a log says can become one.
"""

import base64
import hashlib
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import msgspec

from soltrace.reading.text import clean
from soltrace.report.charts import charts
from soltrace.report.facts import LogReport
from soltrace.report.sections import sections
from soltrace.report.sections.model import Section

if TYPE_CHECKING:
    from collections.abc import Iterable

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
"""Vega writes styles into elements; nothing else is loaded, sent or run."""


def page(report: LogReport) -> str:
    """Write a report as HTML."""
    import jinja2
    import vl_convert

    said = sections(report)
    drawn = {figure for section in said for figure in _figures(section)}
    vega, script = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"), _part("page.js")
    hashes = " ".join(f"'sha256-{_hash(text)}'" for text in (vega, script))
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["clean"] = clean  # a reader chooses by what is to be seen
    return environment.from_string(_part("page.html.j2")).render(
        report=report,
        sections=said,
        experiments=sorted(
            {clean(row.experiment) for section in said for row in _rows(section) if row.experiment is not None}
        ),
        policy=f"{POLICY}; script-src {hashes}",
        style=_part("style.css"),
        vega=vega,
        script=script,
        # Compiled here, so that a chart that can't be drawn is noticed before anybody looks at it.
        charts=_json({name: vl_convert.vegalite_to_vega(it) for name, it in charts(report).items() if name in drawn}),
    )


def _part(name: str) -> str:
    return resources.files("soltrace.report").joinpath("page", name).read_text(encoding="utf-8")


def _figures(section: Section) -> "Iterable[str]":
    return (figure.chart for figure in [*section.figures, *(choice.figure for choice in section.choices)])


def _rows(section: Section) -> "Iterable[Any]":
    tables = [*section.tables, *(figure.table for figure in section.figures)]
    return (row for table in tables for row in table.rows)


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _json(value: object) -> str:
    """Write JSON that can stand in a page: nothing in it begins a tag, or ends the element that it stands in."""
    text = msgspec.json.encode(value).decode()
    return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")
