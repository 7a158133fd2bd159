"""The charts of steps over the solver's time: how large they were, their errors, and which were rejected."""

from collections.abc import Iterator
from typing import Any, Final

from soltrace.reading.text import clean
from soltrace.report.chart_parts import REASONS, Spec, along, chart, coloured, layered, quantity, reason_word
from soltrace.report.facts import LogReport
from soltrace.report.step_facts import Curve, StepsDrawn

_HEIGHT: Final = 260
_SHAPES: Final = ("cross", "triangle-up", "square", "diamond", "stroke")
"""Of rejected steps, by their reasons: not told apart by colour alone."""
_T: Final = quantity("t", "t", scale={"zero": False})
TOLERANCE: Final = 1.0
"""The scaled error above which a step is rejected."""


def sizes_chart(report: LogReport) -> Spec:
    """Draw how large steps were: each where all were recorded, and else between reports."""
    rows = [row for curve in report.curves for row in _size_rows(curve)]
    layers = [_line("dt", "time per step"), *_rejected_steps("dt", rows), *_not_finite(rows)]
    return layered(rows, _HEIGHT, {"x": _T}, layers, "experiment")


def errors_chart(report: LogReport) -> Spec:
    """Draw the scaled errors of the steps that were recorded one by one, and the tolerance."""
    rows = [
        _about(curve) | _attempt(attempts) | {"error": attempts.scaled_error}
        for curve in report.curves
        for attempts in curve.attempts
        if attempts.scaled_error  # a logarithmic scale has no place for none
    ]
    rule = {
        "data": {"values": [{"error": TOLERANCE}]},
        "mark": {"type": "rule", "strokeDash": [4, 4], "color": "var(--quiet)"},
        "encoding": {"x": None, "y": _logarithmic("error", "scaled error")},
    }
    layers = [rule, _line("error", "scaled error"), *_rejected_steps("error", rows)]
    return layered(rows, _HEIGHT, {"x": _T}, layers, "experiment")


def rejected_chart(report: LogReport) -> Spec:
    """Draw the share of steps that were rejected, between reports."""
    rows = [
        _about(curve) | {"t": size.t, "rejected": size.rejected}
        for curve in report.curves
        for size in curve.sizes
        if size.rejected is not None
    ]
    share = quantity("rejected", "share rejected", scale={"domainMin": 0}, axis={"format": "%"})
    encoding = {"x": _T, "y": share, **along("t")}
    return chart(rows, _HEIGHT, {"type": "line", "point": True}, encoding, "experiment")


def _size_rows(curve: Curve) -> Iterator[Spec]:
    about = _about(curve)
    if not curve.every_step:
        yield from (about | {"told": "between reports", "t": s.t, "dt": s.dt, "what": "accepted"} for s in curve.sizes)
    for attempts in curve.attempts:
        if attempts.dt > 0:  # one that got nowhere has no place on a logarithmic scale
            yield about | {"told": "step by step"} | _attempt(attempts) | {"dt": attempts.dt}
    if curve.nonfinite is not None and curve.nonfinite.dt > 0:
        what = f"{clean(curve.nonfinite.path)} = {curve.nonfinite.value}"
        yield about | {"t": curve.nonfinite.t, "dt": curve.nonfinite.dt, "what": "not finite", "first": what}


def _about(curve: Curve) -> Spec:
    return {
        "pass": clean(curve.pass_id),
        "phase": curve.phase,
        "experiment": clean(curve.experiment or "-"),
    }


def _attempt(attempts: StepsDrawn) -> dict[str, Any]:
    what = "accepted" if attempts.rejected is None else reason_word(attempts.rejected)
    return {"t": attempts.t, "what": what, "steps": attempts.steps}


def _logarithmic(field: str, title: str) -> Spec:
    return quantity(field, title, scale={"type": "log", "nice": False, "padding": 8}, axis={"format": "~g"})


def _line(field: str, title: str) -> Spec:
    encoding = along("t") | {"y": _logarithmic(field, title)}
    encoding["detail"] = [{"field": "pass"}, {"field": "told"}]
    return {
        "transform": [{"filter": "datum.what === 'accepted'"}],
        "mark": {"type": "line", "point": {"size": 10}, "strokeWidth": 1.5},
        "encoding": encoding,
    }


def _rejected_steps(field: str, rows: list[Spec]) -> list[Spec]:
    """Mark them, if there are any: a legend without marks would only ask what it is for."""
    there = {row["what"] for row in rows}
    known = {reason: colour for reason, colour in REASONS.items() if reason in there}
    if not known:
        return []
    shapes = [shape for reason, shape in zip(REASONS, _SHAPES, strict=True) if reason in there]
    shape = {"field": "what", "type": "nominal", "scale": {"domain": list(known), "range": shapes}}
    encoding = {"y": _logarithmic(field, ""), "color": coloured("what", known), "shape": shape}
    return [
        {
            "transform": [{"filter": {"field": "what", "oneOf": list(known)}}],
            "mark": {"type": "point", "filled": True, "size": 30, "opacity": 1},
            "encoding": encoding,
        }
    ]


def _not_finite(rows: list[Spec]) -> list[Spec]:
    """Ring the place of the first value that was not finite, and write which it was."""
    if not any(row["what"] == "not finite" for row in rows):
        return []
    only = [{"filter": "datum.what === 'not finite'"}]
    place = {"y": _logarithmic("dt", "")}
    ring = {"type": "point", "size": 220, "strokeWidth": 2.5, "color": "var(--bad)", "filled": False, "opacity": 1}
    words = {"type": "text", "dy": -16, "color": "var(--bad)", "fontSize": 12, "fontWeight": 600, "limit": 260}
    return [
        {"transform": only, "mark": ring, "encoding": place},
        {"transform": only, "mark": words, "encoding": place | {"text": {"field": "first", "type": "nominal"}}},
    ]
