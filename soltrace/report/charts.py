"""The charts of the page, as Vega-Lite specifications, each with its data.

Colours are the page's own (CSS variables), so that light, dark and print need no other chart. `experiment` and `by` are
what the reader has chosen; empty stands for everything.
"""

from typing import Any, Final, TypeAlias

import msgspec

from soltrace.reading.text import clean
from soltrace.report.compare import group_name
from soltrace.report.facts import LogReport

Spec: TypeAlias = dict[str, Any]

VEGA_LITE_SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v6.json"
COLOURS: Final = ("forward", "backward", "compile", "accepted", "rejected", "recomputed")
"""What has a colour of its own."""
_AXIS: Final = {
    "labelColor": "var(--ink)",
    "titleColor": "var(--ink)",
    "gridColor": "var(--line)",
    "domainColor": "var(--line)",
    "tickColor": "var(--line)",
    "labelFontSize": 12,
    "titleFontSize": 12,
}
_CONFIG: Final = {
    "font": "system-ui, sans-serif",
    "aria": False,  # the chart as a whole has a description, and a table stands behind it
    "axis": _AXIS | {"labelLimit": 220, "labelSeparation": 6},
    "legend": {
        "labelColor": "var(--ink)",
        "titleColor": "var(--ink)",
        "labelFontSize": 12,
        "orient": "top",
        "title": None,
    },
    "view": {"stroke": None},
    "bar": {"tooltip": {"content": "data"}},
    "line": {"tooltip": {"content": "data"}},
}
_ROW: Final = 22
"""The height of a bar in pixels."""


def charts(report: LogReport) -> dict[str, Spec]:
    """Return the specifications by the names that the figures of the sections refer to."""
    return {
        "timeline": _timeline(report),
        "times": _times(report),
        "steps": _steps(report),
        "sides": _sides(report),
        "progress": _progress(report),
        "sizes": _course(report, "dt", "time per step", {"type": "log"}),
        "rejected": _course(report, "rejected", "share rejected", {"domainMin": 0}, {"format": "%"}),
        "lanes": _lanes(report),
    }


def _chart(rows: list[Spec], height: int | Spec, mark: Spec, encoding: Spec, chosen: str = "") -> Spec:
    """Put a chart together. `chosen` names the parameter that filters its rows by the field of the same name."""
    spec: Spec = {
        "$schema": VEGA_LITE_SCHEMA,
        "width": "container",
        "height": height,
        "background": "transparent",
        "config": _CONFIG,
        "data": {"name": "rows", "values": rows},
        "mark": mark,
        "encoding": encoding,
    }
    if chosen:
        spec["params"] = [{"name": chosen, "value": ""}]
        spec["transform"] = [{"filter": f"{chosen} === '' || datum.{chosen} === {chosen}"}]
    return spec


def _colour(field: str, *names: str) -> Spec:
    return {"field": field, "type": "nominal", "scale": {"domain": names, "range": [f"var(--{n})" for n in names]}}


def _quantity(field: str, title: str, **more: Any) -> Spec:
    return {"field": field, "type": "quantitative", "title": title, **more}


def _names(field: str, **more: Any) -> Spec:
    return {"field": field, "type": "nominal", "title": None, "sort": None, **more}


def _timeline(report: LogReport) -> Spec:
    rows = [
        {
            "run": clean(bar.run_id),
            "what": bar.what,
            "from": msgspec.to_builtins(bar.started),
            "to": msgspec.to_builtins(bar.ended),
            "passes": bar.count,
            "failed": bar.failed,
            "not ended": bar.open,
        }
        for bar in report.timeline.bars
    ]
    failed = {"test": "datum.failed > 0", "value": 2}
    encoding = {
        "x": {"field": "from", "type": "temporal", "title": "UTC", "scale": {"type": "utc"}},
        "x2": {"field": "to"},
        "y": _names("run"),
        "yOffset": {"field": "what", "sort": ["compile", "forward", "backward"]},
        "color": _colour("what", "compile", "forward", "backward"),
        "strokeWidth": {"condition": failed, "value": 0.5},
        "opacity": {"condition": {"test": "datum['not ended'] > 0", "value": 0.5}, "value": 1},
        "stroke": {"condition": {"test": "datum.failed > 0", "value": "var(--bad)"}, "value": "var(--paper)"},
    }
    spec = _chart(rows, {"step": _ROW / 2}, {"type": "bar", "minBandSize": 2}, encoding)
    # A plain wheel scrolls the page.
    wheel = "wheel![event.shiftKey]"
    zoom = {"name": "zoom", "select": {"type": "interval", "encodings": ["x"], "zoom": wheel}, "bind": "scales"}
    return spec | {"params": [zoom]}


