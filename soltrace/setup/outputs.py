"""Where a run's records go, as configured: the JSON log, and OpenTelemetry's three signals.

Host side, on the thread of whoever configures or solves first. Whatever fails here is a warning, and the solve goes on.
"""

import os
import re
import shlex
import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from soltrace.export.named import unusable
from soltrace.export.registry import EXPORTS
from soltrace.host.bounded import within
from soltrace.setup.settings import Settings
from soltrace.sinks import Sink, Tracing
from soltrace.wire.log_names import ENDING, OVER_OTLP
from soltrace.wire.losses import described
from soltrace.wire.warn import SAID, say, warn, warn_once

if TYPE_CHECKING:
    from soltrace.export.environment import OtelSignal

_Output = TypeVar("_Output")
ANSWER_S: Final = 5.0
"""How long a file system may take to open a log; a solve waits for it. One that is mounted when it is asked for takes
a second or two."""


def log(settings: Settings, undo: ExitStack) -> tuple[str, list[Sink]]:
    """Make the id of this run, and its log: the run is named like its file. `undo` takes the file away again."""
    host = re.sub(r"[^A-Za-z0-9.]+", "-", socket.gethostname())
    stem = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{host}-{os.getpid()}"
    if not settings.json_log:
        return stem, []
    from soltrace.sinks.json_log import LoggerLog, fresh_file

    if settings.logger is not None:
        return stem, [LoggerLog(settings.logger)]
    directory, ending = settings.log_directory(), OVER_OTLP if _logs_go_out(settings) else ENDING
    try:
        found = within(lambda: fresh_file(directory, stem, ending), ANSWER_S)
    except OSError as error:
        warn(f"no JSON log: can't write into {directory}: {error.strerror}. Choose another: configure(directory=...).")
        return stem, []
    if found is None:
        warn(f"no JSON log: {directory} has not answered for {ANSWER_S:g} s. Choose another: configure(directory=...).")
        return stem, []
    stem, sink = found
    undo.callback((directory / f"{stem}{ending}").unlink)
    undo.callback(sink.close)
    if settings.directory is None and "directory" not in SAID:
        SAID.add("directory")
        place = directory.absolute()  # who reads this may be elsewhere
        say(f"logging to {place / stem}{ending}; follow it with: soltrace tail {shlex.quote(str(place))}")
    return stem, [sink]


def _logs_go_out(settings: Settings) -> bool:
    from soltrace.export.environment import exporters

    asked = settings.logger_provider is not None or exporters("logs", settings.otlp_endpoint)
    return settings.logs and bool(asked)


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


def spans(settings: Settings) -> Tracing | None:
    """Make what opens a span for each pass."""
    if not settings.spans:
        return None
    from soltrace.sinks.spans import Spans

    return _made("spans", lambda: Spans(settings.tracer_provider))


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
