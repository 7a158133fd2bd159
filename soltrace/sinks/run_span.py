"""The span of a run, where a scheduler has started its process: from its first line to the end of the process.

Host side. Its trace is that of the whole job, whose other processes nobody has told of this one.
"""

import threading
from collections.abc import Mapping
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, StatusCode, Tracer

from soltrace.sinks import Ids
from soltrace.sinks.otel import SAMPLED, ids_of
from soltrace.wire.derived_ids import derived_span_id
from soltrace.wire.names import PREFIX, SPAN_RUN


class OpenRun:
    """The span of a run. It is current nowhere: what is in nothing else is under it."""

    def __init__(self, span: Span, place: Context) -> None:
        """Have it, with the baggage of the place that it is under."""
        self._span = span
        self._context = trace.set_span_in_context(span, place)

    @property
    def parent(self) -> object:
        """The place under which others are opened."""
        return self._context

    @property
    def ids(self) -> Ids | None:
        """Its ids, if it is sampled."""
        return ids_of(self._span)

    def end(self, time_ns: int, error: str | None) -> None:
        """End it, as failed if something has ended the process."""
        if error is not None:
            self._span.set_status(StatusCode.ERROR, error)
        self._span.end(time_ns)


class _ChosenTrace:
    """Makes the ids of spans as another generator does, but for the first trace that is begun: that is chosen."""

    def __init__(self, others: Any, trace_id: int) -> None:
        self._others, self._trace_id = others, trace_id
        self._thread = threading.get_ident()
        self._wanted = True

    def generate_trace_id(self) -> int:
        if self._wanted and threading.get_ident() == self._thread:
            self._wanted = False
            return self._trace_id
        return self._others.generate_trace_id()

    def is_trace_id_random(self) -> bool:
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._others, name)


def begin_run(tracer: Tracer, place: Context, trace_id: int, said: Mapping[str, str], time_ns: int) -> Span:
    """Begin the span of a run, without a parent in a trace that is chosen if there is no span at its place.

    OpenTelemetry's API has no word for that. But the SDK's tracer asks its generator, which can be another one for a
    moment: a root of its own, of which a sampler decides as of any. Where there is no generator to be seen, the span
    gets a parent that nobody records, which backends show as missing.

    Args:
        tracer: Begins it.
        place: Where it is.
        trace_id: The trace.
        said: What it says of the run.
        time_ns: When it begins, in nanoseconds since 1970.
    """
    attributes = {f"{PREFIX}{name}": text for name, text in said.items()}
    generator: Any = getattr(tracer, "id_generator", None)
    if trace.get_current_span(place).get_span_context().is_valid:
        return tracer.start_span(SPAN_RUN, place, attributes=attributes, start_time=time_ns)
    if generator is None:
        root = SpanContext(trace_id, derived_span_id(f"{trace_id:032x}"), is_remote=True, trace_flags=SAMPLED)
        place = trace.set_span_in_context(NonRecordingSpan(root), place)
        return tracer.start_span(SPAN_RUN, place, attributes=attributes, start_time=time_ns)
    untyped: Any = tracer
    untyped.id_generator = _ChosenTrace(generator, trace_id)
    try:
        return tracer.start_span(SPAN_RUN, place, attributes=attributes, start_time=time_ns)
    finally:
        untyped.id_generator = generator
