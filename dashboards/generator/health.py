"""The page *Health*: whether what soltrace tells can be believed."""

from typing import Final

from grafana_foundation_sdk.models.dashboard import Dashboard

from generator.ask import grown, over_time, per_second
from generator.choose import Panels, page
from generator.show import chart, number, table_of_lines, text

FIRING: Final = 'count(ALERTS{alertname=~"Soltrace.+", alertstate="firing"}) or vector(0)'


def health() -> Dashboard:
    """Make the page."""
    return page(
        "soltrace-health",
        "soltrace: its own health",
        "Whether what soltrace tells can be believed: what was written, waits, was dropped, or did not arrive.",
        [],
        {"Now": now(), "Over time": with_time(), "The collector": collector(), "What the log says": told()},
    )


def now() -> Panels:
    """Numbers at a glance."""
    return [
        number("Written", "Events that were written.", grown("soltrace_events_emitted_total", where=""), "short"),
        number(
            "Dropped",
            "What was lost before it was written. Starts and ends of passes are the last to go.",
            f"{grown('soltrace_events_dropped_total', where='')} or vector(0)",
            "short",
            bad_from=1,
        ),
        number(
            "Not exported",
            "Spans, metric points and log records that did not reach a backend. The JSON log has them all.",
            f"{grown('soltrace_export_failures_total', where='')} or vector(0)",
            "short",
            bad_from=1,
        ),
        number(
            "Fullest queue",
            "Events that wait for being written, of those that may. When it is full, reports of progress are dropped.",
            "max(soltrace_queue_size / soltrace_queue_capacity)",
            "percentunit",
            bad_from=0.8,
        ),
        number(
            "Processes",
            "That told something in the last five minutes.",
            "count(count by (job, instance) (soltrace_events_emitted_total))",
            "none",
        ),
        number("Alerts", "Of alerts.yml, as far as Prometheus has it, that are firing.", FIRING, "none", bad_from=1),
    ]


def with_time() -> Panels:
    """How it changes."""
    return [
        chart(
            "Events per second",
            "What is written. Reports are paced: at most ten a second of each solve, whatever a step costs.",
            over_time(per_second("soltrace_events_emitted_total", "soltrace_event", where=""), "{{soltrace_event}}"),
            unit="cps",
        ),
        chart(
            "Lost",
            "Since each process began: dropped before it was written, by what it was; not exported, by signal.",
            over_time("sum by (soltrace_what) (soltrace_events_dropped_total)", "dropped: {{soltrace_what}}"),
            over_time("sum by (soltrace_signal) (soltrace_export_failures_total)", "not exported: {{soltrace_signal}}"),
            unit="short",
        ),
        chart(
            "Queue",
            "Events that wait, and how many may. Behind a queue that stays full is a slow disk or a slow backend.",
            over_time("max by (instance) (soltrace_queue_size)", "waiting: {{instance}}"),
            over_time("max by (instance) (soltrace_queue_capacity)", "may wait: {{instance}}"),
            unit="short",
            width=24,
        ),
    ]


def collector() -> Panels:
    """What arrives behind it all, where a collector is used."""
    spans = per_second("traces_span_metrics_calls_total", "span_name", where='span_name=~"diffeqsolve.+"')
    return [
        chart(
            "Spans that arrived",
            "Passes a second, counted by the collector: what Jaeger should have, but for the markers of long ones.",
            over_time(spans, "{{span_name}}"),
            unit="cps",
            width=8,
        ),
        chart(
            "What the collector took",
            "Spans, metric points and log records a second, from programs and from log files.",
            *(
                over_time(per_second(f"otelcol_receiver_accepted_{what}_total", where=""), what.replace("_", " "))
                for what in ("spans", "metric_points", "log_records")
            ),
            unit="cps",
            width=8,
        ),
        chart(
            "What waits in the collector",
            "Requests that its exporters have not sent yet. It grows while Jaeger, Prometheus or VictoriaLogs is away.",
            over_time("sum by (exporter) (otelcol_exporter_queue_size)", "{{exporter}}"),
            unit="short",
            width=8,
        ),
    ]


def told() -> Panels:
    """What was lost and why, and who tells."""
    return [
        table_of_lines(
            "What was lost, and why",
            "Each loss, as the log tells it.",
            'event_name:="telemetry.dropped"',
            "run_id dropped what reason",
            width=12,
        ),
        table_of_lines(
            "Runs",
            "Processes whose log began in this time, and where they live.",
            'event_name:="log.opened" "soltrace.part":""',  # not those of later parts
            "run_id resource.host resource.pid resource.jax resource.diffrax",
            width=12,
        ),
        text(
            "Warnings and errors",
            "Every line of soltrace that is a warning or worse.",
            'severity_text:in("WARN", "ERROR") "soltrace.run_id":*',
        ),
    ]
