"""Setting up: `configure`, `flush`, `shutdown`, and the recorder that the first use makes. It wires the rooms together.

Host side. Nothing here runs before somebody asks for it or the first solve reports.
"""

import atexit
import os
import re
import socket
import sys
import time
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from soltrace.attributes import parse_attributes
from soltrace.errors import ConfigurationError, SoltraceWarning
from soltrace.host.clock import SystemClock
from soltrace.host.context import Context, Contexts
from soltrace.host.emission import moment
from soltrace.host.passes import Run
from soltrace.host.process import PROCESS
from soltrace.host.recorder import Recorder
from soltrace.host.selection import LaneChoice
from soltrace.records import Attribute, LogOpened
from soltrace.resource import resource
from soltrace.settings import QUEUE_SIZE, Settings, checked
from soltrace.sinks import Sink, Tracing

EXIT_S: Final = 5.0
"""Ending a process takes at most about so long, even with a backend that is dead."""


class _Configured:
    """What `configure` was told last."""

    def __init__(self) -> None:
        self.settings: Settings | None = None
        self.announced = False
        """Where the log is has been said."""


_CONFIGURED: Final = _Configured()


def configure(
    *,
    enabled: bool | None = None,
    directory: str | os.PathLike[str] | None = None,
    logger: Any = None,
    json_log: bool = True,
    tracer_provider: Any = None,
    spans: bool = True,
    max_reports_per_s: float = 10.0,
    max_overhead: float = 0.02,
    lanes: LaneChoice = "auto",
    queue_size: int = QUEUE_SIZE,
    abandon_after_s: float = 30.0,
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """Say how this process records, from now on. What was set up before is flushed and closed first.

    Args:
        enabled: whether solves that are traced from now on report; None: unless SOLTRACE_DISABLED is true.
        directory: where the log file of this run is made; None: SOLTRACE_DIR, or else `soltrace-runs/`.
        logger: a structlog logger that gets the log's lines, instead of a file.
        json_log: whether there is a log.
        tracer_provider: the OpenTelemetry provider that makes the spans; None: the global one, which the SDK sets up
            here if the program has not done so and the environment has OTEL_TRACES_EXPORTER or OTEL_EXPORTER_OTLP_*.
        spans: whether there are spans.
        max_reports_per_s: reports of one pass in a second, at most. `math.inf`: no limit.
        max_overhead: fraction of a pass's time that its reports may take. `math.inf`: no limit; with both, each step.
        lanes: of which lanes of a batch lines are written: `auto` (all of up to 16; else the 8 slowest and the failing
            ones), `all`, or the batch indices that are wanted.
        queue_size: signals that may wait for being written. Beyond it the oldest progress is dropped, and counted.
        abandon_after_s: who leaves an experiment waits for its passes, but no longer than this for a silent one (or ten
            times the longest silence that it had before).
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
        max_reports_per_s=max_reports_per_s,
        max_overhead=max_overhead,
        lanes=lanes,
        queue_size=queue_size,
        abandon_after_s=abandon_after_s,
        attributes=attributes,
    )
    if enabled is not None and not isinstance(enabled, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(f"enabled= must be True, False or None, got {enabled!r}.")
    shutdown()
    _set_up_provider(settings)
    with PROCESS.lock:
        PROCESS.enabled = enabled
        _CONFIGURED.settings = settings


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
    return True if recorder is None else recorder.close(timeout_s)


def open_recorder() -> Recorder:
    """Make this process's recorder: `soltrace.host.process` asks for it at the first use. What fails is a warning."""
    settings = _CONFIGURED.settings or Settings()
    if not _CONFIGURED.settings:
        _set_up_provider(settings)
    run_id, sinks = _log(settings)
    base = Context(attributes=_attributes_of_all() | dict(settings.attributes))
    recorder = Recorder(
        Run(run_id, settings.selection),
        clock=SystemClock(),
        pacing=settings.pacing(),
        sinks=sinks,
        tracing=_spans(settings),
        contexts=Contexts(base, PROCESS.experiments),
        barriers=PROCESS.barriers,
        queue_size=settings.queue_size,
        abandon_after_s=settings.abandon_after_s,
    )
    recorder.announce(
        LogOpened(
            timestamp=moment(time.time_ns()),
            run_id=run_id,
            experiment=None,
            attributes=base.attributes,
            resource=resource(),
        )
    )
    _end_with_the_process()
    return recorder


def _log(settings: Settings) -> tuple[str, list[Sink]]:
    """The id of this run, and its log: the run is named like its file."""
    host = re.sub(r"[^A-Za-z0-9.]+", "-", socket.gethostname())
    stem = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{host}-{os.getpid()}"
    if not settings.json_log:
        return stem, []
    from soltrace.sinks.json_log import JsonLog, fresh_file

    if settings.logger is not None:
        return stem, [JsonLog(settings.logger)]
    directory = settings.log_directory()
    try:
        stem, log = fresh_file(directory, stem)
    except OSError as error:
        warn(f"no JSON log: can't write into {directory}: {error.strerror}. Choose another: configure(directory=...).")
        return stem, []
    if settings.directory is None and not _CONFIGURED.announced:
        _CONFIGURED.announced = True
        file = directory / f"{stem}.jsonl"
        print(f"soltrace: logging to {file}; follow it with: soltrace tail {directory}", file=sys.stderr)  # noqa: T201
    return stem, [log]


def _spans(settings: Settings) -> Tracing | None:
    if not settings.spans:
        return None
    from soltrace.sinks.spans import Spans

    return Spans(settings.tracer_provider)


def _set_up_provider(settings: Settings) -> None:
    if not settings.spans or settings.tracer_provider is not None:
        return
    from soltrace import provider

    try:
        provider.set_up()
    except Exception as error:  # noqa: BLE001 - whatever the SDK finds wrong, the solve goes on
        warn(f"no spans are exported: OpenTelemetry could not be set up from the environment: {error}")


def _attributes_of_all() -> dict[str, Attribute]:
    attributes, malformed = parse_attributes(os.environ.get("SOLTRACE_ATTRIBUTES", ""))
    if malformed:
        parts = ", ".join(map(repr, malformed))
        warn(f"SOLTRACE_ATTRIBUTES must be like seed=3,lr=1e-3; left out: {parts}.")
    return attributes


def warn(message: str) -> None:
    """Warn, and go on even where warnings are errors: this may run inside a solve."""
    try:
        warnings.warn(message, SoltraceWarning, stacklevel=2)
    except SoltraceWarning:
        print(f"soltrace: {message}", file=sys.stderr)  # noqa: T201


def _end_with_the_process() -> None:
    # Anew each time: what is registered last runs first, and must run before a provider set up meanwhile shuts down.
    atexit.unregister(_at_exit)
    atexit.register(_at_exit)


def _at_exit() -> None:
    shutdown(EXIT_S)
