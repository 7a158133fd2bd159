"""What is sent of soltrace's own spans and log records is what would be sent if the SDK had made them."""

from datetime import UTC, datetime, timedelta

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

from soltrace.export.encoding import TakesLean, taking_lean
from soltrace.export.exporters import maker
from soltrace.export.lean import LeanLoggerProvider, LeanLogRecord, LeanSpan, LeanTracerProvider
from soltrace.export.process_resource import process_resource
from soltrace.sinks.log_records import OtelLogs
from soltrace.sinks.spans import Spans
from soltrace.wire.record_parts import Steps
from soltrace.wire.records import (
    ExperimentStarted,
    LogResource,
    PassEnded,
    PassHeartbeat,
    PassProgress,
    PassStarted,
    TelemetryDropped,
)

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
RESOURCE = Resource({"service.name": "fit", "a": 1}, "https://schema")
COMMON = {"run_id": "run", "experiment": "fit", "attributes": {"seed": 3, "mixed": [1, "a"], "lr": 1e-3, "big": 2**70}}
BOUND = {"request": "ü", "ids": [1, 2]}


class Counting(IdGenerator):
    """The same ids every time."""

    def __init__(self, *, at_random):
        self.at_random, self.last = at_random, 0

    def generate_span_id(self):
        self.last += 1
        return self.last

    def generate_trace_id(self):
        return self.generate_span_id() << 64

    def is_trace_id_random(self):
        return self.at_random


class Queue(list):
    """Stands in for a batch processor."""

    put = list.append


def a_pass(number, phase="forward", status="ok", **known):
    """All that may be told of a pass."""
    own = COMMON | {"solve_id": f"run.{number}", "pass_id": f"run.{number}.{phase}", "phase": phase} | known
    started = {"forward_pass_id": f"run.{number}.forward"} if phase == "backward" else {}
    at = lambda seconds: MOMENT + timedelta(seconds=number * 100 + seconds, microseconds=7)
    yield PassStarted(
        timestamp=at(0),
        **own,
        **started,
        solver="Tsit5",
        adjoint="a",
        controller="c",
        rtol=1e-3,
        t0="NaN",
        t1=1,
        max_steps=None if number else 4096,
        batch_shape=[2, 3] if number else [],
    )
    if number % 2:
        yield PassProgress(timestamp=at(1), **own, step=3, progress=0.3, t=0.25)
        yield PassHeartbeat(
            timestamp=at(5), **own, open_s=5.0, silent_s=4.0, stalled=True, step=3, progress=0.3, rate=0.1
        )
        yield PassProgress(timestamp=at(6), **own, step=5, progress=0.9, steps=Steps(accepted=4, rejected=1))
    yield PassEnded(
        timestamp=at(7),
        level="error" if status == "error" else "info",
        **own,
        status=status,
        result="max_steps_reached" if status == "error" else "successful",
        duration_s=7.0,
        progress=1.0,
        step=6,
        steps=Steps(accepted=5, rejected=1, recomputed=2),
    )


def under(span_id, *, sampled=True, remote=False, state=()):
    """The context of a span of somebody's."""
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    of = SpanContext(5 << 64, span_id, remote, flags, TraceState(state))
    return trace.set_span_in_context(NonRecordingSpan(of), Context())


def told():
    """Records, each with the place under which the span of its pass is opened."""
    yield LogResource(timestamp=MOMENT, **COMMON, resource={"backend": "cpu", "devices": [1, 2]}), None
    yield ExperimentStarted(timestamp=MOMENT, **COMMON), None
    parents = [None, None, under(7), under(8, remote=True), under(9, sampled=False), None]
    for number, parent in enumerate([*parents, under(10, state=[("vendor", "x")]), None, under(11, remote=True)]):
        for phase in ("forward", "backward"):
            status = "error" if number in {1, 2} else "ok"
            known = {"context": BOUND} if number == 2 else {}
            for record in a_pass(number, phase, status, **known):
                yield record, parent
    yield TelemetryDropped(timestamp=MOMENT, level="warning", **COMMON, dropped=1, what="span", reason="x"), None


def replayed(tracers, loggers):
    """Have all that is told followed by soltrace's spans and log records, among spans and log records of others."""
    spans, logs = Spans(tracers), OtelLogs(loggers)
    foreign, logger = tracers.get_tracer("others"), loggers.get_logger("others")
    for number, (record, parent) in enumerate(told()):
        logs.handle(spans.identify(record, parent))
        assert spans._errands.flush(10.0)
        assert logs._errands.flush(10.0)
        if number % 3 == 0:
            foreign.start_span("foreign", attributes={"a": 1}, start_time=1).end(2)
            logger.emit(timestamp=1, body={"a": [1]}, attributes={"b": 1})
    root = spans.experiment("fit", "fit", {"seed": 3}, 1, None)
    root.leave()
    root.end(2, ValueError("no"))


