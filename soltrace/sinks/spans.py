"""Spans: one per pass, through OpenTelemetry's API alone. With no SDK its no-op costs next to nothing.

Host side. `identify` runs on the worker's thread; what concerns a caller or an experiment runs on theirs. Attributes
are named by OpenTelemetry's rules: no name is both a value and a namespace. A user's own have a namespace of theirs,
`soltrace.experiment.attributes.`, so that one called `name` is not taken for the experiment's.
"""

from collections import OrderedDict
from collections.abc import Mapping
from contextvars import Token
from dataclasses import dataclass
from typing import Any, Final, cast

import msgspec
from msgspec import UNSET
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, ProxyTracerProvider, Span, SpanContext, StatusCode, TracerProvider
from opentelemetry.util.types import AttributeValue

from soltrace import __version__
from soltrace.sinks import Ids
from soltrace.sinks.otel import fitting, force_flush, nanoseconds
from soltrace.wire.names import ATTR_EXPERIMENT, ATTR_EXPERIMENT_ATTRIBUTES, ATTR_MARKER, PREFIX, SCOPE
from soltrace.wire.records import (
    AnyRecord,
    Attribute,
    PassEnded,
    PassHeartbeat,
    PassProgress,
    PassRecord,
    PassStarted,
    Record,
    Scalar,
)

LINKABLE_AT_MOST: Final = 4096
"""Ended forward passes that a backward one can still be linked to."""
MILESTONES: Final = (0.25, 0.5, 0.75)
"""A report that passes one of them is an event of the span too: Jaeger shows those."""
STALLS_AT_MOST: Final = 16
"""Events of a span that say so; the SDK keeps 128 events in all."""
_PLAIN: Final = ("run_id", "solve_id", "pass_id", "phase", "solver", "adjoint", "controller", "max_steps")
_FLOATS: Final = ("rtol", "atol", "t0", "t1")


@dataclass(slots=True)
class _Open:
    """A pass under way."""

    started: PassStarted
    span: Span
    progress: float = 0.0
    marked: bool = False
    """Said to be under way, by a span of its own."""
    stalled: bool = False
    stalls: int = 0


class Spans:
    """Opens a span when a pass starts, ends it when the pass does, and tells its ids in between."""

    def __init__(self, provider: TracerProvider | None = None) -> None:
        """Make spans with this provider; None: the global one, whenever it is set."""
        self._provider = provider
        self._tracer = trace.get_tracer(SCOPE, __version__, provider)
        self._open: dict[str, _Open] = {}
        self._linkable: OrderedDict[str, SpanContext] = OrderedDict()

    def identify(self, record: AnyRecord, parent: object) -> Ids | None:
        """Open or end the span of a pass; tell the ids of the one that the record belongs to."""
        if not isinstance(record, PassRecord):
            return None
        if isinstance(record, PassStarted) and self._somebody_records():
            self._start(record, parent)
        there = self._open.get(record.pass_id)
        if there is None:
            return None
        match record:
            case PassProgress() if record.batch_index is UNSET:
                _milestone(there, record)
            case PassHeartbeat():
                self._mark(there)
                _stall(there, record)
            case PassEnded():
                self._end(record, self._open.pop(record.pass_id).span)
            case _:
                pass
        return _ids(there.span)

    def _somebody_records(self) -> bool:
        """With no SDK there is nothing to make attributes and links for."""
        return self._provider is not None or not isinstance(trace.get_tracer_provider(), ProxyTracerProvider)

    def _start(self, record: PassStarted, parent: object) -> None:
        # An explicit context even without a parent: whatever is current on the worker's thread is nobody's.
        span = self._tracer.start_span(
            name_of(record),
            context=parent if isinstance(parent, Context) else Context(),
            attributes=start_attributes(record),
            links=self._links(record),
            start_time=nanoseconds(record.timestamp),
        )
        self._open[record.pass_id] = _Open(record, span)
        if record.phase == "forward" and span.get_span_context().is_valid:
            self._linkable[record.pass_id] = span.get_span_context()
            if len(self._linkable) > LINKABLE_AT_MOST:
                self._linkable.popitem(last=False)

    def _links(self, record: PassStarted) -> list[Link]:
        forward = None if record.forward_pass_id is UNSET else self._linkable.get(record.forward_pass_id)
        return [] if forward is None else [Link(forward)]

    def _mark(self, there: _Open) -> None:
        """Make a pass that is open for long visible: its own span is exported when it ends, and not before.

        A child with an id of its own: of two spans with one id Jaeger and Tempo would show either, or both.
        """
        if there.marked:
            return
        there.marked = True
        moment = nanoseconds(there.started.timestamp)
        marker = self._tracer.start_span(
            f"{name_of(there.started)} started",
            context=trace.set_span_in_context(there.span, Context()),
            attributes={**start_attributes(there.started), ATTR_MARKER: True},
            start_time=moment,
        )
        marker.end(moment)

    def _end(self, record: PassEnded, span: Span) -> None:
        span.set_attributes(end_attributes(record))
        if record.status == "error":
            span.set_status(StatusCode.ERROR, record.result)
        span.end(nanoseconds(record.timestamp))

    def caller(self) -> object:
        """The context of the caller, if a span is current in it."""
        context = otel_context.get_current()
        return context if trace.get_current_span(context).get_span_context().is_valid else None

    def caller_ids(self) -> Ids | None:
        """The ids of the caller's current span."""
        return _ids(trace.get_current_span())

    def experiment(
        self, name: str, path: str, attributes: Mapping[str, Attribute], time_ns: int, outer: object
    ) -> "OpenExperiment":
        """Open the root span of an experiment and make it current."""
        # The caller's own span comes first; on a thread that has none, the experiment that encloses this one.
        parent = self.caller() or outer
        span = self._tracer.start_span(
            name,
            context=parent if isinstance(parent, Context) else Context(),
            attributes=experiment_attributes(path, attributes),
            start_time=time_ns,
        )
        return OpenExperiment(span)

    def flush(self, timeout_s: float) -> bool:
        """Have the provider export what has ended."""
        return force_flush(self._provider or trace.get_tracer_provider(), timeout_s)

    def close(self) -> None:
        """End whatever is still open. The provider is the user's, and stays."""
        while self._open:
            self._open.popitem()[1].span.end()


