"""Where a run's records go, as configured: the JSON log, and OpenTelemetry's three signals.

Host side, on the thread of whoever configures or solves first. Whatever fails here is a warning, and the solve goes on.
"""

import os
import re
import socket
import sys
import warnings
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from soltrace.errors import SoltraceWarning
from soltrace.export.registry import EXPORTS
from soltrace.setup.settings import Settings
from soltrace.sinks import Sink, Tracing

if TYPE_CHECKING:
    from soltrace.export.environment import OtelSignal

SAID: Final[set[str]] = set()
"""What is said once a process."""


OVER_OTLP: Final = ".otlp.jsonl"
"""How the file of a run ends whose records go out by themselves too: a collector that reads files leaves it alone."""


def log(settings: Settings, undo: ExitStack) -> tuple[str, list[Sink]]:
    """Make the id of this run, and its log: the run is named like its file. `undo` takes the file away again."""
    host = re.sub(r"[^A-Za-z0-9.]+", "-", socket.gethostname())
    stem = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{host}-{os.getpid()}"
    if not settings.json_log:
        return stem, []
    from soltrace.sinks.json_log import JsonLog, fresh_file

    if settings.logger is not None:
        return stem, [JsonLog(settings.logger)]
    directory, ending = settings.log_directory(), OVER_OTLP if _logs_go_out(settings) else ".jsonl"
    try:
        stem, sink = fresh_file(directory, stem, ending)
        undo.callback((directory / f"{stem}{ending}").unlink)
        undo.callback(sink.close)
    except OSError as error:
        warn(f"no JSON log: can't write into {directory}: {error.strerror}. Choose another: configure(directory=...).")
        return stem, []
    if settings.directory is None and "directory" not in SAID:
        SAID.add("directory")
        file = directory / f"{stem}{ending}"
        say(f"logging to {file}; follow it with: soltrace tail {directory}")
    return stem, [sink]


def _logs_go_out(settings: Settings) -> bool:
    from soltrace.export.environment import exporters

    asked = settings.logger_provider is not None or exporters("logs", settings.otlp_endpoint)
    return settings.logs and bool(asked)


def spans(settings: Settings) -> Tracing | None:
    """Make what opens a span for each pass."""
    if not settings.spans:
        return None
    from soltrace.sinks.spans import Spans

    return Spans(settings.tracer_provider)


def metrics_and_logs(settings: Settings, waiting: Callable[[], tuple[int, int]], undo: ExitStack) -> list[Sink]:
    """Make the sinks for OpenTelemetry's other signals. They do next to nothing until there is a provider.

    Args:
        settings: what was configured.
        waiting: tells how many items wait for being written, and how many may.
        undo: has the metrics read no more.
    """
    sinks: list[Sink] = []
    if settings.metrics:
        from soltrace.sinks.metrics import Metrics

        metrics = Metrics(settings.meter_provider or EXPORTS.own_meter_provider(), queue=waiting)
        undo.callback(metrics.close)
        sinks.append(metrics)
    if settings.logs:
        from soltrace.sinks.log_records import OtelLogs

        sinks.append(OtelLogs(settings.logger_provider))
    return sinks


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


def warn_once(message: str) -> None:
    """Warn, if this has not been said."""
    if message not in SAID:
        SAID.add(message)
        warn(message)


def warn(message: str) -> None:
    """Warn, and go on even where warnings are errors: this may run inside a solve."""
    try:
        warnings.warn(message, SoltraceWarning, stacklevel=2)
    except SoltraceWarning:
        say(message)


def say(message: str) -> None:
    """Say it on stderr, if there is one: a program may be started without, or its reader be gone."""
    if sys.stderr is not None:  # pyright: ignore[reportUnnecessaryComparison] - it is then; `print` would take stdout
        with suppress(OSError, ValueError):
            print(f"soltrace: {message}", file=sys.stderr)  # noqa: T201