def observed_at_once(request):
    """The same log records as if all had been observed at one moment, which is the present."""
    for resource in request.resource_logs:
        for scope in resource.scope_logs:
            for record in scope.log_records:
                assert record.observed_time_unix_nano > 1e18
                record.observed_time_unix_nano = 1
    return request


LIMITS = {
    "usual": {},
    "attributes": {"OTEL_ATTRIBUTE_COUNT_LIMIT": "16"},
    "attributes of spans": {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "20"},
    "lengths": {"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "5"},
    "events and links": {"OTEL_SPAN_EVENT_COUNT_LIMIT": "1", "OTEL_SPAN_LINK_COUNT_LIMIT": "0"},
    "attributes of events": {"OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT": "1"},
    "sampler": {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.5"},
}


@pytest.mark.filterwarnings("ignore:Log record attributes were dropped")
@pytest.mark.parametrize("at_random", [True, False], ids=["random ids", "ids"])
@pytest.mark.parametrize("environ", LIMITS.values(), ids=LIMITS)
def test_what_is_sent_is_what_the_sdk_would_send(environ, at_random, monkeypatch):
    """Byte by byte: ids, times, flags, attributes and their order, events, links, status, what a limit has dropped."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    kept_spans, kept_logs = InMemorySpanExporter(), InMemoryLogRecordExporter()
    tracers = TracerProvider(resource=RESOURCE, id_generator=Counting(at_random=at_random), shutdown_on_exit=False)
    loggers = LoggerProvider(RESOURCE, shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(kept_spans))
    loggers.add_log_record_processor(SimpleLogRecordProcessor(kept_logs))
    replayed(tracers, loggers)

    lean_spans, lean_logs = Queue(), Queue()
    tracers = LeanTracerProvider(resource=RESOURCE, id_generator=Counting(at_random=at_random), shutdown_on_exit=False)
    loggers = LeanLoggerProvider(resource=RESOURCE, shutdown_on_exit=False)
    tracers.export_to(lean_spans)
    loggers.export_to(lean_logs)
    replayed(tracers, loggers)

    sent = encoder(OTLPSpanExporter, "encode_spans")(lean_spans)
    assert sent == encode_spans(kept_spans.get_finished_spans())
    assert sent.SerializeToString() == encode_spans(kept_spans.get_finished_spans()).SerializeToString()
    sent = observed_at_once(encoder(OTLPLogExporter, "encode_logs")(lean_logs))
    expected = observed_at_once(encode_logs(kept_logs.get_finished_logs()))
    assert sent == expected
    assert sent.SerializeToString() == expected.SerializeToString()
    assert [span.get_span_context() for span in lean_spans] == [
        span.get_span_context() for span in kept_spans.get_finished_spans()
    ]
    if not environ:
        assert {type(item) for item in lean_spans} > {LeanSpan}
        assert {type(item) for item in lean_logs} > {LeanLogRecord}


def encoder(kind, name):
    """What a derived exporter encodes its batches with."""
    return taking_lean(kind).export.__globals__[name]


@pytest.mark.parametrize("signal", ["traces", "logs"])
@pytest.mark.parametrize("name", ["otlp_proto_http", "otlp_proto_grpc"])
def test_opentelemetrys_exporters_take_them(signal, name):
    """A failure here means that they encode batches in another way: all goes the SDK's way, and costs what it did."""
    assert issubclass(maker(signal, name), TakesLean)


def test_any_other_exporter_stays_what_it_is():
    """With it, everything goes the SDK's way."""
    assert taking_lean(ConsoleSpanExporter) is ConsoleSpanExporter
    assert not issubclass(maker("traces", "console"), TakesLean)


def test_a_processor_of_the_programs_own_sees_what_the_sdk_makes():
    """From the next pass on, with all attributes from its start; exporters get it as before."""
    queue, kept = Queue(), InMemorySpanExporter()
    tracers = LeanTracerProvider(resource=RESOURCE, shutdown_on_exit=False)
    tracers.export_to(queue)
    spans = Spans(tracers)
    begun, *rest = a_pass(0)
    spans.identify(begun, None)
    tracers.add_span_processor(SimpleSpanProcessor(kept))
    for record in [*rest, *a_pass(2)]:
        spans.identify(record, None)
    assert spans._errands.flush(10.0)
    (seen,) = kept.get_finished_spans()
    assert seen.attributes["soltrace.pass_id"] == "run.2.forward"
    assert queue[1] is seen
    assert isinstance(queue[0], LeanSpan)


def test_a_log_record_processor_of_the_programs_own_does_too():
    """From then on."""
    queue, kept = Queue(), InMemoryLogRecordExporter()
    loggers = LeanLoggerProvider(resource=RESOURCE, shutdown_on_exit=False)
    loggers.export_to(queue)
    logs = OtelLogs(loggers)
    first, second = list(a_pass(0))
    logs.handle(first)
    loggers.add_log_record_processor(SimpleLogRecordProcessor(kept))
    logs.handle(second)
    assert logs._errands.flush(10.0)
    (seen,) = kept.get_finished_logs()
    assert seen.log_record.attributes["soltrace.status"] == "ok"
    assert [isinstance(item, LeanLogRecord) for item in queue] == [True, False]


def test_who_asks_for_soltraces_own_tracer_or_logger_gets_the_sdks_items():
    """Only what soltrace itself opens as a pass's span, or emits, is lean."""
    spans, logs = Queue(), Queue()
    tracers = LeanTracerProvider(resource=RESOURCE, shutdown_on_exit=False)
    loggers = LeanLoggerProvider(resource=RESOURCE, shutdown_on_exit=False)
    tracers.export_to(spans)
    loggers.export_to(logs)
    with tracers.get_tracer("soltrace", "1").start_as_current_span("mine", attributes={"a": [1, 2]}) as span:
        assert trace.get_current_span() is span
    logger = loggers.get_logger("soltrace", "1")
    logger.emit(body="mine", attributes={"b": {"c": None}})
    assert logger.enabled(event_name="mine")
    assert [(span.name, dict(span.attributes)) for span in spans] == [("mine", {"a": (1, 2)})]
    assert [(log.log_record.body, dict(log.log_record.attributes)) for log in logs] == [("mine", {"b": {"c": None}})]


def test_the_sdks_own_metrics_count_them(monkeypatch):
    """Who wants to know how many spans the SDK has made gets them all from the SDK."""
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    spans, logs = Queue(), Queue()
    tracers = LeanTracerProvider(resource=RESOURCE, shutdown_on_exit=False)
    loggers = LeanLoggerProvider(resource=RESOURCE, shutdown_on_exit=False)
    tracers.export_to(spans)
    loggers.export_to(logs)
    replayed(tracers, loggers)
    assert not any(isinstance(item, LeanSpan | LeanLogRecord) for item in [*spans, *logs])


@pytest.mark.parametrize("value", ["\ud800", 3 + 4j, b"raw", {"a": 1}], ids=["surrogate", "complex", "bytes", "map"])
def test_what_can_not_be_encoded_by_hand_is_left_to_opentelemetry(value, caplog):
    """It leaves an attribute out, or makes text of it, and says so; the others are there."""
    queues = []
    for provider in (LeanTracerProvider, TracerProvider):
        queues.append(Queue())
        tracers = provider(resource=RESOURCE, id_generator=Counting(at_random=True), shutdown_on_exit=False)
        if provider is LeanTracerProvider:
            tracers.export_to(queues[-1])
        else:
            tracers.add_span_processor(SimpleSpanProcessor(kept := InMemorySpanExporter()))
        tracer = tracers.get_tracer("soltrace")
        attributes = {"a": 1, "b": value, "c": "x"}
        if provider is LeanTracerProvider:
            tracer.start_pass_span("pass", Context(), lambda attributes=attributes: attributes, [], 1).end(2)
        else:
            tracer.start_span("pass", Context(), attributes=attributes, start_time=1).end(2)
    sent = encoder(OTLPSpanExporter, "encode_spans")(queues[0])
    assert sent == encode_spans(kept.get_finished_spans())
    assert isinstance(queues[0][0], LeanSpan)


def test_a_failure_by_hand_is_made_good():
    """The batch is encoded again, by OpenTelemetry alone."""
    queue, failures = Queue(), [ZeroDivisionError()]

    def first():
        if failures:
            raise failures.pop()
        return {"a": 1}

    tracers = LeanTracerProvider(resource=RESOURCE, id_generator=Counting(at_random=True), shutdown_on_exit=False)
    tracers.export_to(queue)
    tracer = tracers.get_tracer("soltrace")
    tracer.start_pass_span("pass", Context(), first, [], 1).end(2)
    tracer.start_pass_span("pass", Context(), lambda: {"b": 2}, [], 1).end(2)
    sent = encoder(OTLPSpanExporter, "encode_spans")(queue)
    spans = sent.resource_spans[0].scope_spans[0].spans
    assert [[(pair.key, pair.value.int_value) for pair in span.attributes] for span in spans] == [
        [("a", 1)],
        [("b", 2)],
    ]


def test_the_resource_hashes_as_the_sdks_does():
    """It is kept, because exporters group by it, and stays what it is of an equal resource."""
    resource = process_resource()
    plain = Resource(resource.attributes, resource.schema_url)
    assert [resource, hash(resource), hash(resource)] == [plain, hash(plain), hash(plain)]
