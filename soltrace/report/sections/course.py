"""How passes went: which runs were busy when, how far passes were, how large their steps, which lanes took longest."""

from collections.abc import Iterator

from soltrace.reading.phrases import lane_name
from soltrace.reading.text import clean, duration, number, percent, plural
from soltrace.report.facts import Lane, LogReport
from soltrace.report.sections.model import Figure, Row, Section, Table
from soltrace.report.sections.step_figures import recorded_sentence, step_figures, told_by, watched_figures
from soltrace.report.sections.words import utc_text
from soltrace.report.step_facts import Curve


def when_section(report: LogReport) -> Section:
    """Write about the timeline of passes, run by run."""
    columns = ("run", "what", "from", "to", "how many", "failed", "not ended")
    bars = report.timeline.bars
    rows = [
        Row(
            (
                clean(bar.run_id),
                bar.what,
                utc_text(bar.started),
                utc_text(bar.ended),
                f"{bar.count:,}",
                f"{bar.failed:,}",
                f"{bar.open:,}",
            ),
            bad=bar.failed > 0,
        )
        for bar in bars
    ]
    table = Table("Passes and compilations, by run and time", columns, rows, 0, frozenset(columns[1:4]))
    description = (
        "A row for each run, with bars where it was compiling, in forward and in backward passes. "
        "Passes that began close together are one bar. One with a heavy edge holds a pass that failed, a pale one "
        "a pass that did not end."
    )
    drawn = len({bar.run_id for bar in bars})
    sentences = ["Times are UTC."]
    if report.timeline.runs > drawn > 0:
        sentences.append(f"{plural(drawn, 'run')} of {report.timeline.runs:,} are drawn, those with failures first.")
    return Section("when", "When", sentences, [], [Figure("timeline", "Timeline", description, table)] if bars else [])


def course_section(report: LogReport) -> Section:
    """Write about the progress and the step sizes of the longest passes."""
    drawn = f"{len(report.curves)} of {sum(phase.passes for phase in report.phases):,}"
    beside = ", and those with a value that was not finite" if report.nonfinite.rows else ""
    sentences = [f"The longest passes of each phase{beside}: {drawn}.", recorded_sentence(report)]
    if not report.curves:
        sentences = ["No pass was recorded."]
    return Section(
        "course", "How the longest passes went", sentences, [_longest(report)], list(_course_figures(report))
    )


def _longest(report: LogReport) -> Table:
    columns = ("pass", "phase", "experiment", "started", "took", "reports shown", "step sizes", "of the lane")
    rows = [
        Row(
            (
                clean(curve.pass_id),
                curve.phase,
                clean(curve.experiment or "-"),
                utc_text(curve.started),
                duration(curve.took_s),
                f"{len(curve.progress):,}",
                told_by(curve),
                "" if curve.batch_index is None else lane_name(curve.batch_index),
            ),
            curve.experiment,
        )
        for curve in report.curves
    ]
    return Table("The longest passes", columns, rows, 0, frozenset({*columns[1:4], "step sizes"}))


def _course_figures(report: LogReport) -> Iterator[Figure]:
    if report.curves:
        yield Figure(
            "progress",
            "Progress over time",
            "A line for each of the longest passes: progress from 0 to 1 over seconds since its start. "
            "A straight line is a steady pass, a flat one waits.",
            _progress(report.curves),
        )
    yield from step_figures(report)
    yield from watched_figures(report)


def _progress(curves: list[Curve]) -> Table:
    rows = [
        Row((clean(curve.pass_id), duration(at.elapsed_s), percent(at.progress)), curve.experiment)
        for curve in curves
        for at in curve.progress
    ]
    return Table("Progress", ("pass", "since its start", "progress"), rows)


def lanes_section(report: LogReport) -> Section:
    """Write about the slowest lanes of batches."""
    top = report.lanes
    columns = (
        "lane",
        "phase",
        "experiment",
        "run",
        "passes",
        "failed",
        "steps in a pass",
        "most",
        "of the median lane",
    )
    table = Table("Lanes by steps", columns, [_lane(row) for row in top.rows], top.left_out, frozenset(columns[1:4]))
    if not top.rows:
        return Section("lanes", "The slowest lanes", ["No lane of a batch was recorded."])
    slowest = top.rows[0]
    each = "" if slowest.passes == 1 else f", on average of {slowest.passes:,}"
    took = f"{number(slowest.steps)} in a {slowest.phase} pass{each}"
    name = lane_name(slowest.batch_index)
    said = f"Of {plural(top.total, 'lane')} reported one by one, lane {name} took most steps: {took}."
    description = f"Bars: steps of each lane in a pass, on average of those that reported it, most first. {said}"
    return Section("lanes", "The slowest lanes", [said], [], [Figure("lanes", "Steps by lane", description, table)])


def _lane(row: Lane) -> Row:
    cells = (
        lane_name(row.batch_index),
        row.phase,
        clean(row.experiment or "-"),
        clean(row.run_id),
        f"{row.passes:,}",
        f"{row.failed:,}",
        number(row.steps),
        f"{row.most_steps:,}",
        "" if row.relative is None else f"{row.relative:.3f}",
    )
    return Row(cells, row.experiment, bad=row.failed > 0)
