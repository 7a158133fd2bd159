"""A run made again from its records: its spans as they end, and each record with the ids of its span.

Pure: what comes out depends on the records alone, so that whoever reads them again gets the same.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, NamedTuple

from msgspec import UNSET, structs
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, StatusCode

from soltrace.shipping.replayed_span import ReplayedSpan, ReplayTracer, ReplayTracerProvider
from soltrace.sinks.otel import SAMPLED
from soltrace.sinks.span_attributes import chosen_attributes, end_attributes, root_attributes
from soltrace.sinks.spans import Spans, name_of
from soltrace.wire.derived_ids import derived_span_id, derived_trace_id
from soltrace.wire.names import ATTR_OPEN_ENDED, ATTR_STATUS, PREFIX, SPAN_RUN
from soltrace.wire.records import (
    AnyRecord,
    Attribute,
    ExperimentEnded,
    ExperimentStarted,
    LogOpened,
    PassEnded,
    PassProgress,
    PassStarted,
    RunEnded,
)

_FORWARDS_AT_MOST: Final = 4096
"""Forward passes in whose trace a backward one may be; as many as are kept for links."""
_ABANDONED: Final = "abandoned"
"""The result of what never ended."""
_LEAST_NS: Final = 1000
_OUTSIDE: Final = Context()


class _Experiment(NamedTuple):
    """One that is open."""

    path: str
    span: ReplayedSpan
    place: Context
    """Where its span is current."""


class RunReplay:
    """One run, as far as it was read.

    Args:
        ended: Is called with each span when it ends.
    """

    def __init__(self, ended: Callable[[ReplayedSpan], None]) -> None:
        self.facts: Mapping[str, Attribute] = {}
        """What the first line says of where it lives."""
        self._tracer = ReplayTracer(ended)
        self._spans = Spans(ReplayTracerProvider(self._tracer))
        self._experiments: list[_Experiment] = []
        self._run: ReplayedSpan | None = None
        """Its own span, if it has one."""
        self._place = _OUTSIDE
        """Where spans are that are in nothing else."""
        self._forwards: dict[str, int] = {}
        self._begun: set[str] = set()
        """Passes whose start was read, and whose end was not."""
        self._time_ns = 0

    def feed(self, record: AnyRecord) -> AnyRecord:
        """Take in the next record, and return it with the ids of the span that it belongs to."""
        record = self._identified(record)
        # Not of the record before: it is worked out once a record.
        self._time_ns = max(self._time_ns, record.time_ns)
        return record

    def _identified(self, record: AnyRecord) -> AnyRecord:
        if type(record) is PassProgress:  # as most are: nothing is begun or over
            return self._spans.identify(record, None)
        match record:
            case PassStarted():
                self._begun.add(record.pass_id)
                return self._spans.identify(record, self._before_it_starts(record))
            case PassEnded() if record.pass_id not in self._begun:
                return self._end_of_a_pass(record)
            case PassEnded():
                self._begun.discard(record.pass_id)
            case ExperimentStarted():
                return self._enter(record)
            case ExperimentEnded():
                return self._leave(record)
            case LogOpened():
                self.facts = self.facts or record.resource
                self._open_run(record)
            case RunEnded():
                self._end_run(record)
            case _:
                pass
        return self._spans.identify(record, None)

    def _open_run(self, record: LogOpened) -> None:
        """Open the span of the run, and find the one that it is under: of a log that is read on, once."""
        if self._run is not None or record.trace_id is UNSET:
            return
        trace_id = int(record.trace_id, 16)
        if record.parent_span_id is not UNSET:
            above = SpanContext(trace_id, int(record.parent_span_id, 16), is_remote=True, trace_flags=SAMPLED)
            self._place = trace.set_span_in_context(NonRecordingSpan(above), Context())
        if record.span_id is not UNSET:
            self._tracer.choose(trace_id, int(record.span_id, 16))
            attributes = partial(chosen_attributes, record, "run_id", "continues")
            span = self._tracer.start_pass_span(SPAN_RUN, self._place, attributes, (), record.time_ns)
            self._place = trace.set_span_in_context(NonRecordingSpan(span.context), Context())
            self._run = span

    def _end_run(self, record: RunEnded) -> None:
        if self._run is not None:
            if record.error is not UNSET:
                self._run.set_status(StatusCode.ERROR, record.error)
            self._run.end(record.time_ns)

    def _end_of_a_pass(self, record: PassEnded) -> AnyRecord:
        """Make the span of a pass whose start is not in the log: that line was lost, or is in a log before this one."""
        place = self._before_it_starts(record)
        span = self._tracer.start_pass_span(
            name_of(record),
            place or _OUTSIDE,
            lambda: {
                **root_attributes(record.experiment, record.attributes),
                **chosen_attributes(record, "run_id", "solve_id", "pass_id", "phase"),
                **end_attributes(record),
            },
            (),
            record.time_ns - round(record.duration_s * 1e9),
        )
        if record.status == "error":
            span.set_status(StatusCode.ERROR, record.result)
        span.end(record.time_ns)
        return _with_ids(record, span)

    def _before_it_starts(self, record: PassStarted | PassEnded) -> Context | None:
        """Decide on the ids of a pass, and return the place under which its span is opened."""
        around = self._around(record.experiment, record.trace_id)
        made_up = record.trace_id is UNSET or record.span_id is UNSET
        if record.trace_id is not UNSET and record.span_id is not UNSET:
            trace_id, span_id = int(record.trace_id, 16), int(record.span_id, 16)
        else:
            span_id = derived_span_id(record.pass_id)
            if around is not None:
                trace_id = around.span.context.trace_id
            elif (above := trace.get_current_span(self._place).get_span_context()).is_valid:
                trace_id = above.trace_id
            else:
                forward_pass_id = record.forward_pass_id if isinstance(record, PassStarted) else UNSET
                forward = None if forward_pass_id is UNSET else self._forwards.get(forward_pass_id)
                trace_id = forward or derived_trace_id(record.run_id, record.solve_id)
        self._tracer.choose(trace_id, span_id, made_up=made_up)
        if record.phase == "forward":
            self._forwards[record.pass_id] = trace_id
            if len(self._forwards) > _FORWARDS_AT_MOST:
                del self._forwards[next(iter(self._forwards))]
        return (self._place or None) if around is None else around.place

    def _around(self, path: str | None, trace_id: object) -> _Experiment | None:
        """Find the experiment that was opened last by this name, in this trace where that is known."""
        for experiment in reversed(self._experiments):
            if experiment.path == path and trace_id in {UNSET, f"{experiment.span.context.trace_id:032x}"}:
                return experiment
        return None

    def _enter(self, record: ExperimentStarted) -> AnyRecord:
        path = record.experiment or ""
        around = self._around_that(path, record.trace_id)
        if record.trace_id is not UNSET and record.span_id is not UNSET:
            self._tracer.choose(int(record.trace_id, 16), int(record.span_id, 16))
        else:
            named = record.run_id, path, str(record.time_ns)
            trace_id = derived_trace_id(*named) if around is None else around.span.context.trace_id
            self._tracer.choose(trace_id, derived_span_id(*named), made_up=True)
        name = path if around is None else path[len(around.path) + 1 :]
        span = self._tracer.start_pass_span(
            name,
            self._place if around is None else around.place,
            lambda: root_attributes(record.experiment, record.attributes),
            (),
            record.time_ns,
        )
        place = trace.set_span_in_context(NonRecordingSpan(span.context), Context())
        self._experiments.append(_Experiment(path, span, place))
        return _with_ids(record, span)

    def _around_that(self, path: str, trace_id: object) -> _Experiment | None:
        while "/" in path:
            path = path.rpartition("/")[0]
            if (found := self._around(path, trace_id)) is not None:
                return found
        return None

    def _leave(self, record: ExperimentEnded) -> AnyRecord:
        for number in range(len(self._experiments) - 1, -1, -1):
            experiment = self._experiments[number]
            known = record.span_id in {UNSET, f"{experiment.span.context.span_id:016x}"}
            if experiment.path == record.experiment and known:
                del self._experiments[number]
                _fail(experiment.span, record)
                experiment.span.end(record.time_ns)
                return _with_ids(record, experiment.span)
        return record

    def abandon(self) -> None:
        """End what is still open, as abandoned, at the time of the last record: the run is over."""
        spans = list(self._tracer.open.values())
        # What was lost right after it began took longer than nothing: lines tell microseconds apart.
        end_ns = max([self._time_ns, *(span.start_time + _LEAST_NS for span in spans)])
        for span in spans:
            span.set_status(StatusCode.ERROR, _ABANDONED)
            span.set_attributes({ATTR_STATUS: "error", f"{PREFIX}result": _ABANDONED, ATTR_OPEN_ENDED: True})
            span.end(end_ns)
        self._experiments.clear()


def _fail(span: ReplayedSpan, record: ExperimentEnded) -> None:
    """Say how an experiment failed, as far as a line tells: it has no stack trace."""
    if record.error is UNSET:
        return
    kind, _, message = record.error.partition(": ")
    span.add_event("exception", {"exception.type": kind, "exception.message": message}, record.time_ns)
    span.set_status(StatusCode.ERROR, record.error)


def _with_ids(record: ExperimentStarted | ExperimentEnded | PassEnded, span: ReplayedSpan) -> AnyRecord:
    context = span.context
    return structs.replace(record, trace_id=f"{context.trace_id:032x}", span_id=f"{context.span_id:016x}")
