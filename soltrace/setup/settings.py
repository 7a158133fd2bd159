"""What `configure` was told, checked when it is told.

Host side.
"""

import math
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from soltrace.errors import ConfigurationError
from soltrace.host.pacing import Budget
from soltrace.host.selection import LaneChoice, Selection, selection
from soltrace.wire.attributes import plain_attributes
from soltrace.wire.records import Attribute

DIRECTORY: Final = "soltrace-runs"
QUEUE_SIZE: Final = 16_384
"""Items. A report of a single solve is some 200 bytes: a few megabytes when it is full."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How this process records."""

    directory: Path | None = None
    """None: SOLTRACE_DIR, or else `soltrace-runs/`."""
    logger: Any = None
    json_log: bool = True
    tracer_provider: Any = None
    spans: bool = True
    meter_provider: Any = None
    metrics: bool = True
    logger_provider: Any = None
    logs: bool = True
    otlp_endpoint: str | None = None
    """None: where the environment says."""
    max_reports_per_s: float = 10.0
    max_overhead: float = 0.02
    selection: Selection = field(default_factory=Selection)
    queue_size: int = QUEUE_SIZE
    abandon_after_s: float = 30.0
    heartbeat_s: float = 5.0
    exit_timeout_s: float = 5.0
    flush_on_sigterm: bool = False
    attributes: Mapping[str, Attribute] = field(default_factory=dict[str, Attribute])

    def log_directory(self) -> Path:
        """Where log files go."""
        return self.directory or Path(os.environ.get("SOLTRACE_DIR") or DIRECTORY)

    def pacing(self) -> Budget:
        """The policy of pacing."""
        return Budget(self.max_reports_per_s, self.max_overhead)


def checked(
    *,
    directory: Any,
    logger: Any,
    json_log: Any,
    tracer_provider: Any,
    spans: Any,
    meter_provider: Any,
    metrics: Any,
    logger_provider: Any,
    logs: Any,
    otlp_endpoint: Any,
    max_reports_per_s: Any,
    max_overhead: Any,
    lanes: LaneChoice,
    queue_size: Any,
    abandon_after_s: Any,
    heartbeat_s: Any,
    exit_timeout_s: Any,
    flush_on_sigterm: Any,
    attributes: Any,
) -> Settings:
    """Check the arguments of `configure`.

    Raises:
        ConfigurationError: one of them can't be used.
        AttributeValueError: an attribute can't.
    """
    if directory is not None and logger is not None:
        raise ConfigurationError("directory= and logger= exclude each other: the log goes to files, or to your logger.")
    if logger is not None and not all(callable(getattr(logger, level, None)) for level in ("info", "warning", "error")):
        raise ConfigurationError(
            f"logger= must be a structlog logger, as structlog.get_logger() makes; got {logger!r}."
        )
    return Settings(
        directory=_path(directory),
        logger=logger,
        json_log=_flag("json_log", json_log),
        tracer_provider=_provider("TracerProvider", "get_tracer", tracer_provider),
        spans=_flag("spans", spans),
        meter_provider=_provider("MeterProvider", "get_meter", meter_provider),
        metrics=_flag("metrics", metrics),
        logger_provider=_provider("LoggerProvider", "get_logger", logger_provider),
        logs=_flag("logs", logs),
        otlp_endpoint=_endpoint(otlp_endpoint),
        max_reports_per_s=_positive("max_reports_per_s", max_reports_per_s),
        max_overhead=_positive("max_overhead", max_overhead),
        selection=_selection(lanes),
        queue_size=_count("queue_size", queue_size),
        abandon_after_s=_not_negative("abandon_after_s", abandon_after_s),
        heartbeat_s=_positive("heartbeat_s", heartbeat_s),
        exit_timeout_s=_finite("exit_timeout_s", exit_timeout_s),
        flush_on_sigterm=_flag("flush_on_sigterm", flush_on_sigterm),
        attributes=_attributes(attributes),
    )


def _path(value: Any) -> Path | None:
    if value is None or isinstance(value, str | os.PathLike):
        return None if value is None else Path(value)  # pyright: ignore[reportUnknownArgumentType] - of str
    raise ConfigurationError(f"directory= must be a path, got {value!r}.")


def _provider(kind: str, method: str, value: Any) -> Any:
    if value is None or callable(getattr(value, method, None)):
        return value
    name = kind.replace("P", "_p").lower()
    raise ConfigurationError(f"{name}= must be an OpenTelemetry {kind}, got {value!r}.")


def _endpoint(value: Any) -> str | None:
    if value is None:
        return None
    with suppress(ValueError):  # a port that is no number
        parts = urlsplit(value) if isinstance(value, str) else None
        if parts and parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0:
            return str(value)
    raise ConfigurationError(f"otlp_endpoint= must be an address such as http://localhost:4318, got {value!r}.")


def _flag(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ConfigurationError(f"{name}= must be True or False, got {value!r}.")


def _number(name: str, value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value):
        return float(value)
    raise ConfigurationError(f"{name}= must be a number, got {value!r}.")


def _positive(name: str, value: Any) -> float:
    number = _number(name, value)
    if number > 0:
        return number
    raise ConfigurationError(f"{name}= must be greater than 0, got {value!r}; math.inf means without a limit.")


def _not_negative(name: str, value: Any) -> float:
    number = _number(name, value)
    if number >= 0:
        return number
    raise ConfigurationError(f"{name}= must not be negative, got {value!r}.")


def _finite(name: str, value: Any) -> float:
    number = _not_negative(name, value)
    if number < math.inf:
        return number
    raise ConfigurationError(f"{name}= must be finite, got {value!r}.")


def _count(name: str, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise ConfigurationError(f"{name}= must be a whole number from 1, got {value!r}.")


def _selection(lanes: LaneChoice) -> Selection:
    try:
        return selection(lanes)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"lanes= must be 'auto', 'all' or batch indices such as [(0,), (3,)], got {lanes!r}."
        ) from error


def _attributes(attributes: Any) -> dict[str, Attribute]:
    if attributes is None:
        return {}
    if not isinstance(attributes, Mapping):
        raise ConfigurationError(f"attributes= must be a mapping of names to values, got {attributes!r}.")
    return plain_attributes(attributes)  # pyright: ignore[reportUnknownArgumentType] - each is looked at there
