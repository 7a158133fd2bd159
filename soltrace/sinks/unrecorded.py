"""Spans that nobody records, where there is no SDK: their ids stand on the lines, and `soltrace.shipping` goes by them.

Host side. Those of passes on the worker's thread, and without an object of OpenTelemetry's: that would take longer than
all else that is done for a pass.
"""

from collections import OrderedDict
from typing import Final, TypeVar

from msgspec import UNSET, structs
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext

from soltrace.sinks import Ids
from soltrace.sinks.otel import SAMPLED, ids_of
from soltrace.wire.derived_ids import derived_span_id, derived_trace_id
from soltrace.wire.records import PassEnded, PassRecord, PassStarted

_P = TypeVar("_P", bound=PassRecord)
_FORWARDS_AT_MOST: Final = 4096
"""Forward passes in whose trace a backward one may be; as many as are kept for links where spans are recorded."""


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


class UnrecordedPasses:
    """The ids of passes that are open."""

    def __init__(self) -> None:
        """Begin with none."""
        self._open: dict[str, Ids] = {}
        self._forwards: OrderedDict[str, str] = OrderedDict()
        """The traces of forward passes."""

    def identify(self, record: _P, parent: object) -> _P:
        """Return a record of a pass with the ids of its span."""
        match record:
            case PassStarted():
                ids = self._begin(record, parent)
            case PassEnded():
                ids = self._open.pop(record.pass_id, None)
            case _:
                ids = self._open.get(record.pass_id)
        return record if ids is None else structs.replace(record, trace_id=ids.trace_id, span_id=ids.span_id)

    def _begin(self, record: PassStarted, parent: object) -> Ids | None:
        """Make up those of a pass; there are none where the span above it is not sampled."""
        if isinstance(parent, Context) and (span := trace.get_current_span(parent)).get_span_context().is_valid:
            if (above := ids_of(span)) is None:
                return None
            trace_id = above.trace_id
        else:
            forward = None if record.forward_pass_id is UNSET else self._forwards.get(record.forward_pass_id)
            trace_id = forward or f"{derived_trace_id(record.run_id, record.solve_id):032x}"
        ids = self._open[record.pass_id] = Ids(trace_id, f"{derived_span_id(record.pass_id):016x}")
        if record.phase == "forward":
            self._forwards[record.pass_id] = trace_id
            if len(self._forwards) > _FORWARDS_AT_MOST:
                self._forwards.popitem(last=False)
        return ids
