"""What the environment asks for, by OpenTelemetry's variables. The SDK and its exporters read the rest themselves.

Host side. Imports nothing of OpenTelemetry, so that a program which asks for nothing pays for nothing.
"""

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, Literal, TypeAlias
from urllib.parse import urlsplit

from soltrace.errors import ConfigurationError
from soltrace.export.batch import Limits

Signal: TypeAlias = Literal["traces", "metrics", "logs"]
SIGNALS: Final[tuple[Signal, ...]] = ("traces", "metrics", "logs")
OTLP: Final = "OTEL_EXPORTER_OTLP_"
GRPC: Final = "grpc"
HTTP: Final = "http/protobuf"
GRPC_PORT: Final = 4317
_LOG: Final = logging.getLogger("soltrace")


def exporters(signal: Signal, endpoint: str | None = None, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Name the exporters that a signal is to have.

    Args:
        signal: which one.
        endpoint: where the program wants everything to go by OTLP, if it does.
        environ: the variables.

    Returns:
        Their names, as in OTEL_TRACES_EXPORTER. The SDK takes no exporter for granted where only an endpoint is named;
        its distribution takes OTLP, and so do we.
    """
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return ()
    said = environ.get(f"OTEL_{signal.upper()}_EXPORTER", "")
    named = tuple(name.strip() for name in said.split(",") if name.strip())
    if "none" in named:
        return ()
    if endpoint is not None:
        return named if any(name.startswith("otlp") for name in named) else ("otlp", *named)
    return named or (("otlp",) if any(_is_about(signal, name) for name in environ if environ[name]) else ())


def _is_about(signal: Signal, name: str) -> bool:
    """Whether a variable is about exporting this signal, or all of them."""
    own = name.removeprefix(OTLP).lower()
    return name.startswith(OTLP) and not any(own.startswith(f"{other}_") for other in SIGNALS if other != signal)


def protocol(signal: Signal, endpoint: str | None = None, environ: Mapping[str, str] = os.environ) -> str:
    """Say how a signal is sent: `grpc` or `http/protobuf`.

    Where nothing is said, the port tells: 4317 is gRPC's. Else HTTP, as OpenTelemetry specifies; the Python SDK's own
    default, gRPC, fails silently at a collector's port 4318.

    Raises:
        ConfigurationError: another protocol is named.
    """
    prefix = f"{OTLP}{signal.upper()}_"
    named = (environ.get(f"{prefix}PROTOCOL") or environ.get(f"{OTLP}PROTOCOL") or "").strip()
    if not named:
        address = endpoint or environ.get(f"{prefix}ENDPOINT") or environ.get(f"{OTLP}ENDPOINT") or ""
        with suppress(ValueError):  # no address: the exporter says so
            return GRPC if urlsplit(address if "//" in address else f"//{address}").port == GRPC_PORT else HTTP
        return HTTP
    if named not in {GRPC, HTTP}:
        raise ConfigurationError(f"{OTLP}PROTOCOL must be {GRPC} or {HTTP}, got {named!r}.")
    return named


def names_the_service(environ: Mapping[str, str] = os.environ) -> bool:
    """Say whether the environment names the service."""
    pairs = environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(",")
    return bool(environ.get("OTEL_SERVICE_NAME")) or any(pair.strip().startswith("service.name=") for pair in pairs)


def limits(prefix: str, delay_ms: float, environ: Mapping[str, str] = os.environ) -> Limits:
    """Read how much a batch processor lets gather.

    Args:
        prefix: `OTEL_BSP_` for spans, `OTEL_BLRP_` for log records.
        delay_ms: how long it lets gather, unless the environment says so.
        environ: the variables.
    """
    queue_size = int(_positive(f"{prefix}MAX_QUEUE_SIZE", 2048, environ))
    batch_size = int(_positive(f"{prefix}MAX_EXPORT_BATCH_SIZE", 512, environ))
    delay_s = _positive(f"{prefix}SCHEDULE_DELAY", delay_ms, environ) / 1000
    return Limits(delay_s, queue_size, min(batch_size, queue_size))


def interval_s(environ: Mapping[str, str] = os.environ) -> float:
    """Read how often metrics are exported, in seconds."""
    return _positive("OTEL_METRIC_EXPORT_INTERVAL", 60_000, environ) / 1000


def _positive(name: str, default: float, environ: Mapping[str, str]) -> float:
    text = environ.get(name, "").strip() or str(default)
    with suppress(ValueError):
        if (number := float(text)) >= 1:
            return number
    _LOG.warning("%s must be a number from 1, got %r: it is taken to be %g", name, text, default)  # as specified
    return default
