"""Exporters by name, as the SDK's own configurator finds them: in the entry points of what is installed.

Host side.
"""

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any, Final

from soltrace.errors import ConfigurationError
from soltrace.export.environment import GRPC, Signal, protocol


class MissingExtraError(ConfigurationError):
    """The OTLP exporters are not installed."""


_OTLP: Final = {"otlp", "otlp_proto_grpc", "otlp_proto_http"}


def maker(signal: Signal, name: str, endpoint: str | None = None) -> Callable[[], Any]:
    """Find what makes an exporter.

    Args:
        signal: what it is for.
        name: `otlp`, `console`, or another one that is installed.
        endpoint: where OTLP goes; None: where the environment says.

    Raises:
        MissingExtraError: it is one of OTLP, and not installed.
        ConfigurationError: there is no such exporter.
    """
    wanted = _otlp(signal, endpoint) if name == "otlp" else name
    for entry in entry_points(group=f"opentelemetry_{signal}_exporter", name=wanted):
        kind = entry.load()
        if name not in _OTLP or endpoint is None:
            return kind
        address = endpoint if wanted.endswith(GRPC) else f"{endpoint.rstrip('/')}/v1/{signal}"
        return lambda: kind(endpoint=address)
    if name in _OTLP:
        raise MissingExtraError('the OTLP exporters are not installed: pip install "soltrace[otlp]".')
    raise ConfigurationError(f"there is no exporter {name!r} for {signal}: install the package that has it.")


def _otlp(signal: Signal, endpoint: str | None) -> str:
    return "otlp_proto_grpc" if protocol(signal, endpoint) == GRPC else "otlp_proto_http"
