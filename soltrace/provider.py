"""A tracer provider from the environment: `OTEL_TRACES_EXPORTER=otlp python fit.py`, and nothing in the script.

Host side. The SDK's own configurator reads the variables; this only decides whether it is asked.
"""

import os
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any, Final

from opentelemetry import trace

EXPORTERS: Final = "OTEL_TRACES_EXPORTER"
OTLP: Final = "OTEL_EXPORTER_OTLP_"
_CONFIGURATORS: Final = "opentelemetry_configurator"


def wanted(environ: Mapping[str, str] = os.environ) -> bool:
    """Say whether the environment asks for traces."""
    exporters = environ.get(EXPORTERS, "").strip().lower()
    return exporters != "none" and (bool(exporters) or any(name.startswith(OTLP) for name in environ))


def is_set() -> bool:
    """Say whether the program has a provider already."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def set_up() -> None:
    """Have the SDK set providers up from the environment, if it asks for that and the program has not done so.

    Raises:
        Exception: what the SDK raises, for example because an exporter that is named is not installed.
    """
    if not wanted() or is_set():
        return
    # The SDK takes no exporter for granted; its distribution means OTLP where only an endpoint is named, and so do we.
    unnamed = not os.environ.get(EXPORTERS)
    if unnamed:
        os.environ[EXPORTERS] = "otlp"
    try:
        _configurator()().configure()
    finally:
        if unnamed:
            del os.environ[EXPORTERS]


def _configurator() -> Any:
    """What reads the variables: a distribution's, if one is installed, else the SDK's."""
    for entry in entry_points(group=_CONFIGURATORS):
        return entry.load()
    # It has no public name; it is there for distributions to derive theirs from.
    from opentelemetry.sdk._configuration import _OTelSDKConfigurator  # pyright: ignore[reportPrivateUsage]

    return type("Configurator", (_OTelSDKConfigurator,), {})
