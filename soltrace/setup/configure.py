"""Setting up: `configure`, `flush`, `shutdown`, and the recorder that the first use makes. It wires the rooms together.

Host side. Nothing here runs before somebody asks for it or the first solve reports.
"""

import os
import time
from collections.abc import Mapping
from typing import Any, Final

from soltrace.errors import ConfigurationError
from soltrace.export.exporters import maker
from soltrace.host.clock import SystemClock
from soltrace.host.context import Context, Contexts
from soltrace.host.emission import moment
from soltrace.host.passes import Run
from soltrace.host.process import PROCESS
from soltrace.host.recorder import Recorder
from soltrace.host.selection import LaneChoice
from soltrace.setup import outputs
from soltrace.setup.outputs import set_up_export, warn
from soltrace.setup.process_end import end, with_the_process
from soltrace.setup.settings import QUEUE_SIZE, Settings, checked
from soltrace.setup.sigterm import SIGTERM
from soltrace.wire.attributes import parse_attributes
from soltrace.wire.losses import OUTSIDE
from soltrace.wire.records import Attribute, LogOpened
from soltrace.wire.resource import process_index, resource

FOR_CLOSING: Final = 0.1
"""Of the time that `shutdown` has: kept to write down what could not be exported."""


class _Configured:
    """What `configure` was told last."""

    def __init__(self) -> None:
        self.settings: Settings | None = None


_CONFIGURED: Final = _Configured()


