"""Global providers, and those that OTEL_PYTHON_TRACER_PROVIDER and its siblings name: whether these can be had.

Host side, on the thread of whoever configures or solves first. OpenTelemetry's API looks for such a provider at every
question for the global one that nobody has set, and raises where it finds none.
"""

import logging
import os
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Final

from soltrace.export.environment import OtelSignal
from soltrace.wire.losses import described

_PLACES: Final[Mapping[OtelSignal, tuple[str, str]]] = {
    "traces": ("opentelemetry.trace", "tracer"),
    "metrics": ("opentelemetry.metrics", "meter"),
    "logs": ("opentelemetry._logs", "logger"),
}
"""The module of the API that is asked, and what its providers are called after."""
_LOADER: Final = logging.getLogger("opentelemetry.util._providers")


def unusable(signal: OtelSignal) -> str | None:
    """Say why there can be no global provider of a signal; None where nothing is in the way."""
    module, kind = _PLACES[signal]
    variable = _variable(kind)
    if variable not in os.environ:  # then the API has one of its own, and need not be imported to know
        return None
    get: Callable[[], object] = getattr(import_module(module), f"get_{kind}_provider")
    _LOADER.addFilter(_unheard)  # it logs a traceback for what is said here
    try:
        get()
    except StopIteration:
        return f"{variable} names {os.environ[variable]!r}, which is not installed."
    except Exception as error:  # noqa: BLE001 - whatever the provider's own code raises
        return f"{variable} names {os.environ[variable]!r}, which can't be loaded: {described(error)}"
    finally:
        _LOADER.removeFilter(_unheard)
    return None


def global_providers() -> list[object]:
    """Return the global providers, whoever has set them, or the API's own where nobody has.

    Not those that the environment names: to ask for one is to make it, or to fail. Nor those of a part of the API that
    nobody has imported.
    """
    loaded = [(sys.modules.get(module), kind) for module, kind in _PLACES.values() if _variable(kind) not in os.environ]
    return [get() for module, kind in loaded if (get := getattr(module, f"get_{kind}_provider", None)) is not None]


def _variable(kind: str) -> str:
    return f"OTEL_PYTHON_{kind.upper()}_PROVIDER"


def _unheard(_: logging.LogRecord) -> bool:
    return False
