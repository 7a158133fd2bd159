"""What went wrong: failures with their first cause, passes that never ended, what telemetry itself lost."""

from collections.abc import Iterator

from soltrace.reading.text import clean, duration, number, percent, plural
from soltrace.report.facts import Failure, LogReport
from soltrace.report.sections.model import Row, Section, Table
from soltrace.report.sections.words import first_cause, solver_time, utc_text

_LONGEST = 200


def failures_section(report: LogReport) -> Section:
    """Write about passes and experiments that failed, and passes that did not end."""
    if not (report.failures.total or report.open.total or report.lost.total):
        return Section("failures", "Failures", ["Nothing failed, and every pass ended."])
    sentences = [f"{plural(report.failures.total, 'failure')} of passes and experiments, the earliest first."]
    if report.open.total:
        stalled = sum(row.stalled for row in report.open.rows)
        sentences.append(
            f"{plural(report.open.total, 'pass')} did not end: under way when the log was read, or killed"
            + (f"; {stalled:,} had stalled." if stalled else ".")
        )
    if report.lost.total:
        sentences.append(f"{plural(report.lost.total, 'run')} stopped without a word.")
    tables = [_failures(report), _kinds(report), _lost(report), _open(report)]
    return Section("failures", "Failures", sentences, [table for table in tables if table.rows])


def _failures(report: LogReport) -> Table:
    top = report.failures
    columns = ("what failed", "experiment", "when", "how", "where it was", "first cause")
    return Table(
        "In the order in which they failed",
        columns,
        [_failure(row) for row in top.rows],
        top.left_out,
        frozenset(columns),
    )


def _failure(row: Failure) -> Row:
    where = (
        ""
        if row.progress is None
        else ", ".join(filter(None, (percent(row.progress), solver_time(row.t), _step(row.step))))
    )
    cells = (
        f"{row.what} {clean(row.name)}",
        clean(row.experiment or "-"),
        utc_text(row.at),
        clean(row.result, _LONGEST),
        where,
        first_cause(row),
    )
    return Row(cells, row.experiment, bad=True)


def _step(step: int | None) -> str:
    return "" if step is None else f"step {step:,}"


def _kinds(report: LogReport) -> Table:
    top = report.failure_kinds
    columns = ("experiment", "phase", "solver", "how", "first at", "passes")
    rows = [
        Row(
            (
                clean(row.experiment or "-"),
                row.phase,
                clean(row.solver or "-"),
                clean(row.result, _LONGEST),
                utc_text(row.first),
                f"{row.passes:,}",
            ),
            row.experiment,
        )
        for row in top.rows
    ]
    return Table("By kind", columns, rows, top.left_out, frozenset(columns[:-1]))


def _lost(report: LogReport) -> Table:
    top = report.lost
    columns = ("run", "host", "job", "task", "last heard", "why it is lost", "open passes", "open experiments")
    rows = [
        Row(
            (
                clean(row.run_id),
                clean(row.host or "-"),
                clean(row.job or "-"),
                clean(row.array_task or "-"),
                utc_text(row.since),
                clean(row.why, _LONGEST),
                f"{row.passes:,}",
                f"{row.experiments:,}",
            ),
            bad=True,
        )
        for row in top.rows
    ]
    return Table("Lost runs", columns, rows, top.left_out, frozenset(columns[:6]))


def _open(report: LogReport) -> Table:
    top = report.open
    columns = ("pass", "experiment", "started", "last heard after", "progress", "t", "step", "what it is")
    rows = [
        Row(
            (
                clean(row.pass_id),
                clean(row.experiment or "-"),
                utc_text(row.started),
                duration((row.seen - row.started).total_seconds()),
                percent(row.progress),
                "" if row.t is None else number(row.t),
                f"{row.step:,}",
                "lost" if row.lost else "stalled" if row.stalled else "under way",
            ),
            row.experiment,
            bad=row.stalled or row.lost,
        )
        for row in top.rows
    ]
    return Table(
        "Passes that did not end",
        columns,
        rows,
        top.left_out,
        frozenset({"experiment", "started", "what it is"}),
    )


def telemetry_section(report: LogReport) -> Section:
    """Write about the log itself: how large it is, what could not be read, and what was lost before it was written."""
    return Section(
        "telemetry", "Telemetry itself", list(_volume(report)), [t for t in _telemetry_tables(report) if t.rows]
    )


def _volume(report: LogReport) -> Iterator[str]:
    sources = report.sources
    yield f"{plural(sources.records, 'record')} in {plural(sources.paths.total, 'file')}, {_bytes(sources.bytes)}."
    seconds = (sources.last - sources.first).total_seconds()
    if seconds > 0:
        yield f"That is {sources.records / seconds:,.3g} records a second on average."
    lost = sum(loss.dropped for loss in report.dropped.rows)
    yield "Nothing was dropped." if not lost else f"Lost before it was written or exported: {plural(lost, 'item')}."
    if sources.skipped.total:
        yield f"Not in this report, because it could not be read: {plural(sources.skipped.total, 'line')}."


def _bytes(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:  # noqa: PLR2004 - units of a thousand
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.3g} GB"


def _telemetry_tables(report: LogReport) -> Iterator[Table]:
    dropped, skipped, sources = report.dropped, report.sources.skipped, report.sources
    rows = [
        Row((clean(r.what), clean(r.reason, _LONGEST), f"{r.dropped:,}", f"{r.runs:,}"), bad=True) for r in dropped.rows
    ]
    yield Table("Dropped", ("what", "why", "how many", "runs"), rows, dropped.left_out, frozenset({"why"}))
    rows = [Row((clean(r.why), f"{r.lines:,}"), bad=True) for r in skipped.rows]
    yield Table("Lines that could not be read", ("what is wrong with them", "lines"), rows)
    yield Table("Records by event", ("event", "records"), [Row((r.event, f"{r.records:,}")) for r in sources.events])
    paths = [Row((clean(path, _LONGEST),)) for path in sources.paths.rows]
    yield Table("Files", ("path",), paths, sources.paths.left_out)
