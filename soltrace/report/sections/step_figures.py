"""What steps did: how large they were and how far off, which were rejected, and where a value was not finite."""

from collections.abc import Iterator

from soltrace.reading.text import clean, number, percent, plural
from soltrace.report.facts import LogReport
from soltrace.report.sections.model import Figure, Row, Table
from soltrace.report.step_facts import Curve
from soltrace.report.watched_charts import watched_chart_name, watched_names


def step_figures(report: LogReport) -> Iterator[Figure]:
    """Describe the charts of steps over the solver's time, as far as there is something to draw."""
    curves = report.curves
    attempts = [it for curve in curves for it in curve.attempts]
    if attempts or any(curve.sizes or curve.nonfinite for curve in curves):
        yield Figure("sizes", "Step size", _sizes_description(curves), _sizes(curves))
    if any(it.scaled_error for it in attempts):
        yield Figure(
            "errors",
            "Scaled error",
            "A line for each pass of which steps were recorded one by one: the error estimate over the tolerance, on a "
            "logarithmic scale, over the solver's time. Above 1, the dashed line, a step is rejected; marks say why.",
            _errors(curves),
        )
    if any(size.rejected is not None for curve in curves for size in curve.sizes):
        yield Figure(
            "rejected",
            "Rejected steps",
            "A line for each of the longest forward passes: the share of its attempted steps that were rejected, over "
            "the solver's time.",
            _rejected(curves),
        )


def watched_figures(report: LogReport) -> Iterator[Figure]:
    """Describe the chart of each quantity that users watch."""
    for place, name in enumerate(watched_names(report)):
        shown = clean(name)
        rows = [
            Row((clean(curve.pass_id), number(at.t), number(at.value)), curve.experiment)
            for curve in report.curves
            for at in curve.watched
            if at.name == name
        ]
        yield Figure(
            watched_chart_name(place),
            f"Watched: {shown}",
            f"A line for each of the longest passes that tell {shown}: its value over the solver's time, by reports.",
            Table(f"Watched: {shown}", ("pass", "t", shown), rows),
        )


def told_by(curve: Curve) -> str:
    """Say what the step sizes of a pass are taken from."""
    if curve.every_step:
        return "every step"
    between = ["reports"] if curve.sizes else []
    return " and ".join([*between, *(["its last steps"] if curve.attempts else [])])


def _sizes_description(curves: list[Curve]) -> str:
    said = (
        "A line for each of the longest passes: the solver's time per accepted step, on a logarithmic scale, over the "
        "solver's time; of a batch, for one lane. Where steps were recorded one by one, the line goes through each of "
        "them, and marks are steps that were rejected, by why; else it goes through the means between reports."
    )
    found = [curve.nonfinite for curve in curves if curve.nonfinite is not None]
    if found:
        first = found[0]
        said += f" Ringed is the first value that was not finite, such as {clean(first.path)} at t={number(first.t)}."
    return said


def _sizes(curves: list[Curve]) -> Table:
    rows = [row for curve in curves for row in _size_rows(curve)]
    text = frozenset({"what became of it"})
    return Table("Step size", ("pass", "t", "time per step", "steps", "what became of it"), rows, 0, text)


def _size_rows(curve: Curve) -> Iterator[Row]:
    name, experiment = clean(curve.pass_id), curve.experiment
    if not curve.every_step:
        for size in curve.sizes:
            yield Row((name, f"up to {number(size.t)}", number(size.dt), "", "accepted, between reports"), experiment)
    for it in curve.attempts:
        fate = "accepted" if it.rejected is None else f"rejected: {clean(it.rejected)}"
        yield Row((name, f"from {number(it.t)}", number(it.dt), f"{it.steps:,}", fate), experiment)
    if (found := curve.nonfinite) is not None:
        fate = f"{clean(found.path)} = {found.value}"
        yield Row((name, f"from {number(found.t)}", number(found.dt), "1", fate), experiment, bad=True)


def _errors(curves: list[Curve]) -> Table:
    rows = [
        Row((clean(curve.pass_id), number(it.t), number(it.scaled_error), clean(it.rejected or "-")), curve.experiment)
        for curve in curves
        for it in curve.attempts
        if it.scaled_error is not None
    ]
    columns = ("pass", "from t", "scaled error", "rejected")
    return Table("Scaled error", columns, rows, 0, frozenset({"rejected"}))


def _rejected(curves: list[Curve]) -> Table:
    rows = [
        Row((clean(curve.pass_id), number(size.t), percent(size.rejected)), curve.experiment)
        for curve in curves
        for size in curve.sizes
        if size.rejected is not None
    ]
    return Table("Rejected steps", ("pass", "up to t", "rejected"), rows)


def recorded_sentence(report: LogReport) -> str:
    """Say how to have the steps one by one, or of how many passes they are there."""
    there = sum(curve.every_step for curve in report.curves)
    if there and there == len(report.curves):
        return "Every step of them was recorded."
    if there:
        return (
            f"Of {plural(there, 'pass')} every step was recorded; step sizes of the others are means between reports."
        )
    return "Step sizes are means between reports: detail='steps' records every step, and why it was rejected."
