"""What each thread attaches to OpenTelemetry's context, published: its spans are the parents of passes.

OpenTelemetry keeps what is current in one object, of whichever type `OTEL_PYTHON_CONTEXT` says. A `PublishingContext`
stands around it. Where OpenTelemetry has no such object any more, an eager solve still knows its caller's span, and a
compiled one does not.
"""

import logging
import sys
from types import ModuleType
from typing import Any, Final

from soltrace.callers.slots import CALLERS, EXPERIMENT

PLACE: Final = "_RUNTIME_CONTEXT"
_LOG: Final = logging.getLogger("soltrace")


class PublishingContext:
    """Does what the runtime context inside does, and says what is attached."""

    def __init__(self, inner: Any) -> None:
        """Stand around it."""
        self.inner = inner
        self.get_current = inner.get_current

    def attach(self, context: Any) -> Any:
        """Attach, and say so."""
        token = self.inner.attach(context)
        try:
            span = context if _has_span(context) else None
            if span is not None or CALLERS.inside:
                CALLERS.entered(token, EXPERIMENT.get(), span)
        except Exception:  # noqa: BLE001 - the span is the program's, and stays what it is
            _LOG.warning("soltrace: a compiled solve may not know its caller's span", exc_info=True)
        return token

    def detach(self, token: Any) -> None:
        """Say so, and detach."""
        if not CALLERS.left_here(token):
            CALLERS.left_here(self)
            CALLERS.left(token)
        self.inner.detach(token)

    def __getattr__(self, name: str) -> Any:
        """Have whatever else it has."""
        return getattr(self.inner, name)


def _has_span(context: Any) -> bool:
    # Not an import: OpenTelemetry may be being imported right now, and where it isn't there are no spans.
    current: Any = getattr(sys.modules.get("opentelemetry.trace"), "get_current_span", None)
    return current is not None and current(context).get_span_context().is_valid


def publish(module: ModuleType) -> None:
    """Stand around the runtime context of `opentelemetry.context`, once."""
    inner: Any = getattr(module, PLACE, None)
    if isinstance(inner, PublishingContext):
        return
    if not all(callable(getattr(inner, name, None)) for name in ("attach", "detach", "get_current")):
        _LOG.warning("soltrace: a compiled solve doesn't know its caller's span: this OpenTelemetry is not known")
        return
    ours = PublishingContext(inner)
    setattr(module, PLACE, ours)
    if _has_span(current := inner.get_current()):  # attached before, by a token that nobody knows
        CALLERS.entered(ours, EXPERIMENT.get(), current)


def current_span() -> Any:
    """The context of OpenTelemetry's that is current for the caller, if there is a span in it; else None."""
    current: Any = getattr(sys.modules.get("opentelemetry.context"), "get_current", None)
    context = None if current is None else current()
    return context if context and _has_span(context) else None