class OpenExperiment:
    """The root span of an experiment, current from when this is made until `end`."""

    def __init__(self, span: Span) -> None:
        """Make the span current on this thread."""
        self._span = span
        self._context = trace.set_span_in_context(span)
        self._token: Token[Context] = otel_context.attach(self._context)

    @property
    def parent(self) -> object:
        """The context in which spans become its children."""
        return self._context

    @property
    def ids(self) -> Ids | None:
        """Its ids, if it is recorded."""
        return _ids(self._span)

    def leave(self) -> None:
        """Make current what was current before."""
        otel_context.detach(self._token)

    def end(self, time_ns: int, error: BaseException | None) -> None:
        """End it."""
        if error is not None:
            self._span.record_exception(error)
            self._span.set_status(StatusCode.ERROR, f"{type(error).__name__}: {error}")
        self._span.end(time_ns)


def name_of(record: PassRecord) -> str:
    """The name of a pass's span: no values in it, so that passes are alike to a backend."""
    return f"diffeqsolve {record.phase}"


def _milestone(there: _Open, record: PassProgress) -> None:
    before, there.progress = there.progress, record.progress
    if any(before < milestone <= record.progress for milestone in MILESTONES):
        _event(there.span, record, _known(record, ("progress", "step")) | _floats(record, ("t",)))


def _stall(there: _Open, record: PassHeartbeat) -> None:
    begins, there.stalled = record.stalled and not there.stalled, record.stalled
    if begins and there.stalls < STALLS_AT_MOST:
        there.stalls += 1
        _event(there.span, record, _known(record, ("stalled", "silent_s", "progress", "step")))


def _event(span: Span, record: PassRecord, attributes: dict[str, AttributeValue]) -> None:
    span.add_event(str(record.__struct_config__.tag), attributes, nanoseconds(record.timestamp))


def _ids(span: Span) -> Ids | None:
    context = span.get_span_context()
    if not (context.is_valid and context.trace_flags.sampled):
        return None  # nobody would find a trace under them
    return Ids(trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id))


def start_attributes(record: PassStarted) -> dict[str, AttributeValue]:
    """The attributes that a span begins with."""
    return (
        _known(record, _PLAIN)
        | _floats(record, _FLOATS)
        | _known(record, ("batch_shape", "forward_pass_id"))
        | experiment_attributes(record.experiment, record.attributes)
    )


def end_attributes(record: PassEnded) -> dict[str, AttributeValue]:
    """The attributes that it ends with."""
    attributes = _known(record, ("status", "result", "progress", "step")) | _floats(record, ("t",))
    for name in ("steps", "lanes"):
        value = getattr(record, name)
        if value is not UNSET:
            attributes |= {f"{PREFIX}{name}.{key}": number for key, number in msgspec.to_builtins(value).items()}
    return attributes


def experiment_attributes(path: str | None, attributes: Mapping[str, Attribute]) -> dict[str, AttributeValue]:
    """The experiment's name and everybody's attributes."""
    named: dict[str, AttributeValue] = {} if path is None else {ATTR_EXPERIMENT: path}
    return named | {ATTR_EXPERIMENT_ATTRIBUTES + key: _value(value) for key, value in attributes.items()}


def _known(record: Record, names: tuple[str, ...]) -> dict[str, AttributeValue]:
    values = {name: getattr(record, name) for name in names}
    return {PREFIX + name: value for name, value in values.items() if value is not UNSET and value is not None}


def _floats(record: Record, names: tuple[str, ...]) -> dict[str, AttributeValue]:
    """Numbers that JSON had to write as strings, as numbers again: an attribute has one type."""
    return {name: float(value) for name, value in _known(record, names).items() if isinstance(value, float | int | str)}


def _value(value: Attribute) -> AttributeValue:
    """A list must be of one type here: numbers of both kinds become floats, and any other mixture strings."""
    fitted: Any = fitting(value)
    if not isinstance(fitted, list):
        return fitted
    items = cast("list[Scalar]", fitted)
    if len({type(item) for item in items}) <= 1:
        return fitted  # pyright: ignore[reportUnknownVariableType] - a list of one type, which its type can't say
    if all(isinstance(item, int | float) and not isinstance(item, bool) for item in items):
        return [float(item) for item in items]
    return [str(item) for item in items]
