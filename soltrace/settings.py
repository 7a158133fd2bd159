"""What `configure` was told, checked when it is told.

Host side.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from soltrace.attributes import plain_attributes
from soltrace.errors import ConfigurationError
from soltrace.host.pacing import Budget
from soltrace.host.selection import LaneChoice, Selection, selection
from soltrace.records import Attribute

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
    max_reports_per_s: float = 10.0
    max_overhead: float = 0.02
    selection: Selection = field(default_factory=Selection)
    queue_size: int = QUEUE_SIZE
    abandon_after_s: float = 30.0
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
    max_reports_per_s: Any,
    max_overhead: Any,
    lanes: LaneChoice,
    queue_size: Any,
    abandon_after_s: Any,
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
    if tracer_provider is not None and not callable(getattr(tracer_provider, "get_tracer", None)):
        raise ConfigurationError(f"tracer_provider= must be an OpenTelemetry TracerProvider, got {tracer_provider!r}.")
    return Settings(
        directory=_path(directory),
        logger=logger,
        json_log=_flag("json_log", json_log),
        tracer_provider=tracer_provider,
        spans=_flag("spans", spans),
        max_reports_per_s=_positive("max_reports_per_s", max_reports_per_s),
        max_overhead=_positive("max_overhead", max_overhead),
        selection=_selection(lanes),
        queue_size=_count("queue_size", queue_size),
        abandon_after_s=_not_negative("abandon_after_s", abandon_after_s),
        attributes=_attributes(attributes),
    )


def _path(value: Any) -> Path | None:
    if value is None or isinstance(value, str | os.PathLike):
        return None if value is None else Path(value)  # pyright: ignore[reportUnknownArgumentType] - of str
    raise ConfigurationError(f"directory= must be a path, got {value!r}.")


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
