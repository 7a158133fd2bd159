"""The collector between the real servers: what goes in comes out, once, the same whichever way it went."""

import re
import time
import uuid
from typing import get_args

import msgspec
import pytest
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from soltrace.sinks.json_log import fresh_file
from soltrace.sinks.log_records import OtelLogs
from soltrace.wire import records
from soltrace.wire.records import AnyRecord
from tests.stack.records import SPAN_ID, STARTED, TRACE_ID, every_record
from tests.stack.servers import DASHBOARDS

EVERY = len(get_args(AnyRecord)) - 1
"""Of all kinds but that which carries the steps of a pass as columns."""


@pytest.fixture
def service():
    """A name that no other test has: what was sent before is still there."""
    return f"test-{uuid.uuid4()}"


@pytest.fixture
def tracer(stack, service):
    """A tracer whose spans are sent one by one as they end."""
    provider = TracerProvider(resource=Resource({"service.name": service, "service.instance.id": "one"}))
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{stack.otlp_http}/v1/traces")))
    yield provider.get_tracer("soltrace")
    provider.shutdown()


def send_as_files(stack, run_id, what):
    _, log = fresh_file(stack.log_directory, run_id)
    for record in what:
        log.handle(record)
    log.close()


def send_as_otlp(stack, what, service="soltrace"):
    provider = LoggerProvider(resource=Resource({"service.name": service}))
    provider.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter(f"{stack.otlp_http}/v1/logs")))
    sink = OtelLogs(provider)
    for record in what:
        sink.handle(record)
    assert sink.flush(30.0)
    sink.close()
    provider.shutdown()


def of_run(run_id):
    return f'"soltrace.run_id":={run_id}'


def told(lines, run_id):
    """Records without what must differ between two runs, and between the two ways."""
    return [
        {
            key: value.replace(run_id, "RUN")
            for key, value in line.items()
            if key != "scope.version"  # the file has it in its first line only
        }
        for line in lines
    ]


def test_every_kind_of_record_is_tried():
    """A kind that is new must be sent both ways here, or its fields may come out differently."""
    assert [type(record) for record in every_record("run")] == list(get_args(AnyRecord))


def test_a_record_is_the_same_by_file_and_by_otlp(stack, service):
    """Field by field: what is asked of the logs does not depend on how they came."""
    by_file, by_otlp = f"{service}-file", f"{service}-otlp"
    send_as_files(stack, by_file, every_record(by_file))
    send_as_otlp(stack, every_record(by_otlp))
    from_file = told(stack.logs.query(of_run(by_file), at_least=EVERY), by_file)
    from_otlp = told(stack.logs.query(of_run(by_otlp), at_least=EVERY), by_otlp)
    assert len(from_file) == EVERY
    assert from_file == from_otlp


def test_the_collector_knows_all_fields_of_a_line():
    """All else on one is a variable of the program's."""
    (names,) = re.findall(r'log.body, "key", "\^\((.*)\)\$"', (DASHBOARDS / "otelcol.yaml").read_text(encoding="utf-8"))
    elsewhere = {"timestamp", "level", "event", "experiment", "trace_id", "span_id", "context"}
    objects = {"attributes", "resource", "steps", "lanes", "usage", "attempts", "watched", "nonfinite", "verdict"}
    objects |= {"exploded"}
    fields = {name for kind in get_args(AnyRecord) for name in kind.__struct_fields__}
    assert names.split("|") == sorted(fields - elsewhere - objects)


