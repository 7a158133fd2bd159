"""What `configure` is told, checked when it is told: each setting once, with its default and its check.

Host side.
"""

import functools
import inspect
import logging
import math
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, ParamSpec
from urllib.parse import urlsplit

from soltrace.errors import ConfigurationError
from soltrace.host.pacing import Budget
from soltrace.host.selection import LaneChoice, Selection, selection
from soltrace.host.step_detail import Detail
from soltrace.wire.attributes import plain_attributes
from soltrace.wire.log_names import default_directory, directory_of
from soltrace.wire.records import Attribute

Arguments = ParamSpec("Arguments")

QUEUE_SIZE: Final = 16_384
"""Items. A report of a single solve is some 200 bytes: a few megabytes when it is full."""


Check = Callable[[str, Any], Any]
"""Takes the name of a setting and what was given for it; returns what is kept, or says what is wrong with it."""


def _one_of(*values: Any) -> Check:
    *but_last, last = map(str, values)

    def check(name: str, value: Any) -> Any:
        chosen = [one for one in values if type(value) is type(one) and value == one]
        if not chosen:
            raise ConfigurationError(f"{name}= must be {', '.join(but_last)} or {last}, got {value!r}.")
        return chosen[0]

    return check


def _path(name: str, value: Any) -> Path | None:
    if value is None or isinstance(value, str | os.PathLike):
        return None if value is None else Path(value)  # pyright: ignore[reportUnknownArgumentType] - of str
    raise ConfigurationError(f"{name}= must be a path, got {value!r}.")


def _logger(name: str, value: Any) -> Any:
    def refuse(why: str) -> ConfigurationError:
        return ConfigurationError(f"{name}= must be a structlog logger, as structlog.get_logger() makes; {why}.")

    if value is None:
        return value
    if isinstance(value, type):
        raise refuse(f"got the class {value!r} itself")
    if isinstance(value, logging.Logger | logging.LoggerAdapter):
        raise refuse(f"{value!r} takes no fields: structlog.wrap_logger(...) makes one of it")
    try:
        methods = [getattr(value, level, None) for level in ("info", "warning", "error")]
    except Exception as error:
        raise refuse(f"got {type(value).__name__}, which is none now: {error}") from error
    if not all(map(callable, methods)):
        raise refuse(f"got {value!r}")
    if any(map(inspect.iscoroutinefunction, methods)):
        raise refuse("got one whose methods must be awaited, and a solve waits for nobody")
    return value


def _provider(kind: str, method: str) -> Check:
    def check(name: str, value: Any) -> Any:
        if value is None or callable(getattr(value, method, None)):
            return value
        raise ConfigurationError(f"{name}= must be an OpenTelemetry {kind}, got {value!r}.")

    return check


def _endpoint(name: str, value: Any) -> str | None:
    if value is None:
        return None
    with suppress(ValueError):  # a port that is no number
        parts = urlsplit(value) if isinstance(value, str) else None
        if parts and parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0:
            return value
    raise ConfigurationError(f"{name}= must be an address such as http://localhost:4318, got {value!r}.")


def _number(name: str, value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value):
        return float(value)
    raise ConfigurationError(f"{name}= must be a number, got {value!r}.")


def _positive(name: str, value: Any) -> float:
    if (number := _number(name, value)) > 0:
        return number
    raise ConfigurationError(f"{name}= must be greater than 0, got {value!r}; math.inf means without a limit.")


def _not_negative(name: str, value: Any) -> float:
    if (number := _number(name, value)) >= 0:
        return number
    raise ConfigurationError(f"{name}= must not be negative, got {value!r}.")


def _finite(name: str, value: Any) -> float:
    if (number := _not_negative(name, value)) < math.inf:
        return number
    raise ConfigurationError(f"{name}= must be finite, got {value!r}.")


def _count(name: str, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise ConfigurationError(f"{name}= must be a whole number from 1, got {value!r}.")


def _or_none(check: Check) -> Check:
    return lambda name, value: None if value is None else check(name, value)


def _lanes(name: str, value: Any) -> LaneChoice:
    try:
        chosen: LaneChoice = value if isinstance(value, str) else [tuple(index) for index in value]  # pyright: ignore[reportAssignmentType]
        selection(chosen)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"{name}= must be 'auto', 'all' or batch indices such as [(0,), (3,)], got {value!r}."
        ) from error
    return chosen


