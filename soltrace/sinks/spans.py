"""Spans: one per pass, through OpenTelemetry's API alone. Without an SDK there are their ids, and no more.

Host side. `identify` runs on the worker's thread; what concerns a caller or an experiment runs on theirs.
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextvars import Token
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from msgspec import UNSET, structs
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    ProxyTracerProvider,
    Span,
    SpanContext,
    StatusCode,
    TracerProvider,
)
from opentelemetry.util.types import AnyValue, AttributeValue

from soltrace import __version__
from soltrace.callers import CALLERS
from soltrace.sinks import Ids
from soltrace.sinks.errands import Errands
from soltrace.sinks.otel import flush_behind, ids_of
from soltrace.sinks.propagation import with_baggage_of
from soltrace.sinks.run_span import OpenRun, begin_run
from soltrace.sinks.span_attributes import (
    chosen_attributes,
    end_attributes,
    exception_attributes,
    root_attributes,
    start_attributes,
)
from soltrace.sinks.unrecorded import UnrecordedPasses, unrecorded_span
from soltrace.wire.derived_ids import derived_trace_id
from soltrace.wire.losses import What
from soltrace.wire.names import ATTR_BACKEND, ATTR_MARKER, SCOPE
from soltrace.wire.plain_text import said_by
from soltrace.wire.records import (
    AnyRecord,
    Attribute,
    LaneNonfinite,
    LogOpened,
    LogResource,
    PassEnded,
    PassHeartbeat,
    PassProgress,
    PassRecord,
    PassStarted,
)
from soltrace.wire.step_fields import Nonfinite

_P = TypeVar("_P", bound=PassRecord)

LINKABLE_AT_MOST: Final = 4096
"""Forward passes that a backward one can be linked to; beyond this the oldest are forgotten."""
MILESTONES: Final = (0.25, 0.5, 0.75)
"""Progress at which a report is an event of the span too: Jaeger shows those."""
_OPENINGS: Final = (LogOpened, LogResource)
_OWNER: Final = otel_context.create_key("soltrace-experiment")
"""Where a context says in which experiment it is."""
STALLS_AT_MOST: Final = 16
"""Stalls of a pass that are events of its span; the SDK keeps 128 events in all."""
NONFINITE_AT_MOST: Final = 16
"""Likewise lanes with a value that is not finite."""
_OF_NONFINITE: Final = ("batch_index", *(f"nonfinite.{name}" for name in Nonfinite.__struct_fields__))


@dataclass(slots=True)
class _Open:
    """A pass under way."""

    started: PassStarted
    span: Span
    ids: Ids | None
    progress: float = 0.0
    marked: bool = False
    """Whether a marker span has said that it is under way."""
    stalled: bool = False
    stalls: int = 0
    nonfinite: int = 0


class Spans:
    """Opens a span when a pass starts, ends it when the pass does, and tells its ids in between.

    What the end of a span calls may be anybody's, and is called on a thread of its own.
    """

    kept: Final = What.SPAN

    def __init__(self, provider: TracerProvider | None = None, run_id: str | None = None) -> None:
        """Make spans.

        Args:
            provider: Makes them; None: the global one, whenever it is set.
            run_id: The run that they are of; None: one that nobody makes again.
        """
        self._provider, self._run_id = provider, run_id or secrets.token_hex()
        self._recorded = provider is not None
        self._tracer = trace.get_tracer(SCOPE, __version__, provider)
        # The tracer of a provider that soltrace has set up can wait with the attributes until it exports them.
        self._start_span: Callable[..., Span] = getattr(self._tracer, "start_pass_span", self._start_now)
        self._open: dict[str, _Open] = {}
        self._unrecorded = UnrecordedPasses()
        self._errands = Errands(self.kept, type(self).__name__)
        self._computed_on: dict[str, str] = {}
        """Where jax computes, once that is known: a resource that was made before can't say it any more."""
        self._linkable: OrderedDict[str, SpanContext] = OrderedDict()

    def identify(self, record: AnyRecord, parent: object) -> AnyRecord:
        """Open or end the span of a pass; return the record with the ids of the span that it belongs to."""
        if isinstance(record, _OPENINGS) and "backend" in record.resource:
            self._computed_on = {ATTR_BACKEND: str(record.resource["backend"])}
        if not isinstance(record, PassRecord):
            return record
        if self._recorded and isinstance(record, PassStarted):
            self._start(record, parent)
        there = self._open.get(record.pass_id)
        if there is None:
            return self._unrecorded.identify(record, parent)
        # First, so that what is read from the record here is made once for the sinks too.
        identified = _identified(record, there.ids)
        match identified:
            case PassProgress() if identified.batch_index is UNSET:
                _milestone(there, identified)
            case PassHeartbeat():
                self._mark(there)
                _stall(there, identified)
            case LaneNonfinite():
                _not_finite(there, identified)
            case PassEnded():
                self._end(identified, self._open.pop(record.pass_id).span)
            case _:
                pass
        return identified

    def listens(self) -> bool:
        """Say whether there is an SDK, or else there is nothing to make attributes and links for."""
        if not self._recorded:  # once there is one, it stays
            self._recorded = not isinstance(trace.get_tracer_provider(), ProxyTracerProvider)
        return self._recorded

    def _unsaid(self) -> dict[str, AttributeValue]:
        """What is known of where this runs, and the resource of the spans does not say."""
        resource = getattr(self._provider or trace.get_tracer_provider(), "resource", None)
        said = getattr(resource, "attributes", {})
        return {name: value for name, value in self._computed_on.items() if name not in said}

    def _start(self, record: PassStarted, parent: object) -> None:
        # An explicit context even without a parent: whatever is current on the worker's thread is nobody's.
        forward = None if record.forward_pass_id is UNSET else self._linkable.get(record.forward_pass_id)
        if not isinstance(parent, Context):  # in nobody's trace: at least both passes of a solve are in one
            parent = Context() if forward is None else _under(forward)
        span = self._start_span(
            name_of(record),
            context=parent,
            attributes=partial(_said_at_the_start, record, self._unsaid()),
            links=[] if forward is None else [Link(forward)],
            start_time=record.time_ns,
        )
        self._open[record.pass_id] = _Open(record, span, ids_of(span))
        if record.phase == "forward" and span.get_span_context().is_valid:
            self._linkable[record.pass_id] = span.get_span_context()
            if len(self._linkable) > LINKABLE_AT_MOST:
                self._linkable.popitem(last=False)

    def _start_now(self, name: str, *, attributes: Callable[[], Mapping[str, AnyValue]], **how: Any) -> Span:
        return self._tracer.start_span(name, attributes=attributes(), **how)

    def _mark(self, there: _Open) -> None:
        """Make a pass that is open for long visible: its own span is exported when it ends, and not before.

        A child with an id of its own: of two spans with one id Jaeger and Tempo would show either, or both.
        """
        if there.marked:
            return
        there.marked = True
        moment = there.started.time_ns
        marker = self._tracer.start_span(
            f"{name_of(there.started)} started",
            context=trace.set_span_in_context(there.span, Context()),
            attributes={**_said_at_the_start(there.started, self._unsaid()), ATTR_MARKER: True},
            start_time=moment,
        )
        self._errands.run(partial(marker.end, moment))

    def _end(self, record: PassEnded, span: Span) -> None:
        later: Callable[..., None] | None = getattr(span, "set_attributes_later", None)
        if record.status == "error":
            span.set_status(StatusCode.ERROR, record.result)
        if later is None:
            span.set_attributes(end_attributes(record))
            self._errands.run(partial(span.end, record.time_ns))
        else:
            later(partial(end_attributes, record))
            span.end(record.time_ns)

    def caller(self) -> object:
        """Return the context of the caller, if a span is current in it."""
        context = without_the_dead(otel_context.get_current())
        return context if trace.get_current_span(context).get_span_context().is_valid else None

    def alive(self, place: object) -> object:
        """Return the context, if the span in it has not ended."""
        if not isinstance(place, Context):
            return None
        return None if getattr(trace.get_current_span(place), "end_time", None) is not None else place

    def caller_ids(self) -> Ids | None:
        """Return the ids of the caller's current span."""
        return ids_of(trace.get_current_span(without_the_dead(otel_context.get_current())))

    def run(self, place: object, trace_id: int, said: Mapping[str, str], time_ns: int) -> OpenRun:
        """Open the span of the run: in the trace of the span at this place, or else in the one that is given."""
        context = place if isinstance(place, Context) else Context()
        if not self.listens():
            return OpenRun(unrecorded_span(context, trace_id, self._run_id), context)
        # Not `self._tracer`, which may have been there before the provider was.
        tracer = trace.get_tracer(SCOPE, __version__, self._provider)
        tracer = getattr(tracer, "of_the_sdk", tracer)  # else it is one of soltrace's around it
        return OpenRun(begin_run(tracer, context, trace_id, said, time_ns), context)

    def experiment(
        self, name: str, path: str, attributes: Mapping[str, Attribute], time_ns: int, outer: object
    ) -> "OpenExperiment":
        """Open the root span of an experiment and make it current."""
        context = _around(outer)
        if self.listens():
            attributed = root_attributes(path, attributes)
            span = self._tracer.start_span(name, context=context, attributes=attributed, start_time=time_ns)
        else:
            named = self._run_id, path, str(time_ns // 1000 * 1000)  # as on its line
            span = unrecorded_span(context, derived_trace_id(*named), *named)
        # Where soltrace has set the provider up, spans only go into a queue: nobody minds their order.
        ours = self._start_span != self._start_now or not self._recorded
        return OpenExperiment(span, outer, None if ours else self._errands)

    def flush(self, timeout_s: float) -> bool:
        """Have the provider export what has ended."""
        return flush_behind(self._errands, self._provider or trace.get_tracer_provider(), timeout_s)

    def give_up(self, timeout_s: float) -> int:
        """Forget the spans that no processor takes in that time, and say how many those are."""
        return self._errands.give_up(timeout_s)

    def close(self) -> None:
        """End whatever is still open. The provider is the user's, and stays."""
        while self._open:
            self._open.popitem()[1].span.end()
        self._errands.close()


class OpenExperiment:
    """The root span of an experiment, current from when this is made until `leave`."""

    def __init__(self, span: Span, outer: object, errands: Errands | None) -> None:
        """Make the span current on this thread, and with it the baggage of the place around it.

        Args:
            span: Its own.
            outer: That place.
            errands: End the spans within it; None: at any time.
        """
        self._span, self._errands = span, errands
        self._outside = otel_context.get_current()
        around = with_baggage_of(outer, self._outside)
        self._context = otel_context.set_value(_OWNER, self, trace.set_span_in_context(span, around))
        self._token: Token[Context] = otel_context.attach(self._context)
        self._left = False

    @property
    def parent(self) -> object:
        """The context in which spans become its children."""
        return self._context

    @property
    def ids(self) -> Ids | None:
        """Its ids, if it is recorded."""
        return ids_of(self._span)

    @property
    def outside(self) -> Context:
        """What was current before."""
        return self._outside

    def is_over_in(self, context: Context) -> bool:
        """Say whether it was left, and its span is still current in a context."""
        return self._left and trace.get_current_span(context) is self._span

    def leave(self) -> None:
        """Make current what was current before, if this is current; else what is above it, or beside it, stays.

        Not by the token alone: the experiment may be left in another context than it was entered in, which the token
        does not allow, and what was current before may be over.
        """
        self._left = True
        CALLERS.left(self._token)
        if otel_context.get_current() is self._context:
            CALLERS.left(otel_context.attach(without_the_dead(self._outside)))

    def let_others_end(self, drain: Callable[[float], bool]) -> None:
        """Wait a moment for the spans within it: to some processors a trace is complete once its root has ended."""
        if self._errands is not None:
            self._errands.catch_up(drain)

    def end(self, time_ns: int, error: BaseException | None) -> None:
        """End it, as failed if an exception left the experiment."""
        if error is not None:
            self._span.add_event("exception", exception_attributes(error), time_ns)
            self._span.set_status(StatusCode.ERROR, said_by(error))
        self._span.end(time_ns)


def without_the_dead(context: Context) -> Context:
    """Return a context, or if the experiment was left whose span is current in it, what was current before."""
    owner = context.get(_OWNER)
    while isinstance(owner, OpenExperiment) and owner.is_over_in(context):
        context = owner.outside
        owner = context.get(_OWNER)
    return context


def _around(outer: object) -> Context:
    """Return what an experiment is opened in: what is current on its thread, whoever reads what of it.

    The caller's own span comes first; on a thread that has none, the experiment that encloses this one.
    """
    here = without_the_dead(otel_context.get_current())
    if trace.get_current_span(here).get_span_context().is_valid:
        return here
    above = trace.get_current_span(outer) if isinstance(outer, Context) else trace.INVALID_SPAN
    return with_baggage_of(outer, trace.set_span_in_context(above, here))


def _said_at_the_start(record: PassStarted, unsaid: dict[str, AttributeValue]) -> dict[str, AttributeValue]:
    return start_attributes(record) | unsaid


def _under(span: SpanContext) -> Context:
    return trace.set_span_in_context(NonRecordingSpan(span), Context())


def name_of(record: PassRecord) -> str:
    """Return the name of a pass's span: without values, so that passes are alike to a backend."""
    return f"diffeqsolve {record.phase}"


def _identified(record: _P, ids: Ids | None) -> _P:
    if ids is None or (
        record.span_id == ids.span_id and record.trace_id == ids.trace_id
    ):  # read from a log, it has them
        return record
    return structs.replace(record, trace_id=ids.trace_id, span_id=ids.span_id)


def _milestone(there: _Open, record: PassProgress) -> None:
    before, now = there.progress, record.progress
    there.progress = now
    for milestone in MILESTONES:  # not `any`: this is done for each report
        if before < milestone <= now:
            _add_event(there.span, record, "progress", "step", "t")
            break


def _stall(there: _Open, record: PassHeartbeat) -> None:
    begins, there.stalled = record.stalled and not there.stalled, record.stalled
    if begins and there.stalls < STALLS_AT_MOST:
        there.stalls += 1
        _add_event(there.span, record, "stalled", "silent_s", "progress", "step")


def _not_finite(there: _Open, record: LaneNonfinite) -> None:
    if there.nonfinite < NONFINITE_AT_MOST:
        there.nonfinite += 1
        _add_event(there.span, record, *_OF_NONFINITE)


def _add_event(span: Span, record: PassRecord, *names: str) -> None:
    span.add_event(str(record.__struct_config__.tag), chosen_attributes(record, *names), record.time_ns)
