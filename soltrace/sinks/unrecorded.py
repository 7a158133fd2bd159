"""Spans that nobody records, where there is no SDK: their ids stand on the lines, and `soltrace.shipping` goes by them.

Host side, on any thread.
"""

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext

from soltrace.sinks.otel import SAMPLED
from soltrace.wire.derived_ids import derived_span_id


class UnrecordedSpan(NonRecordingSpan):
    """The ids of a span, and whether it is over."""

    end_time: int | None = None

    def end(self, end_time: int | None = None) -> None:
        """Note that it is over."""
        self.end_time = end_time or 1


def unrecorded_span(place: Context, trace_id: int, *named: str) -> UnrecordedSpan:
    """Make one up.

    Args:
        place: Where it is: in the trace of the span there.
        trace_id: The trace that it begins, where there is none.
        named: What names it among all spans.
    """
    above, span_id = trace.get_current_span(place).get_span_context(), derived_span_id(*named)
    flags, state = (above.trace_flags, above.trace_state) if above.is_valid else (SAMPLED, None)
    trace_id = above.trace_id if above.is_valid else trace_id
    return UnrecordedSpan(SpanContext(trace_id, span_id, is_remote=False, trace_flags=flags, trace_state=state))
