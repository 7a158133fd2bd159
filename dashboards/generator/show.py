"""How to show an answer: a number, lines over time, bars, tables. Each says in a sentence what it means."""

import json
from collections.abc import Mapping
from typing import Final, TypeVar
from urllib.parse import quote

from grafana_foundation_sdk.builders import bargauge, gauge, heatmap, logs, piechart, stat, table, timeseries
from grafana_foundation_sdk.builders import common as build
from grafana_foundation_sdk.builders import dashboard as d
from grafana_foundation_sdk.models import common, dashboard

from generator.ask import METRICS, Target, lines, now, rows

P = TypeVar(
    "P",
    bargauge.Panel,
    d.Panel,
    gauge.Panel,
    heatmap.Panel,
    logs.Panel,
    piechart.Panel,
    stat.Panel,
    table.Panel,
    timeseries.Panel,
)

UNITS: Final = {
    "compile_s": "s",
    "dropped": "short",
    "duration_s": "s",
    "failed": "short",
    "lower_s": "s",
    "open_s": "s",
    "passes": "short",
    "progress": "percentunit",
    "runs": "short",
    "silent_s": "s",
    "step": "none",
    "t": "none",
    "trace_s": "s",
}
"""Of the fields of lines that are numbers."""
CONNECTED_MS: Final = 60_000
"""A pass that is open says something every few seconds: over a longer gap there was none, and no line is drawn."""
SOLVE_PAGE: Final = (
    "/d/soltrace-pass?${prometheus:queryparam}&${logs:queryparam}&${traces:queryparam}&${__url_time_range}"
)


def panel(kind: type[P], title: str, about: str, *targets: Target, unit: str = "", width: int = 12, tall: int = 8) -> P:
    """Make a panel of any kind. The page is 24 wide."""
    made = kind().title(title).description(about).span(width).height(tall)
    for letter, target in zip("ABCDEFGH", targets, strict=False):
        made.with_target(target.ref_id(letter))
    made.datasource(targets[0].build().datasource or METRICS)
    return made.unit(unit) if unit else made


def number(title: str, about: str, expression: str, unit: str, *, bad_from: float | None = None) -> stat.Panel:
    """Show one number of Prometheus, red from where it is bad."""
    shown = panel(stat.Panel, title, about, now(expression), unit=unit, width=4, tall=4).no_value("none")
    shown.graph_mode(common.BigValueGraphMode.NONE).reduce_options(last())
    return shown.thresholds(colours("text") if bad_from is None else colours("green", (bad_from, "red")))


def chart(title: str, about: str, *targets: Target, unit: str, width: int = 12) -> timeseries.Panel:
    """Show lines over time, with points, because a short run has few of them."""
    shown = panel(timeseries.Panel, title, about, *targets, unit=unit, width=width)
    shown.show_points(common.VisibilityMode.ALWAYS).fill_opacity(10).span_nulls(CONNECTED_MS)
    return shown.legend(build.VizLegendOptions().show_legend(show_legend=True).placement(common.LegendPlacement.BOTTOM))


def bars(title: str, about: str, *targets: Target, unit: str, width: int = 8) -> bargauge.Panel:
    """Show a bar for each name."""
    shown = panel(bargauge.Panel, title, about, *targets, unit=unit, width=width).min(0)
    shown.thresholds(colours("blue")).orientation(common.VizOrientation.HORIZONTAL)
    return shown.display_mode(common.BarGaugeDisplayMode.BASIC).reduce_options(last())


def text(title: str, about: str, query: str, *, width: int = 24) -> logs.Panel:
    """Show the lines themselves; a click on one shows all its fields."""
    shown = panel(logs.Panel, title, about, lines(query), width=width)
    return shown.show_time(show_time=True).enable_log_details(enable_log_details=True)


def table_of_metrics(title: str, about: str, by: str, columns: Mapping[str, tuple[str, str]]) -> table.Panel:
    """Show a row for each group, and a column for each expression: `{name: (expression, unit)}`."""
    shown = panel(table.Panel, title, about, *(rows(expression) for expression, _ in columns.values()), width=24)
    names = {label: label.removeprefix("soltrace_").removesuffix("_name") for label in by.split(", ")}
    names |= {f"Value #{letter}": name for letter, name in zip("ABCDEFGH", columns, strict=False)}
    places = {name: place for place, name in enumerate(names)}
    shown.with_transformation(transformed("merge"))
    shown.with_transformation(
        transformed("organize", excludeByName={"Time": True}, indexByName=places, renameByName=names)
    )
    for name, (_, unit) in columns.items():
        column(shown, name, unit=unit)
    return linked(shown, "experiment", "Its last solve", f"{SOLVE_PAGE}&var-experiment=${{__value.raw}}")


def table_of_lines(title: str, about: str, query: str, fields: str, *, width: int = 24) -> table.Panel:
    """Show a row for each line, and a column for each field. `trace_id` alone is a field that is not soltrace's."""
    names = {field: "experiment" if field == "experiment.name" else field for field in fields.split()}
    renamed = ", ".join(f'"soltrace.{field}" as "{name}"' for field, name in names.items() if field != "trace_id")
    kept = ", ".join(f'"{name}"' for name in names.values())
    shown = panel(table.Panel, title, about, lines(f"{query} | rename {renamed} | fields _time, {kept}"), width=width)
    numbers = [name for name in names.values() if name in UNITS]
    places = {name: place for place, name in enumerate(["Time", *names.values()])}
    shown.with_transformation(transformed("extractFields", source="labels", format="json", replace=True, keepTime=True))
    shown.with_transformation(
        transformed("convertFieldType", conversions=[{"targetField": n, "destinationType": "number"} for n in numbers])
    )
    shown.with_transformation(transformed("organize", excludeByName={}, indexByName=places, renameByName={}))
    for name in numbers:
        column(shown, name, unit=UNITS[name])
    linked(shown, "solve_id", "This solve", f"{SOLVE_PAGE}&var-solve=${{__value.raw}}")
    return linked(shown, "trace_id", "Its trace", trace_page())


def trace_page() -> str:
    """Say where Grafana shows the trace whose id is clicked on. It takes JSON, in which `${...}` must stay as it is."""
    asked = {"datasource": "TRACES", "queries": [{"refId": "A", "query": "ID"}]}
    panes = quote(json.dumps({"trace": asked}, separators=(",", ":")))
    return f"/explore?schemaVersion=1&panes={panes}".replace("TRACES", "${traces}").replace("ID", "${__value.raw}")


def linked(shown: table.Panel, name: str, title: str, url: str) -> table.Panel:
    """Make each value of a column a link."""
    return column(shown, name, links=[{"title": title, "url": url}])


def column(shown: table.Panel, name: str, **properties: object) -> table.Panel:
    """Say how a column of a table looks."""
    return shown.override_by_name(name, [dashboard.DynamicConfigValue(key, value) for key, value in properties.items()])


def last() -> build.ReduceDataOptions:
    """Take the last value that there is: after it come empty intervals, where nothing was said."""
    return build.ReduceDataOptions().calcs(["lastNotNull"])


def colours(base: str, *steps: tuple[float, str]) -> d.ThresholdsConfig:
    """Give a colour, and others from a value on."""
    above = [dashboard.Threshold(value, colour) for value, colour in steps]
    return d.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps([dashboard.Threshold(None, base), *above])


def transformed(name: str, **options: object) -> dashboard.DataTransformerConfig:
    """Name a step between the answer and the panel."""
    return dashboard.DataTransformerConfig(name, options=options)
