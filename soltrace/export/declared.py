"""Providers that the file named by OTEL_CONFIG_FILE declares. The SDK's own configurator reads it, and nothing else.

Host side. What such providers lose is not counted: soltrace never sees their exporters.
"""

from opentelemetry import trace

# It has no public name, though it exists for distributions to derive theirs from.
from opentelemetry.sdk._configuration import _OTelSDKConfigurator  # pyright: ignore[reportPrivateUsage]

from soltrace.export.named import unusable


class Configurator(_OTelSDKConfigurator):
    """The SDK's configurator, as a distribution would have it."""


def set_up() -> None:
    """Set up the declared providers, unless the program has set up its own.

    Raises:
        Exception: whatever the SDK raises, for example because the package that reads such a file is not installed.
    """
    if unusable("traces") or isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        Configurator().configure()  # pyright: ignore[reportUnknownMemberType] - takes anything
