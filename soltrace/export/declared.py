"""OTEL_CONFIG_FILE: providers as a file declares them. The SDK's own configurator reads it; nothing else counts then.

Host side. What such providers lose is not counted: their exporters are the SDK's alone.
"""

from opentelemetry import trace

# It has no public name; it is there for distributions to derive theirs from.
from opentelemetry.sdk._configuration import _OTelSDKConfigurator  # pyright: ignore[reportPrivateUsage]


class Configurator(_OTelSDKConfigurator):
    """As a distribution would have one."""


def set_up() -> None:
    """Set the providers up, if the program has not done so.

    Raises:
        Exception: what the SDK raises, for example because the package that reads such a file is not installed.
    """
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        Configurator().configure()  # pyright: ignore[reportUnknownMemberType] - takes anything
