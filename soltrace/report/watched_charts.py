"""The charts of the quantities that users watch, each with a scale of its own."""

from collections import Counter
from typing import Final

from soltrace.reading.text import clean
from soltrace.report.chart_parts import Spec, along, chart, quantity
from soltrace.report.facts import LogReport

MOST_QUANTITIES: Final = 6
"""Quantities that are drawn: those that most passes tell. Others are in the logs."""
_HEIGHT: Final = 160
_LONGEST: Final = 40


def watched_names(report: LogReport) -> list[str]:
    """Return the quantities that are drawn."""
    counted = Counter(name for curve in report.curves for name in dict.fromkeys(at.name for at in curve.watched))
    return [name for name, _ in counted.most_common(MOST_QUANTITIES)]


def watched_chart_name(place: int) -> str:
    """Return what the chart of the quantity at that place is called."""
    return f"watched-{place}"


def watched_charts(report: LogReport) -> dict[str, Spec]:
    """Draw each quantity over the solver's time, a line for each pass."""
    return {watched_chart_name(place): _chart(report, name) for place, name in enumerate(watched_names(report))}


def _chart(report: LogReport, name: str) -> Spec:
    rows = [
        {
            "pass": clean(curve.pass_id),
            "phase": curve.phase,
            "experiment": clean(curve.experiment or "-"),
            "t": at.t,
            "value": at.value,
        }
        for curve in report.curves
        for at in curve.watched
        if at.name == name
    ]
    free = {"zero": False}
    encoding = {
        "x": quantity("t", "t", scale=free),
        "y": quantity("value", clean(name, _LONGEST), scale=free, axis={"format": ".4~g"}),
        **along("t"),
    }
    return chart(rows, _HEIGHT, {"type": "line", "point": {"size": 18}}, encoding, "experiment")
