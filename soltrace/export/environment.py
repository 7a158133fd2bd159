"""What OpenTelemetry's environment variables ask for, as far as the SDK and its exporters don't read it themselves.

Host side, any thread. Imports nothing of OpenTelemetry, so that a program that asks for no export does not pay for it.
"""

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, Literal, TypeAlias
from urllib.parse import urlsplit

from soltrace.errors import ConfigurationError
from soltrace.export.batch import Limits

OtelSignal: TypeAlias = Literal["traces", "metrics", "logs"]
OTEL_SIGNALS: Final[tuple[OtelSignal, ...]] = ("traces", "metrics", "logs")
OTLP: Final = "OTEL_EXPORTER_OTLP_"
GRPC: Final = "grpc"
HTTP: Final = "http/protobuf"
GRPC_PORT: Final = 4317
AT_MOST: Final = 1e12
"""In items or milliseconds. The latter make thirty years: a thread that is to wait much longer than that raises."""
_LOG: Final = logging.getLogger("soltrace")


def exporters(
    signal: OtelSignal, endpoint: str | None = None, environ: Mapping[str, str] = os.environ
) -> tuple[str, ...]:
    """Return the names of the exporters that a signal is to have, as in OTEL_TRACES_EXPORTER.

    Where only an endpoint is given, that is OTLP. The SDK takes no exporter for granted then; its distribution does and
    so do we.

    Args:
        signal: traces, metrics or logs.
        endpoint: where the program itself wants everything sent by OTLP, if anywhere.
        environ: the variables.
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


def _is_about(signal: OtelSignal, name: str) -> bool:
    """Whether a variable concerns the export of this signal, alone or with the others."""
    own = name.removeprefix(OTLP).lower()
    return name.startswith(OTLP) and not any(own.startswith(f"{other}_") for other in OTEL_SIGNALS if other != signal)


def protocol(signal: OtelSignal, endpoint: str | None = None, environ: Mapping[str, str] = os.environ) -> str:
    """Return the protocol by which a signal is sent: `grpc` or `http/protobuf`.

    Where none is named, the port decides: 4317 is gRPC's. Otherwise it is HTTP, as OpenTelemetry specifies; the Python
    SDK defaults to gRPC, which fails silently at a collector's port 4318.

    Args:
        signal: traces, metrics or logs.
        endpoint: where the program itself wants everything sent, if anywhere.
        environ: the variables.

    Raises:
        ConfigurationError: the environment names some other protocol.
    """
    prefix = f"{OTLP}{signal.upper()}_"
    named = (environ.get(f"{prefix}PROTOCOL") or environ.get(f"{OTLP}PROTOCOL") or "").strip()
    if not named:
        address = endpoint or environ.get(f"{prefix}ENDPOINT") or environ.get(f"{OTLP}ENDPOINT") or ""
        with suppress(ValueError):  # not an address: the exporter says so
            return GRPC if urlsplit(address if "//" in address else f"//{address}").port == GRPC_PORT else HTTP
        return HTTP
    if named not in {GRPC, HTTP}:
        raise ConfigurationError(f"{OTLP}PROTOCOL must be {GRPC} or {HTTP}, got {named!r}.")
    return named


def names_the_service(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether the environment gives the service a name."""
    pairs = environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(",")
    return bool(environ.get("OTEL_SERVICE_NAME")) or any(pair.strip().startswith("service.name=") for pair in pairs)


def limits(prefix: str, delay_ms: float, environ: Mapping[str, str] = os.environ) -> Limits:
    """Return the limits of a batch processor.

    Args:
        prefix: `OTEL_BSP_` for spans, `OTEL_BLRP_` for log records.
        delay_ms: how long items wait for their batch to fill up, unless the environment says otherwise.
        environ: the variables.
    """
    queue_size = int(_positive(f"{prefix}MAX_QUEUE_SIZE", 2048, environ))
    batch_size = int(_positive(f"{prefix}MAX_EXPORT_BATCH_SIZE", 512, environ))
    delay_s = _positive(f"{prefix}SCHEDULE_DELAY", delay_ms, environ) / 1000
    return Limits(delay_s, queue_size, min(batch_size, queue_size))


def interval_s(environ: Mapping[str, str] = os.environ) -> float:
    """Return the interval at which metrics are exported, in seconds."""
    return _positive("OTEL_METRIC_EXPORT_INTERVAL", 60_000, environ) / 1000


def _positive(name: str, default: float, environ: Mapping[str, str]) -> float:
    text = environ.get(name, "").strip() or str(default)
    with suppress(ValueError):
        if 1 <= (number := float(text)) <= AT_MOST:
            return number
    _LOG.warning("%s must be from 1 to %g, got %r: it is taken to be %g", name, AT_MOST, text, default)  # as specified
    return default