def _times(report: LogReport) -> Spec:
    rows = [{"stage": phase.phase, "seconds": phase.total_s, "colour": phase.phase} for phase in report.phases]
    for stage in ("compile", "lower", "trace"):
        seconds = sum(getattr(row, f"{stage}_s") for row in report.compiled.rows)
        rows.insert(0, {"stage": stage, "seconds": seconds, "colour": "compile"})
    encoding = {
        "y": _names("stage"),
        "x": _quantity("seconds", "seconds"),
        "color": _colour("colour", "compile", "forward", "backward"),
    }
    return _chart(rows, {"step": _ROW}, {"type": "bar"}, encoding)


def _steps(report: LogReport) -> Spec:
    outcomes = ("accepted", "rejected", "recomputed")
    rows = [
        {"phase": phase.phase, "outcome": outcome, "steps": getattr(phase, outcome)}
        for phase in report.phases
        for outcome in outcomes
    ]
    encoding = {"y": _names("phase"), "x": _quantity("steps", "steps"), "color": _colour("outcome", *outcomes)}
    return _chart(rows, {"step": _ROW}, {"type": "bar"}, encoding)


def _sides(report: LogReport) -> Spec:
    rows = [
        {"by": clean(comparison.by), "value": group_name(group), "phase": phase, "seconds": seconds}
        for comparison in report.comparisons
        for group in comparison.groups.rows
        for phase, seconds in (("forward", group.median_forward_s), ("backward", group.median_backward_s))
        if seconds is not None
    ]
    encoding = {
        "y": _names("value"),
        "yOffset": {"field": "phase", "sort": ["forward", "backward"]},
        "x": _quantity("seconds", "median seconds of a pass", stack=None),
        "color": _colour("phase", "forward", "backward"),
    }
    return _chart(rows, {"step": _ROW / 2}, {"type": "bar"}, encoding, "by")


def _progress(report: LogReport) -> Spec:
    rows = [
        {
            "pass": clean(curve.pass_id),
            "phase": curve.phase,
            "experiment": clean(curve.experiment or "-"),
            "seconds": at.elapsed_s,
            "progress": at.progress,
        }
        for curve in report.curves
        for at in curve.progress
    ]
    encoding = {
        "x": _quantity("seconds", "seconds since its start"),
        "y": _quantity("progress", "progress", scale={"domain": [0, 1]}, axis={"format": "%"}),
        **_line("seconds"),
    }
    return _chart(rows, 260, {"type": "line", "point": True}, encoding, "experiment")


def _course(report: LogReport, field: str, title: str, scale: Spec, axis: Spec | None = None) -> Spec:
    rows = [
        {
            "pass": clean(curve.pass_id),
            "phase": curve.phase,
            "experiment": clean(curve.experiment or "-"),
            "t": size.t,
            field: getattr(size, field),
        }
        for curve in report.curves
        for size in curve.sizes
        if getattr(size, field) is not None
    ]
    encoding = {
        "x": _quantity("t", "t", scale={"zero": False}),
        "y": _quantity(field, title, scale=scale, axis=axis or {}),
        **_line("t"),
    }
    return _chart(rows, 260, {"type": "line", "point": True}, encoding, "experiment")


def _line(order: str) -> Spec:
    return {
        "color": _colour("phase", "forward", "backward"),
        "detail": {"field": "pass"},
        "order": {"field": order, "type": "quantitative"},
    }


def _lanes(report: LogReport) -> Spec:
    rows = [
        {
            "lane": f"{','.join(map(str, lane.batch_index[:8]))}  {clean(lane.experiment or '-', 24)}",
            "run": clean(lane.run_id),
            "phase": lane.phase,
            "experiment": clean(lane.experiment or "-"),
            "steps": lane.steps,
        }
        for lane in report.lanes.rows
    ]
    encoding = {
        "y": _names("lane"),
        "yOffset": {"field": "phase", "sort": ["forward", "backward"]},
        "x": _quantity("steps", "steps in a pass", stack=None),
        "color": _colour("phase", "forward", "backward"),
    }
    return _chart(rows, {"step": _ROW / 2}, {"type": "bar"}, encoding, "experiment")
