"""The charts of the page, as Vega-Lite specifications, each with its data.

`experiment` and `by` are what the reader has chosen; empty stands for everything.
"""

import msgspec

from soltrace.reading.text import clean
from soltrace.report.chart_parts import ROW_HEIGHT, Spec, along, categories, chart, colour, quantity
from soltrace.report.compare import group_name
from soltrace.report.facts import LogReport
from soltrace.report.step_charts import errors_chart, rejected_chart, sizes_chart
from soltrace.report.watched_charts import watched_charts
from soltrace.report.work_charts import reasons_chart, solves_chart, work_chart


def charts(report: LogReport) -> dict[str, Spec]:
    """Return the specifications by the names that the figures of the sections refer to."""
    return {
        "timeline": _timeline(report),
        "times": _times(report),
        "work": work_chart(report),
        "solves": solves_chart(report),
        "reasons": reasons_chart(report),
        "sides": _sides(report),
        "progress": _progress(report),
        "sizes": sizes_chart(report),
        "errors": errors_chart(report),
        "rejected": rejected_chart(report),
        **watched_charts(report),
        "lanes": _lanes(report),
    }


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
        "y": categories("run"),
        "yOffset": {"field": "what", "sort": ["compile", "forward", "backward"]},
        "color": colour("what", "compile", "forward", "backward"),
        "strokeWidth": {"condition": failed, "value": 0.5},
        "opacity": {"condition": {"test": "datum['not ended'] > 0", "value": 0.5}, "value": 1},
        "stroke": {"condition": {"test": "datum.failed > 0", "value": "var(--bad)"}, "value": "var(--paper)"},
    }
    spec = chart(rows, {"step": ROW_HEIGHT / 2}, {"type": "bar", "minBandSize": 2}, encoding)
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
        "y": categories("stage"),
        "x": quantity("seconds", "seconds"),
        "color": colour("colour", "compile", "forward", "backward"),
    }
    return chart(rows, {"step": ROW_HEIGHT}, {"type": "bar"}, encoding)


def _sides(report: LogReport) -> Spec:
    rows = [
        {"by": clean(comparison.by), "value": group_name(group), "phase": phase, "seconds": seconds}
        for comparison in report.comparisons
        for group in comparison.groups.rows
        for phase, seconds in (("forward", group.median_forward_s), ("backward", group.median_backward_s))
        if seconds is not None
    ]
    encoding = {
        "y": categories("value"),
        "yOffset": {"field": "phase", "sort": ["forward", "backward"]},
        "x": quantity("seconds", "median seconds of a pass", stack=None),
        "color": colour("phase", "forward", "backward"),
    }
    return chart(rows, {"step": ROW_HEIGHT / 2}, {"type": "bar"}, encoding, "by")


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
        "x": quantity("seconds", "seconds since its start"),
        "y": quantity("progress", "progress", scale={"domain": [0, 1]}, axis={"format": "%"}),
        **along("seconds"),
    }
    return chart(rows, 260, {"type": "line", "point": True}, encoding, "experiment")


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
        "y": categories("lane"),
        "yOffset": {"field": "phase", "sort": ["forward", "backward"]},
        "x": quantity("steps", "steps in a pass", stack=None),
        "color": colour("phase", "forward", "backward"),
    }
    return chart(rows, {"step": ROW_HEIGHT / 2}, {"type": "bar"}, encoding, "experiment")
