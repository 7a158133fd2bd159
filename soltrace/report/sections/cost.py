"""What passes cost: forward against backward against recomputed steps, and compiling."""

from collections.abc import Iterator

from soltrace.reading.text import clean, duration, percent
from soltrace.report.facts import Compiled, LogReport, PhaseCost
from soltrace.report.sections.model import Figure, Row, Section, Table
from soltrace.report.sections.work_figures import work_figures


def cost_section(report: LogReport) -> Section:
    """Write about times and steps by phase, and what was compiled."""
    times = Figure(
        "times",
        "Time by stage",
        "Bars: seconds of tracing, lowering and compiling, of forward and of backward passes. " + _times(report),
        _phases(report),
    )
    figures = [times, *work_figures(report)] if report.phases else []
    return Section("cost", "What it cost", list(_sentences(report)), [_steps(report), _compiled(report)], figures)


def _sentences(report: LogReport) -> Iterator[str]:
    yield _times(report)
    by_phase = {phase.phase: phase for phase in report.phases}
    forward, backward = by_phase.get("forward"), by_phase.get("backward")
    if forward and backward and forward.total_s > 0:
        yield f"Backward passes took {backward.total_s / forward.total_s:.3g} times as long as forward passes."
    if backward and backward.recomputed and backward.accepted + backward.rejected:
        times = backward.recomputed / (backward.accepted + backward.rejected)
        yield f"A step of which the gradient was taken was computed {times:.3g} times again for it (checkpointing)."


def _times(report: LogReport) -> str:
    parts = [f"{phase.phase} passes {duration(phase.total_s)}" for phase in report.phases]
    compiled = sum(row.trace_s + row.lower_s + row.compile_s for row in report.compiled.rows)
    if report.compiled.rows:
        parts.append(f"compiling {duration(compiled)}")
    return f"Time in all: {', '.join(parts) or 'none was recorded'}."


def _phases(report: LogReport) -> Table:
    columns = ("phase", "passes", "failed", "not ended", "in all", "median", "95 % within", "longest")
    rows = [
        Row(
            (
                phase.phase,
                f"{phase.passes:,}",
                f"{phase.failed:,}",
                f"{phase.open + phase.lost:,}",
                duration(phase.total_s),
                *("" if value is None else duration(value) for value in (phase.median_s, phase.p95_s, phase.longest_s)),
            ),
            bad=phase.failed > 0,
        )
        for phase in report.phases
    ]
    return Table("Passes by phase", columns, rows)


def _steps(report: LogReport) -> Table:
    columns = ("phase", "accepted", "rejected", "share rejected", "recomputed")
    return Table("Steps by phase", columns, [_step_row(phase) for phase in report.phases])


def _step_row(phase: PhaseCost) -> Row:
    attempted = phase.accepted + phase.rejected
    share = percent(phase.rejected / attempted) if attempted else ""
    return Row((phase.phase, f"{phase.accepted:,}", f"{phase.rejected:,}", share, f"{phase.recomputed:,}"))


def _compiled(report: LogReport) -> Table:
    top = report.compiled
    columns = ("function", "experiment", "times", "trace", "lower", "compile", "in all")
    return Table(
        "Compiled",
        columns,
        [_compilation(row) for row in top.rows],
        top.left_out,
        frozenset({"experiment"}),
    )


def _compilation(row: Compiled) -> Row:
    stages = (row.trace_s, row.lower_s, row.compile_s)
    cells = (
        clean(row.function),
        clean(row.experiment or "-"),
        f"{row.times:,}",
        *map(duration, (*stages, sum(stages))),
    )
    return Row(cells, row.experiment)
