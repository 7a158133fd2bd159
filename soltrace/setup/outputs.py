"""Where a run's records go, as configured, beside its log: OpenTelemetry's three signals.

Host side, on the thread of whoever configures or solves first. Whatever fails here is a warning, and the solve goes on.
"""

import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from soltrace.export.named import unusable
from soltrace.export.registry import EXPORTS
from soltrace.setup.settings import Settings
from soltrace.sinks import Sink, Tracing
from soltrace.wire.losses import described
from soltrace.wire.warn import warn_once

if TYPE_CHECKING:
    from soltrace.export.environment import OtelSignal

_Output = TypeVar("_Output")


def usable(settings: Settings) -> Settings:
    """Leave out the signals that would go to a global provider which can't be had."""
    if settings.tracer_provider is None and settings.spans and (problem := unusable("traces")):
        warn_once(f"no spans: {problem}")
        settings = replace(settings, spans=False)
    if settings.meter_provider is None and settings.metrics and (problem := unusable("metrics")):
        warn_once(f"no metrics: {problem}")
        settings = replace(settings, metrics=False)
    if settings.logger_provider is None and settings.logs and (problem := unusable("logs")):
        warn_once(f"no log records: {problem}")
        settings = replace(settings, logs=False)
    return settings


def spans(settings: Settings, run_id: str) -> Tracing | None:
    """Make what opens a span for each pass of a run."""
    if not settings.spans:
        return None
    from soltrace.sinks.spans import Spans

    return _made("spans", lambda: Spans(settings.tracer_provider, run_id))


def metrics_and_logs(settings: Settings, waiting: Callable[[], tuple[int, int]], undo: ExitStack) -> list[Sink]:
    """Make the sinks for OpenTelemetry's other signals. They do next to nothing until there is a provider.

    Args:
        settings: what was configured.
        waiting: tells how many items wait for being written, and how many may.
        undo: has the metrics read no more.
    """
    sinks: list[Sink | None] = []
    if settings.metrics:
        from soltrace.sinks.metrics import Metrics

        provider = settings.meter_provider or EXPORTS.own_meter_provider()
        if metrics := _made("metrics", lambda: Metrics(provider, queue=waiting)):
            undo.callback(metrics.close)
            sinks.append(metrics)
    if settings.logs:
        from soltrace.sinks.log_records import OtelLogs

        sinks.append(_made("log records", lambda: OtelLogs(settings.logger_provider)))
    return [sink for sink in sinks if sink is not None]


def import_sinks(settings: Settings) -> None:
    """Import now what the first solve would have to wait for, structlog above all. What fails is said there."""
    wanted = {
        "json_log": settings.json_log,
        "spans": settings.spans,
        "metrics": settings.metrics,
        "log_records": settings.logs,
    }
    for module in (name for name, is_wanted in wanted.items() if is_wanted):
        with suppress(Exception):
            import_module(f"soltrace.sinks.{module}")


def _made(what: str, make: Callable[[], _Output]) -> _Output | None:
    """Make an output; where a provider of the program's own fails, the others are there all the same."""
    try:
        return make()
    except Exception as error:  # noqa: BLE001 - whatever its code raises
        warn_once(f"no {what}: {described(error)}")
        return None


def set_up_export(settings: Settings) -> None:
    """Set up OpenTelemetry's SDK for signals that have no provider, if the program or the environment wants that."""
    from soltrace.export.environment import exporters

    given: dict[OtelSignal, Any] = {
        "traces": settings.tracer_provider if settings.spans else False,
        "metrics": settings.meter_provider if settings.metrics else False,
        "logs": settings.logger_provider if settings.logs else False,
    }
    asked: dict[OtelSignal, tuple[str, ...]] = {
        signal: exporters(signal, settings.otlp_endpoint) for signal, own in given.items() if own is None
    }
    try:
        if os.environ.get("OTEL_CONFIG_FILE"):
            from soltrace.export import declared

            declared.set_up()
        elif any(asked.values()):
            from soltrace.export.providers import SDK_PROVIDERS

            for problem in SDK_PROVIDERS.set_up(asked, settings.otlp_endpoint):
                warn_once(problem)
    except Exception as error:  # noqa: BLE001 - whatever the SDK finds wrong, the solve goes on
        warn_once(f"nothing is exported: OpenTelemetry could not be set up: {type(error).__name__}: {error}")
