"""Spans: one per pass, through OpenTelemetry's API alone. With no SDK its no-op costs next to nothing.

Host side. `identify` runs on the worker's thread; what concerns a caller or an experiment runs on theirs. Attributes
are named by OpenTelemetry's rules: no name is both a value and a namespace. A user's own have a namespace of theirs,
`soltrace.experiment.attributes.`, so that one called `name` is not taken for the experiment's.
"""

from collections import OrderedDict
from collections.abc import Mapping
from contextvars import Token
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from msgspec import UNSET
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, ProxyTracerProvider, Span, SpanContext, StatusCode, TracerProvider
from opentelemetry.util.types import AttributeValue

from soltrace import __version__
from soltrace.records import AnyRecord, Attribute, PassEnded, PassRecord, PassStarted, Record
from soltrace.sinks import Ids

SCOPE: Final = "soltrace"
LINKABLE_AT_MOST: Final = 4096
"""Ended forward passes that a backward one can still be linked to."""
EXPERIMENT: Final = "soltrace.experiment.name"
ATTRIBUTES: Final = "soltrace.experiment.attributes."
_PLAIN: Final = ("run_id", "solve_id", "pass_id", "phase", "solver", "adjoint", "controller", "max_steps")
_FLOATS: Final = ("rtol", "atol", "t0", "t1")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Spans:
    """Opens a span when a pass starts, ends it when the pass does, and tells its ids in between."""

    def __init__(self, provider: TracerProvider | None = None) -> None:
        """Make spans with this provider; None: the global one, whenever it is set."""
        self._provider = provider
        self._tracer = trace.get_tracer(SCOPE, __version__, provider)
        self._open: dict[str, Span] = {}
        self._linkable: OrderedDict[str, SpanContext] = OrderedDict()

    def identify(self, record: AnyRecord, parent: object) -> Ids | None:
        """Open or end the span of a pass; tell the ids of the one that the record belongs to."""
        if not isinstance(record, PassRecord):
            return None
        if isinstance(record, PassStarted) and self._somebody_records():
            self._start(record, parent)
        span = self._open.get(record.pass_id)
        if span is not None and isinstance(record, PassEnded):
            self._end(record, self._open.pop(record.pass_id))
        return None if span is None else _ids(span)

    def _somebody_records(self) -> bool:
        """With no SDK there is nothing to make attributes and links for."""
        return self._provider is not None or not isinstance(trace.get_tracer_provider(), ProxyTracerProvider)

    def _start(self, record: PassStarted, parent: object) -> None:
        # An explicit context even without a parent: whatever is current on the worker's thread is nobody's.
        span = self._tracer.start_span(
            f"diffeqsolve {record.phase}",
            context=parent if isinstance(parent, Context) else Context(),
            attributes=started(record),
            links=self._links(record),
            start_time=_nanoseconds(record.timestamp),
        )
        self._open[record.pass_id] = span
        if record.phase == "forward" and span.get_span_context().is_valid:
            self._linkable[record.pass_id] = span.get_span_context()
            if len(self._linkable) > LINKABLE_AT_MOST:
                self._linkable.popitem(last=False)

    def _links(self, record: PassStarted) -> list[Link]:
        forward = None if record.forward_pass_id is UNSET else self._linkable.get(record.forward_pass_id)
        return [] if forward is None else [Link(forward)]

    def _end(self, record: PassEnded, span: Span) -> None:
        span.set_attributes(ended(record))
        if record.status == "error":
            span.set_status(StatusCode.ERROR, record.result)
        span.end(_nanoseconds(record.timestamp))

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
        provider = self._provider or trace.get_tracer_provider()
        force_flush = getattr(provider, "force_flush", None)  # the SDK's; not in the API
        return True if force_flush is None else bool(force_flush(int(timeout_s * 1000)))

    def close(self) -> None:
        """End whatever is still open. The provider is the user's, and stays."""
        while self._open:
            self._open.popitem()[1].end()


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


def _ids(span: Span) -> Ids | None:
    context = span.get_span_context()
    if not context.is_valid:
        return None
    return Ids(trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id))


def _nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND * 1000


def started(record: PassStarted) -> dict[str, AttributeValue]:
    """The attributes that a span begins with."""
    return (
        _known(record, _PLAIN)
        | _floats(record, _FLOATS)
        | _known(record, ("batch_shape", "forward_pass_id"))
        | experiment_attributes(record.experiment, record.attributes)
    )


def ended(record: PassEnded) -> dict[str, AttributeValue]:
    """The attributes that it ends with."""
    attributes = _known(record, ("status", "result", "progress", "step")) | _floats(record, ("t",))
    for name in ("steps", "lanes"):
        value = getattr(record, name)
        if value is not UNSET:
            attributes |= {f"soltrace.{name}.{key}": number for key, number in msgspec.to_builtins(value).items()}
    return attributes


def experiment_attributes(path: str | None, attributes: Mapping[str, Attribute]) -> dict[str, AttributeValue]:
    """The experiment's name and everybody's attributes."""
    named: dict[str, AttributeValue] = {} if path is None else {EXPERIMENT: path}
    return named | {ATTRIBUTES + key: _value(value) for key, value in attributes.items()}


def _known(record: Record, names: tuple[str, ...]) -> dict[str, AttributeValue]:
    values = {name: getattr(record, name) for name in names}
    return {f"soltrace.{name}": value for name, value in values.items() if value is not UNSET and value is not None}


def _floats(record: Record, names: tuple[str, ...]) -> dict[str, AttributeValue]:
    """Numbers that JSON had to write as strings, as numbers again: an attribute has one type."""
    return {name: float(value) for name, value in _known(record, names).items() if isinstance(value, float | int | str)}


def _value(value: Attribute) -> AttributeValue:
    """A list must be of one type here: numbers of both kinds become floats, and any other mixture strings."""
    if not isinstance(value, list) or len({type(item) for item in value}) <= 1:
        return value  # pyright: ignore[reportReturnType] - a list of one type, which its type can't say
    if all(isinstance(item, int | float) and not isinstance(item, bool) for item in value):
        return [float(item) for item in value]
    return [str(item) for item in value]
