"""What ran, when and where, and how it ended."""

from collections.abc import Iterator
from typing import Final

from msgspec import UNSET

from soltrace.reading.phrases import attributes_text, usage_text
from soltrace.reading.text import clean, duration, plural
from soltrace.report.facts import Experiment, LogReport, PhaseCost, Run
from soltrace.report.sections.model import Row, Section, Table
from soltrace.report.sections.words import first_cause, utc_text
from soltrace.wire.record_parts import Usage

_ENDINGS: Final = {
    "ok": "ended ok",
    "error": "failed",
    "open": "has not ended",
    "lost": "lost with its run",
    "replaced": "replaced by a retry",
}


def ran_section(report: LogReport) -> Section:
    """Write the first section: in a few sentences what there is to know, and the experiments and runs."""
    return Section("ran", "What ran", list(_sentences(report)), [_experiments(report), _runs(report)])


def _sentences(report: LogReport) -> Iterator[str]:
    sources = report.sources
    took = duration((sources.last - sources.first).total_seconds())
    things = f"{plural(report.experiments.total, 'experiment')} in {plural(report.runs.total, 'run')}"
    yield f"{things}, from {utc_text(sources.first)} to {utc_text(sources.last)} UTC ({took})."
    yield _passes(report.phases)
    if report.failures.total:
        first = report.failures.rows[0]
        yield f"First to fail, at {utc_text(first.at)}: {first.what} {clean(first.name)}, {clean(first.result)}."
        if first.cause is not None:
            yield f"Its first cause: {first_cause(first)}."
    lost = sum(loss.dropped for loss in report.dropped.rows)
    said = "Telemetry lost nothing" if not lost else f"Telemetry lost {plural(lost, 'item')}"
    skipped = sources.skipped.total
    unread = "every line was read" if not skipped else f"{plural(skipped, 'line')} could not be read"
    yield f"{said}, and {unread}."


def _passes(phases: list[PhaseCost]) -> str:
    passes = sum(phase.passes for phase in phases)
    if not passes:
        return "No pass of a solve was recorded."
    failed = sum(phase.failed for phase in phases)
    still_open = sum(phase.open for phase in phases)
    lost = sum(phase.lost for phase in phases)
    replaced = sum(phase.replaced for phase in phases)
    counts = {"failed": failed, "did not end": still_open, "lost": lost, "replaced by a retry": replaced}
    said = [f"{count:,} {what}" for what, count in counts.items() if count]
    return f"{plural(passes, 'pass')}: {' and '.join(said) if said else 'all ended ok'}."


def _experiments(report: LogReport) -> Table:
    top = report.experiments
    columns = (
        "experiment",
        "attributes",
        "run",
        "started",
        "took",
        "how it ended",
        "passes",
        "failed",
        "forward",
        "backward",
    )
    text = frozenset({"attributes", "run", "started", "how it ended"})
    return Table("Experiments", columns, [_experiment(row) for row in top.rows], top.left_out, text)


def _experiment(row: Experiment) -> Row:
    error = "" if row.error is None else f": {clean(row.error, 200)}"
    cells = (
        clean(row.experiment),
        attributes_text(row.attributes),
        clean(row.run_id),
        utc_text(row.started),
        "" if row.duration_s is None else duration(row.duration_s),
        _ENDINGS[row.status] + error,
        f"{row.passes:,}",
        f"{row.failed:,}",
        duration(row.forward_s),
        duration(row.backward_s),
    )
    return Row(cells, row.experiment, bad=row.status == "error" or row.failed > 0)


def _runs(report: LogReport) -> Table:
    top = report.runs
    columns = (
        "run",
        "where",
        "computed on",
        "versions",
        "used",
        "first heard",
        "last heard",
        "passes",
        "failed",
        "not ended",
    )
    text = frozenset(columns[1:7])
    return Table("Runs (processes)", columns, [_run(row) for row in top.rows], top.left_out, text)


def _run(row: Run) -> Row:
    where = _words(
        row.host,
        row.pid and f"pid {row.pid}",
        row.process_index and f"process {row.process_index}",
        row.job and f"{row.scheduler or 'job'} {row.job}",
        row.array_task and f"task {row.array_task}",
    )
    versions = ((name, getattr(row, name)) for name in ("jax", "diffrax", "soltrace"))
    cells = (
        clean(row.run_id),
        where,
        _words(row.backend, row.devices and f"devices: {row.devices}"),
        _words(*(f"{name} {version}" for name, version in versions if version)),
        _used(row),
        utc_text(row.first),
        utc_text(row.last),
        f"{row.passes:,}",
        f"{row.failed:,}",
        f"{row.open:,}",
    )
    return Row(cells, bad=row.failed + row.open > 0)


def _used(row: Run) -> str:
    """At most of memory, and on average of processors."""
    return usage_text(
        Usage(
            memory_bytes=UNSET if row.memory_bytes is None else row.memory_bytes,
            cpu_utilization=UNSET if row.cpu_utilization is None else row.cpu_utilization,
            device_memory_bytes=UNSET if row.device_memory_bytes is None else row.device_memory_bytes,
        )
    )


def _words(*parts: str | None) -> str:
    return clean(", ".join(part for part in parts if part), 120)