def configure(
    *,
    enabled: bool | None = None,
    directory: str | os.PathLike[str] | None = None,
    logger: Any = None,
    json_log: bool = True,
    tracer_provider: Any = None,
    spans: bool = True,
    meter_provider: Any = None,
    metrics: bool = True,
    logger_provider: Any = None,
    logs: bool = True,
    otlp_endpoint: str | None = None,
    max_reports_per_s: float = 10.0,
    max_overhead: float = 0.02,
    lanes: LaneChoice = "auto",
    queue_size: int = QUEUE_SIZE,
    abandon_after_s: float = 30.0,
    heartbeat_s: float = 5.0,
    exit_timeout_s: float = 5.0,
    flush_on_sigterm: bool = False,
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """Say how this process records, from now on. What was set up before is flushed and closed first.

    Args:
        enabled: whether solves that are traced from now on report; None: unless SOLTRACE_DISABLED is true.
        directory: where the log file of this run is made; None: SOLTRACE_DIR, or else `soltrace-runs/`.
        logger: a structlog logger that gets the log's lines, instead of a file.
        json_log: whether there is a log.
        tracer_provider: the OpenTelemetry provider that makes the spans; None: the global one, which is set up here if
            the program has not done so and `otlp_endpoint` or the environment (OTEL_TRACES_EXPORTER or
            OTEL_EXPORTER_OTLP_*, and what else OpenTelemetry specifies) asks for it.
        spans: whether there are spans.
        meter_provider: the same for metrics, with OTEL_METRICS_EXPORTER.
        metrics: whether there are metrics.
        logger_provider: the same for log records, one for each line of the log, with OTEL_LOGS_EXPORTER.
        logs: whether there are log records.
        otlp_endpoint: where spans, metrics and log records are sent, such as `http://localhost:4318`; gRPC if the port
            is 4317 or OTEL_EXPORTER_OTLP_PROTOCOL says so. It holds as long as the process.
        max_reports_per_s: reports of one pass in a second, at most. `math.inf`: no limit.
        max_overhead: fraction of a pass's time that its reports may take. `math.inf`: no limit; with both, each step.
        lanes: of which lanes of a batch lines are written: `auto` (all of up to 16; else the 8 slowest and the failing
            ones), `all`, or the batch indices that are wanted.
        queue_size: signals that may wait for being written. Beyond it the oldest progress is dropped, and counted.
        abandon_after_s: who leaves an experiment waits for its passes, but no longer than this for a silent one (or ten
            times the longest silence that it had before).
        heartbeat_s: a pass that is open for longer is heard of this often, in seconds. `math.inf`: never.
        exit_timeout_s: how long the end of the process may wait for what is to be exported, in seconds. What is not
            exported by then is lost, counted, and said so in the log.
        flush_on_sigterm: SIGTERM ends the process as its own end does, with status 143, also in the midst of a compiled
            solve. Without it what was told in the last tenth of a second is lost, and what waits to be exported. A
            handler of your own stays instead, and the children of a fork die at once.
        attributes: put on everything. SOLTRACE_ATTRIBUTES=seed=3,lr=1e-3 adds to them.

    Raises:
        soltrace.ConfigurationError: an argument can't be used.
        soltrace.AttributeValueError: an attribute is neither a bool, int, float or str, nor a list of them.
    """
    settings = checked(
        directory=directory,
        logger=logger,
        json_log=json_log,
        tracer_provider=tracer_provider,
        spans=spans,
        meter_provider=meter_provider,
        metrics=metrics,
        logger_provider=logger_provider,
        logs=logs,
        otlp_endpoint=otlp_endpoint,
        max_reports_per_s=max_reports_per_s,
        max_overhead=max_overhead,
        lanes=lanes,
        queue_size=queue_size,
        abandon_after_s=abandon_after_s,
        heartbeat_s=heartbeat_s,
        exit_timeout_s=exit_timeout_s,
        flush_on_sigterm=flush_on_sigterm,
        attributes=attributes,
    )
    if settings.otlp_endpoint is not None:
        maker("traces", "otlp", settings.otlp_endpoint)
    if enabled is not None and not isinstance(enabled, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(f"enabled= must be True, False or None, got {enabled!r}.")
    if settings.flush_on_sigterm:
        SIGTERM.install(_at_exit)
    shutdown()
    set_up_export(settings)
    with PROCESS.lock:
        PROCESS.enabled = enabled
        _CONFIGURED.settings = settings
    with_the_process(_at_exit)


def flush(timeout_s: float = 30.0) -> bool:
    """Wait until programs that run are done and what they reported is where it is to go: on disk, and exported.

    Args:
        timeout_s: wait no longer, in seconds.

    Returns:
        Whether everything got there in time.
    """
    recorder = PROCESS.recorder
    return True if recorder is None else recorder.flush(timeout_s)


def shutdown(timeout_s: float = 30.0) -> bool:
    """Flush, give up passes that are still open, say what was lost, and close. The next solve begins a new run.

    Args:
        timeout_s: wait no longer, in seconds.

    Returns:
        Whether everything got where it is to go in time.
    """
    with PROCESS.lock:
        recorder, PROCESS.recorder = PROCESS.recorder, None
    if recorder is None:
        return True
    deadline = time.monotonic() + timeout_s
    flushed = recorder.flush(timeout_s * (1 - FOR_CLOSING))  # first: closing says what could not be exported
    closed = recorder.close(deadline - time.monotonic())
    return flushed and closed


def open_recorder() -> Recorder:
    """Make this process's recorder: `soltrace.host.process` asks for it at the first use. What fails is a warning."""
    settings = _CONFIGURED.settings or Settings()
    set_up_export(settings)
    run_id, sinks = outputs.log(settings)
    base = Context(attributes=_attributes_of_all() | dict(settings.attributes))
    waiting = lambda: recorder.waiting()  # noqa: PLW0108 - there is no recorder yet
    recorder = Recorder(
        Run(run_id, settings.selection, process_index),
        clock=SystemClock(),
        pacing=settings.pacing(),
        sinks=[*sinks, *outputs.metrics_and_logs(settings, waiting)],
        tracing=outputs.spans(settings),
        contexts=Contexts(base, PROCESS.experiments),
        barriers=PROCESS.barriers,
        queue_size=settings.queue_size,
        abandon_after_s=settings.abandon_after_s,
        heartbeat_s=settings.heartbeat_s,
        outside=OUTSIDE,
    )
    recorder.announce(
        LogOpened(
            timestamp=moment(time.time_ns()),
            run_id=run_id,
            experiment=None,
            attributes=base.attributes,
            process_index=recorder.run.process_index,
            resource=resource(),
        )
    )
    with_the_process(_at_exit)
    return recorder


def _attributes_of_all() -> dict[str, Attribute]:
    attributes, malformed = parse_attributes(os.environ.get("SOLTRACE_ATTRIBUTES", ""))
    if malformed:
        parts = ", ".join(map(repr, malformed))
        warn(f"SOLTRACE_ATTRIBUTES must be like seed=3,lr=1e-3; left out: {parts}.")
    return attributes


def _at_exit() -> None:
    end((_CONFIGURED.settings or Settings()).exit_timeout_s)