def test_a_line_becomes_these_fields(stack, service):
    """The whole of one record, as the log store tells it."""
    (started,) = [record for record in every_record(service) if isinstance(record, records.PassStarted)]
    send_as_files(stack, service, [started])
    (line,) = stack.logs.query(of_run(service))
    assert line.pop("_stream_id")
    assert line == {
        "_msg": "pass.started",
        "_stream": '{event_name="pass.started",service.name="soltrace"}',
        "_time": f"{STARTED:%Y-%m-%dT%H:%M:%S}.00512Z",
        "event_name": "pass.started",
        "scope.name": "soltrace",
        "scope.version": "unknown",
        "service.name": "soltrace",
        "severity_number": "5",
        "severity_text": "DEBUG",
        "soltrace.adjoint": "RecursiveCheckpointAdjoint",
        "soltrace.atol": "NaN",
        "soltrace.batch_shape": "[]",
        "soltrace.controller": "PIDController",
        "soltrace.experiment.attributes.dry": "false",
        "soltrace.experiment.attributes.lr": "0.001",
        "soltrace.experiment.attributes.mixed": "[1,2.5]",
        "soltrace.experiment.attributes.name": "x.y",
        "soltrace.experiment.attributes.seed": "3",
        "soltrace.experiment.attributes.whole": "2",
        "soltrace.experiment.name": "sweep/fit",
        "soltrace.forward_pass_id": f"{service}.1.forward",
        "soltrace.pass_id": f"{service}.1.backward",
        "soltrace.phase": "backward",
        "soltrace.process_index": "0",
        "soltrace.rtol": "0.00001",
        "soltrace.run_id": service,
        "soltrace.schema": str(records.SCHEMA_VERSION),
        "soltrace.solve_id": f"{service}.1",
        "soltrace.solver": "Tsit5",
        "soltrace.t0": "0",
        "soltrace.t1": "Infinity",
        "span_id": SPAN_ID,
        "trace_id": TRACE_ID,
    }


def test_half_a_line_is_waited_for(stack, service):
    """A reader on a shared file system may see half of a line: it becomes one record when the rest is there."""
    path = stack.log_directory / f"{service}.jsonl"
    first, second = (msgspec.json.encode(record) + b"\n" for record in every_record(service)[2:4])
    with path.open("wb", buffering=0) as file:
        file.write(first + second[:40])
        assert len(stack.logs.query(of_run(service))) == 1
        time.sleep(1)  # twice as long as the receiver would wait by default; there is no effect to wait for
        file.write(second[40:])
    assert [line["_msg"] for line in stack.logs.query(of_run(service), at_least=2)] == [
        "experiment.started",
        "experiment.ended",
    ]


def test_what_is_no_record_is_kept(stack, service):
    """A line that is torn, or no JSON, is in the store as it is: nothing is lost silently."""
    path = stack.log_directory / f"{service}.jsonl"
    torn = f'{{"timestamp":"2026-11-25T05:41:21.442497Z","run_id":"{service}","exp'
    record = every_record(service)[2]
    path.write_bytes(torn.encode() + b"\n" + msgspec.json.encode(record) + b"\n")
    assert [line["_msg"] for line in stack.logs.query(of_run(service))] == ["experiment.started"]
    ((message, name),) = [
        (line["_msg"], line["service.name"]) for line in stack.logs.query(f'"{service}" AND NOT event_name:*')
    ]
    assert (message, name) == (torn, "soltrace")


def test_a_run_that_sends_its_log_is_not_read_twice(stack, service):
    """Its file says so by its name."""
    sent, read = f"{service}-sent", f"{service}-read"
    send_as_files(stack, f"{sent}.exported", every_record(sent))
    send_as_files(stack, read, every_record(read))
    assert len(stack.logs.query(of_run(read), at_least=EVERY)) == EVERY
    assert stack.logs.query(of_run(sent), at_least=0) == []


def test_no_line_comes_twice_when_the_collector_restarts(stack, service):
    """It remembers how far it has read each file."""
    path = stack.log_directory / f"{service}.jsonl"
    first, second = (msgspec.json.encode(record) + b"\n" for record in every_record(service)[2:4])
    path.write_bytes(first)
    assert len(stack.logs.query(of_run(service))) == 1
    stack.collector.stop()
    with path.open("ab") as file:
        file.write(second)
    stack.collector.start()
    assert [line["_msg"] for line in stack.logs.query(of_run(service), at_least=2)] == [
        "experiment.started",
        "experiment.ended",
    ]


