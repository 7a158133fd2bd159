"""Exporters by name, found where the SDK's own configurator finds them: in the entry points of installed packages.

Host side, on the thread of whoever configures or solves first.
"""

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any, Final

from soltrace.errors import ConfigurationError
from soltrace.export.environment import GRPC, OtelSignal, protocol


class MissingExtraError(ConfigurationError):
    """Raised where OTLP is asked for and its exporters are not installed."""


_OTLP: Final = {"otlp", "otlp_proto_grpc", "otlp_proto_http"}


def maker(signal: OtelSignal, name: str, endpoint: str | None = None) -> Callable[[], Any]:
    """Find the exporter of this name, and return a function that makes one.

    Args:
        signal: what it is to export.
        name: `otlp`, `console`, or any other exporter that is installed.
        endpoint: where OTLP is sent. If None, the environment decides.

    Raises:
        MissingExtraError: the name is one of OTLP's, and its exporters are not installed.
        ConfigurationError: no exporter has this name.
    """
    wanted = _otlp(signal, endpoint) if name == "otlp" else name
    for entry in entry_points(group=f"opentelemetry_{signal}_exporter", name=wanted):
        from soltrace.export.encoding import taking_lean  # not before an exporter is wanted: it imports the SDK

        kind = taking_lean(entry.load())
        if name not in _OTLP or endpoint is None:
            return kind
        address = endpoint if wanted.endswith(GRPC) else f"{endpoint.rstrip('/')}/v1/{signal}"
        return lambda: kind(endpoint=address)
    if name in _OTLP:
        raise MissingExtraError('the OTLP exporters are not installed: pip install "soltrace[otlp]".')
    raise ConfigurationError(f"there is no exporter {name!r} for {signal}: install the package that has it.")


def _otlp(signal: OtelSignal, endpoint: str | None) -> str:
    return "otlp_proto_grpc" if protocol(signal, endpoint) == GRPC else "otlp_proto_http"
