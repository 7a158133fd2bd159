"""Spans that are opened and ended as records of a log are read, and the tracer that opens them.

`soltrace.sinks.spans` makes them as it makes those of a running program. A tracer of OpenTelemetry's makes up the ids
of a span; this one takes those that it had.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, Tracer, TracerProvider
from opentelemetry.util.types import AnyValue

from soltrace.export.bare_span import BareSpan, MakeAttributes


class ReplayedSpan(BareSpan):
    """A span, and what is sent of it once it has ended."""

    def __init__(
        self,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        attributes: Mapping[str, AnyValue],
        links: Sequence[Link],
        start_time: int,
        ended: Callable[["ReplayedSpan"], None],
        *,
        made_up: bool = False,
    ) -> None:
        """Begin it; `ended` is called with it when it ends, and `made_up` says that its ids stand on no line."""
        super().__init__(name, context, parent, links, start_time)
        self.made_up = made_up
        self.attributes, self.events = dict(attributes), list[tuple[int, str, Mapping[str, AnyValue]]]()
        self.end_time, self._ended = 0, ended

    def is_recording(self) -> bool:
        """Say whether it has not ended."""
        return not self.end_time

    def set_attributes(self, attributes: Mapping[str, AnyValue]) -> None:
        """Set attributes. One that is said again comes last then, as with the SDK."""
        for name, value in attributes.items():
            self.attributes.pop(name, None)
            self.attributes[name] = value

    def set_attributes_later(self, attributes: MakeAttributes) -> None:
        """Set attributes, at once: nobody waits for it here."""
        self.set_attributes(attributes())

    def add_event(
        self, name: str, attributes: Mapping[str, AnyValue] | None = None, timestamp: int | None = None
    ) -> None:
        """Add an event."""
        self.events.append((timestamp or self.start_time, name, attributes or {}))

    def end(self, end_time: int | None = None) -> None:
        """End it. What has ended already stays as it is: it may have been sent."""
        if not self.end_time:
            self.end_time = end_time or self.start_time
            self._ended(self)


class _Resource:
    """What `soltrace.sinks.spans` looks at of the resource of a provider."""

    def __init__(self) -> None:
        self.attributes: Mapping[str, Any] = {}


class ReplayTracer(Tracer):
    """Opens spans with ids that are set before."""

    def __init__(self, ended: Callable[[ReplayedSpan], None]) -> None:
        """Call `ended` with each span that ends."""
        self._ended = ended
        self._ids: tuple[int, int] = (0, 0)
        self._made_up = False
        self.open: dict[int, ReplayedSpan] = {}
        """The spans that have not ended, by their ids."""

    def choose(self, trace_id: int, span_id: int, *, made_up: bool = False) -> None:
        """Say the ids of the span that is opened next, and whether they stand on no line."""
        self._ids, self._made_up = (trace_id, span_id), made_up

    def start_pass_span(
        self, name: str, context: Context, attributes: MakeAttributes, links: Sequence[Link], start_time: int
    ) -> ReplayedSpan:
        """Open the span of a pass or of an experiment."""
        parent = trace.get_current_span(context).get_span_context()
        trace_id, span_id = self._ids
        # A parent in another trace is none: a span of the program's own stood there, of which the log knows nothing.
        known = parent if parent.is_valid and parent.trace_id == trace_id else None
        own = SpanContext(trace_id, span_id, is_remote=False, trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED))
        span = ReplayedSpan(name, own, known, attributes(), links, start_time, self._is_over, made_up=self._made_up)
        self.open[span_id] = span
        return span

    def _is_over(self, span: ReplayedSpan) -> None:
        self.open.pop(span.context.span_id, None)
        self._ended(span)

    def start_span(self, *args: Any, **kwargs: Any) -> Span:  # noqa: ARG002 - as it is declared
        """Open no span: a marker says that a pass is under way, and in a log its end is to be found."""
        return trace.INVALID_SPAN

    def start_as_current_span(self, *args: Any, **kwargs: Any):  # noqa: ANN201 - of a type that is OpenTelemetry's own
        """Do the same."""
        return trace.use_span(self.start_span(*args, **kwargs))


class ReplayTracerProvider(TracerProvider):
    """Has that one tracer."""

    def __init__(self, tracer: ReplayTracer) -> None:
        """Give out this tracer."""
        self._tracer = tracer
        self.resource = _Resource()

    def get_tracer(
        self,
        instrumenting_module_name: str,  # noqa: ARG002 - as it is declared
        instrumenting_library_version: str | None = None,  # noqa: ARG002
        schema_url: str | None = None,  # noqa: ARG002
        attributes: Mapping[str, AnyValue] | None = None,  # noqa: ARG002
    ) -> Tracer:
        """Return it."""
        return self._tracer