def _attributes(name: str, value: Any) -> dict[str, Attribute]:
    if value is None or isinstance(value, Mapping):
        return plain_attributes({} if value is None else value)
    raise ConfigurationError(f"{name}= must be a mapping of names to values, got {value!r}.")


_FLAG: Final = _one_of(True, False)


def _checked(check: Check) -> dict[str, Check]:
    """How a field carries its check."""
    return {"check": check}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How this process records.

    Args:
        enabled: Whether solves that are traced from now on report. `None`: unless `SOLTRACE_DISABLED` is true.
        directory: Where the log file of a run is made. `None`: `SOLTRACE_DIR`, or else `soltrace-runs/`.
        logger: A structlog logger that gets the log's lines, instead of a file.
        json_log: Whether there is a log.
        log: `"process"`: a log of its own for each run. `"node"`: one for all processes of a machine (of the same job,
            where a scheduler says which), to which each appends whole lines. `None`: `SOLTRACE_LOG`, or else
            `"process"`.
        log_max_bytes: A log that has got so long is followed by its next part, `NAME.part0002.jsonl` and so on, each of
            which begins with the line that says where the run lives. `None`: `SOLTRACE_LOG_MAX_BYTES`, or else one
            part.
        log_sync_s: How often the log is brought to the disk (`fsync`), in seconds, so that it outlives a crash of the
            machine too. `None`: `SOLTRACE_LOG_SYNC_S`, or else only when it is flushed.
        tracer_provider: The OpenTelemetry provider that makes the spans. `None`: the global one, which is set up here
            if the program has not done so and `otlp_endpoint` or the environment (`OTEL_TRACES_EXPORTER` or
            `OTEL_EXPORTER_OTLP_*`, and what else OpenTelemetry specifies) asks for it.
        spans: Whether there are spans.
        meter_provider: The same for metrics, with `OTEL_METRICS_EXPORTER`.
        metrics: Whether there are metrics.
        logger_provider: The same for log records, one for each line of the log, with `OTEL_LOGS_EXPORTER`.
        logs: Whether there are log records.
        otlp_endpoint: Where spans, metrics and log records are sent, such as `http://localhost:4318`; by gRPC if the
            port is 4317 or `OTEL_EXPORTER_OTLP_PROTOCOL` says so. It holds for the rest of the process.
        detail: What is told of single steps of solves that are traced from now on. `"steps"`: every one. `"failures"`:
            the last ones of what fails. `"none"`: nothing. `None`: as `SOLTRACE_DETAIL` says, or nothing.
        max_reports_per_s: Reports of one pass in a second, at most. `math.inf`: no limit.
        max_overhead: Fraction of a pass's time that its reports may take. `math.inf`: no limit; with both, each step.
        lanes: Of which lanes of a batch lines are written: `"auto"` (all of up to 16; else the 8 slowest and the
            failing ones), `"all"`, or the batch indices that are wanted.
        queue_size: Signals that may wait to be written. Beyond it the oldest progress is dropped, and counted.
        abandon_after_s: Leaving an experiment waits for its passes, but no longer than this for a silent one (or ten
            times the longest silence that it had before). In seconds.
        heartbeat_s: A pass that is open for longer is heard of this often, in seconds. `math.inf`: never.
        exit_timeout_s: How long the end of the process may wait for what is to be exported, in seconds. What is not
            exported by then is lost, counted, and said so in the log.
        flush_on_sigterm: Whether SIGTERM, and the other signals by which schedulers end a job (SIGHUP, SIGUSR1,
            SIGUSR2, SIGXCPU), end the process as its own end does, also in the midst of a compiled solve: open passes
            are `interrupted`, all is written and exported, and the process dies of the signal. Without it, what was
            told in the last tenth of a second is lost, and what waits to be exported. A handler of your own stays
            instead: what was told is written before it runs, unless an event loop that waits for signals, as uvloop's
            does, was there before. The children of a fork die at once. `None`: in a job of
            Slurm, PBS, LSF, Grid Engine, HTCondor, Flux, OAR, AWS Batch or Kubernetes, unless another library waits for
            signals or the first solve is not the main thread's.
        threads_apart: Whether threads that are in experiments or spans at the same time are told apart: then all that
            jax compiles is compiled once for each of them. Without it, a compiled solve belongs to what was entered
            last by any thread. `None`: unless `SOLTRACE_THREADS_APART` is false.
        one_trace: Whether the processes of a scheduler's job (Slurm, PBS, LSF, Grid Engine, HTCondor, Flux, OAR, AWS
            Batch, a Job of Kubernetes) are one trace, also where nobody has set `TRACEPARENT`, each with a span of its
            own around its others. `None`: unless `SOLTRACE_ONE_TRACE` is false.
        attributes: Put on everything. `SOLTRACE_ATTRIBUTES=seed=3,lr=1e-3` adds to them.

    Raises:
        soltrace.ConfigurationError: An argument can't be used.
        soltrace.AttributeValueError: An attribute is neither a bool, int, float or str, nor a list of them.
    """

    enabled: bool | None = field(default=None, metadata=_checked(_one_of(True, False, None)))
    directory: str | os.PathLike[str] | None = field(default=None, metadata=_checked(_path))
    logger: Any = field(default=None, metadata=_checked(_logger))
    json_log: bool = field(default=True, metadata=_checked(_FLAG))
    log: str | None = field(default=None, metadata=_checked(_one_of("process", "node", None)))
    log_max_bytes: int | None = field(default=None, metadata=_checked(_or_none(_count)))
    log_sync_s: float | None = field(default=None, metadata=_checked(_or_none(_positive)))
    tracer_provider: Any = field(default=None, metadata=_checked(_provider("TracerProvider", "get_tracer")))
    spans: bool = field(default=True, metadata=_checked(_FLAG))
    meter_provider: Any = field(default=None, metadata=_checked(_provider("MeterProvider", "get_meter")))
    metrics: bool = field(default=True, metadata=_checked(_FLAG))
    logger_provider: Any = field(default=None, metadata=_checked(_provider("LoggerProvider", "get_logger")))
    logs: bool = field(default=True, metadata=_checked(_FLAG))
    otlp_endpoint: str | None = field(default=None, metadata=_checked(_endpoint))
    detail: Detail | None = field(default=None, metadata=_checked(_one_of("steps", "failures", "none", None)))
    max_reports_per_s: float = field(default=10.0, metadata=_checked(_positive))
    max_overhead: float = field(default=0.02, metadata=_checked(_positive))
    lanes: LaneChoice = field(default="auto", metadata=_checked(_lanes))
    queue_size: int = field(default=QUEUE_SIZE, metadata=_checked(_count))
    abandon_after_s: float = field(default=30.0, metadata=_checked(_not_negative))
    heartbeat_s: float = field(default=5.0, metadata=_checked(_positive))
    exit_timeout_s: float = field(default=5.0, metadata=_checked(_finite))
    flush_on_sigterm: bool | None = field(default=None, metadata=_checked(_one_of(True, False, None)))
    threads_apart: bool | None = field(default=None, metadata=_checked(_one_of(True, False, None)))
    one_trace: bool | None = field(default=None, metadata=_checked(_one_of(True, False, None)))
    attributes: Mapping[str, Any] | None = field(default=None, metadata=_checked(_attributes))

    def __post_init__(self) -> None:
        """Check each, and keep a copy of what the caller might change."""
        for each in fields(self):
            object.__setattr__(self, each.name, each.metadata["check"](each.name, getattr(self, each.name)))
        if self.directory is not None and self.logger is not None:
            raise ConfigurationError(
                "directory= and logger= exclude each other: the log goes to files, or to your logger."
            )

    def log_directory(self) -> Path:
        """Where log files go."""
        return directory_of(self.directory) if self.directory else default_directory()

    def pacing(self) -> Budget:
        """The policy of pacing."""
        return Budget(self.max_reports_per_s, self.max_overhead)

    def selection(self) -> Selection:
        """The lanes of which lines are written."""
        return selection(self.lanes)


def takes_settings(
    settings: Callable[Arguments, Settings],
) -> Callable[[Callable[[Settings], None]], Callable[Arguments, None]]:
    """Give a function of `Settings` their arguments, and their documentation."""

    def decorate(function: Callable[[Settings], None]) -> Callable[Arguments, None]:
        signature = inspect.signature(settings)

        @functools.wraps(function)
        def wrapped(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
            signature.bind(*args, **kwargs)  # an unknown name is an error of this function's call
            function(settings(*args, **kwargs))

        wrapped.__signature__ = signature.replace(return_annotation=None)  # type: ignore[attr-defined]
        documented = inspect.cleandoc(settings.__doc__ or "").partition("\n")[2]
        wrapped.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n{documented}"
        return wrapped

    return decorate