def test_spans_wait_for_jaeger_on_the_disk(stack, service, tracer):
    """With Jaeger away and the collector killed, every span that was accepted arrives."""
    stack.servers["jaeger"].kill()
    for number in range(20):
        tracer.start_span(f"span {number}").end()
    stack.collector.kill()
    stack.collector.start()
    stack.servers["jaeger"].start()
    spans = stack.jaeger.spans(service, at_least=20)
    assert {span["operationName"] for span in spans} == {f"span {number}" for number in range(20)}
    assert len(spans) == 20


def test_log_records_wait_for_the_log_store_on_the_disk(stack, service):
    """With VictoriaLogs away and the collector killed, every record arrives, by file and by OTLP, and none twice."""
    by_file, by_otlp = f"{service}-file", f"{service}-otlp"
    stack.servers["victorialogs"].stop()
    send_as_otlp(stack, every_record(by_otlp))
    send_as_files(stack, by_file, every_record(by_file))
    stack.collector.kill()
    stack.collector.start()
    stack.servers["victorialogs"].start()
    for run_id in (by_file, by_otlp):
        events = [line["event_name"] for line in stack.logs.query(of_run(run_id), at_least=EVERY)]
        kinds = [record.__struct_config__.tag for record in every_record(run_id)]
        assert events == [kind for kind in kinds if kind != "pass.steps"]


def test_spans_are_counted_and_markers_are_not(stack, service, tracer):
    """A marker says that a pass is under way: it would make two passes of one. Jaeger shows it all the same."""
    attributes = {"soltrace.phase": "forward", "soltrace.solver": "Tsit5", "soltrace.experiment.name": "fit"}
    tracer.start_span("diffeqsolve forward", attributes=attributes | {"soltrace.marker": True}).end()
    tracer.start_span("diffeqsolve forward", attributes=attributes).end()
    # A counter is said to be 0 first, so that Prometheus sees it grow.
    ((labels, value),) = stack.prometheus.wait(f'traces_span_metrics_calls_total{{service_name="{service}"}} > 0')
    assert value == 1
    assert {name: label for name, label in labels.items() if name != "collector_instance_id"} == {
        "__name__": "traces_span_metrics_calls_total",
        "instance": "one",
        "job": service,
        "service_instance_id": "one",
        "service_name": service,
        "soltrace_experiment_name": "fit",
        "soltrace_phase": "forward",
        "soltrace_solver": "Tsit5",
        "span_kind": "SPAN_KIND_INTERNAL",
        "span_name": "diffeqsolve forward",
        "status_code": "STATUS_CODE_UNSET",
    }
    assert len(stack.jaeger.spans(service, at_least=2)) == 2


def test_a_series_is_there_once(stack, service):
    """One way into Prometheus: the program's own labels, and what tells one process from another."""
    resource = Resource({"service.name": service, "service.instance.id": "one"})
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{stack.otlp_http}/v1/metrics"), 3_600_000)
    provider = MeterProvider([reader], resource)
    provider.get_meter("soltrace").create_counter("soltrace.steps", "{step}").add(7, {"soltrace.phase": "forward"})
    provider.shutdown()
    ((labels, value),) = stack.prometheus.wait(f'soltrace_steps_total{{job="{service}"}}')
    assert value == 7
    assert {name: label for name, label in labels.items() if not name.startswith("otel_scope")} == {
        "__name__": "soltrace_steps_total",
        "instance": "one",
        "job": service,
        "service_instance_id": "one",
        "service_name": service,
        "soltrace_phase": "forward",
    }


def test_exemplars_lead_to_their_trace(stack, service, tracer):
    """A bar of the histogram of durations has the ids of a span that it counts."""
    span = tracer.start_span("diffeqsolve forward")
    span.end()
    (found,) = stack.prometheus.exemplars(
        f'traces_span_metrics_duration_milliseconds_bucket{{service_name="{service}"}}'
    )
    ids = {exemplar["labels"]["trace_id"] for exemplar in found["exemplars"]}
    assert ids == {f"{span.get_span_context().trace_id:032x}"}


def test_the_collector_tells_about_itself(stack, tracer):
    """What it accepted, refused and could not send is in Prometheus too."""
    tracer.start_span("any").end()
    assert stack.prometheus.wait('otelcol_receiver_accepted_spans_total{job="otelcol"} > 0')
