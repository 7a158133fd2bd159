"""What is shipped of a log is what would have been sent live: the same spans and log records, field by field."""

import base64
import json
import shutil
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from soltrace.reading.files.parts import later_parts
from soltrace.shipping import otlp_json
from soltrace.shipping.one_log import LogShipper
from soltrace.shipping.otlp_json import write_otlp_json
from soltrace.shipping.sender import SIGNALS, Sender
from soltrace.sinks.counts import COUNTERS, Counts
from soltrace.sinks.log_records import OtelLogs
from soltrace.sinks.metrics import Metrics
from soltrace.sinks.propagation import received
from soltrace.sinks.spans import Spans
from soltrace.wire.json_line import json_line
from soltrace.wire.log_names import part_name
from soltrace.wire.names import METRIC_COMPILE_DURATION, METRIC_PASS_DURATION
from soltrace.wire.record_parts import Steps
from soltrace.wire.records import (
    ExperimentEnded,
    ExperimentStarted,
    LogOpened,
    LogResource,
    PassEnded,
    PassHeartbeat,
    PassProgress,
    PassStarted,
    ProgramCompiled,
    RunEnded,
    TelemetryDropped,
)

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
FACTS = {"host": "node1", "pid": 7, "executable": "/opt/python", "soltrace": "0.1", "devices": 2}
COMMON = {"run_id": "run", "attributes": {"seed": 3, "mixed": [1, "a"], "lr": 1e-3, "big": 2**70}}


def at(seconds):
    """A moment."""
    return MOMENT + timedelta(seconds=seconds, microseconds=7)


def a_pass(number, phase, experiment, status="ok", **known):
    """All that is told of a pass."""
    own = COMMON | {"solve_id": f"run.{number}", "pass_id": f"run.{number}.{phase}", "phase": phase, **known}
    own["experiment"] = experiment
    begin = number * 100 + (50 if phase == "backward" else 0)
    forward = {"forward_pass_id": f"run.{number}.forward"} if phase == "backward" else {}
    named = {"solver": "Tsit5", "adjoint": "a", "controller": "c", "rtol": 1e-3, "t0": "NaN", "t1": 1.0}
    yield PassStarted(timestamp=at(begin), **own, **forward, **named, batch_shape=[2, 3])
    yield PassProgress(timestamp=at(begin + 1), **own, step=3, progress=0.3, t=0.25)
    beat = {"open_s": 5.0, "silent_s": 4.0, "stalled": True, "step": 3, "progress": 0.3, "rate": 0.1}
    yield PassHeartbeat(timestamp=at(begin + 5), **own, **beat)
    yield PassProgress(timestamp=at(begin + 6), **own, step=5, progress=0.9, steps=Steps(accepted=4, rejected=1))
    end = {"status": status, "result": "successful" if status == "ok" else "max_steps_reached", "duration_s": 7.0}
    level = "info" if status == "ok" else "error"
    steps = Steps(accepted=5, rejected=1, recomputed=2)
    yield PassEnded(timestamp=at(begin + 7), level=level, **own, **end, progress=1.0, step=6, steps=steps)


class Live:
    """A run that sends live, and logs."""

    def __init__(self, path):
        self.spans, self.logs = InMemorySpanExporter(), InMemoryLogRecordExporter()
        resource = Resource({"service.name": "soltrace"})
        tracers, loggers = TracerProvider(resource=resource), LoggerProvider(resource=resource)
        tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        loggers.add_log_record_processor(SimpleLogRecordProcessor(self.logs))
        self.metrics = InMemoryMetricReader()
        self._tracing = Spans(tracers)
        self._sinks = [
            OtelLogs(loggers),
            Metrics(MeterProvider([self.metrics], shutdown_on_exit=False), counts=Counts()),
        ]
        self._path = path

    def tell(self, *records, under=None):
        for record in records:
            identified = self._tracing.identify(record, under)
            for sink in self._sinks:
                sink.handle(identified)
            with self._path.open("ab") as file:
                file.write(json_line(identified) + b"\n")

    def begin(self, place):
        run = {"run_id": "run", "experiment": None, "attributes": {}}
        opened = LogOpened(timestamp=at(0), **run, resource=FACTS)
        self.run = None
        if place is not None:
            said = {"run_id": "run", "continues": "former"}
            self.run = self._tracing.run(place, 7, said, opened.time_ns)
            ids = {"trace_id": self.run.ids.trace_id, "span_id": self.run.ids.span_id, "parent_span_id": "b" * 16}
            opened = LogOpened(timestamp=at(0), **run, resource=FACTS, continues="former", **ids)
        self.tell(opened)

    def finish(self, seconds):
        if self.run is not None:
            ended = {"timestamp": at(seconds), "level": "error", "run_id": "run", "experiment": None, "attributes": {}}
            ids = {"trace_id": self.run.ids.trace_id, "span_id": self.run.ids.span_id}
            record = RunEnded(**ended, **ids, status="error", duration_s=1.0, error="SIGTERM")
            self.run.end(record.time_ns, "SIGTERM")
            self.tell(record)

    @property
    def place(self):
        return None if self.run is None else self.run.parent

    def enter(self, seconds, name, path):
        span = self._tracing.experiment(
            name, path, COMMON["attributes"], int(at(seconds).timestamp() * 1e6) * 1000, self.place
        )
        ids = {"trace_id": span.ids.trace_id, "span_id": span.ids.span_id}
        self.tell(ExperimentStarted(timestamp=at(seconds), **COMMON, experiment=path, **ids))
        return span

    def leave(self, seconds, span, path, error=None):
        ids = {"trace_id": span.ids.trace_id, "span_id": span.ids.span_id}
        span.leave()
        failed = {"status": "ok"} if error is None else {"status": "error", "error": f"ValueError: {error}"}
        ended = {"timestamp": at(seconds), "duration_s": 1.0, **failed}
        span.end(ExperimentEnded(**ended, **COMMON, experiment=path).time_ns, error)
        self.tell(ExperimentEnded(**ended, **COMMON, experiment=path, **ids))


def a_run(path, *, alone=True):
    """A run of everything that there is; or else one under a span of another process, in a trace of its job."""
    place = None if alone else received({"TRACEPARENT": f"00-{'a' * 32}-{'b' * 16}-01"})[0]
    live = Live(path)
    live.begin(place)
    live.tell(LogResource(timestamp=at(0), run_id="run", experiment=None, attributes={}, resource={"backend": "cpu"}))
    fit = live.enter(1, "fit", "fit")
    inner = live.enter(2, "evaluate", "fit/evaluate")
    bound = {"context": {"request": "ü", "ids": [1, 2], "level": "mine"}}
    for phase in ("forward", "backward"):
        live.tell(*a_pass(1, phase, "fit/evaluate", **bound), under=inner.parent)
    live.leave(170, inner, "fit/evaluate", ValueError("no"))
    live.tell(*a_pass(2, "forward", "fit", "error"), under=fit.parent)
    live.leave(280, fit, "fit")
    for phase in ("forward", "backward"):
        live.tell(*a_pass(3, phase, None), under=live.place)
    compiled = {"function": "f", "trace_s": 0.1, "lower_s": 0.1, "compile_s": 1.0}
    live.tell(ProgramCompiled(timestamp=at(400), **COMMON, experiment=None, **compiled))
    lost = {"dropped": 1, "what": "span", "reason": "x"}
    live.tell(TelemetryDropped(timestamp=at(401), level="warning", **COMMON, experiment=None, **lost))
    live.finish(402)
    return live


def comparable_spans(request):
    """The spans of a request by their ids, without markers, and without stack traces, of which a log has none."""
    found = {}
    for span in request.resource_spans[0].scope_spans[0].spans:
        if not span.name.endswith(" started"):
            for event in span.events:
                kept = [a for a in event.attributes if a.key != "exception.stacktrace"]
                del event.attributes[:]
                event.attributes.extend(kept)
            found[span.span_id.hex()] = span
    return found


def comparable_records(request):
    """The log records of a request, as if observed when they were made; and without what tells copies apart."""
    records = list(request.resource_logs[0].scope_logs[0].log_records)
    for record in records:
        record.observed_time_unix_nano = record.time_unix_nano
        kept = [attribute for attribute in record.attributes if attribute.key != "log.record.uid"]
        del record.attributes[:]
        record.attributes.extend(kept)
    return records


def shipped(path, collector, *, abandon=False, signals=SIGNALS):
    """Ship a log, and return what came of it."""
    sender = Sender(collector.address, 1.0, lambda: None)
    shipper = LogShipper(path, sender, signals=signals)
    with closing(sender), closing(shipper):
        shipper.advance()
        shipper.finish(abandon=abandon)
    return shipper.counts


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "of a job"])
def test_what_is_shipped_is_what_would_have_been_sent(alone, tmp_path, collector):
    """Names, ids, parents, links, events, status and attributes of spans; all of log records."""
    live = a_run(tmp_path / "run.jsonl", alone=alone)
    counts = shipped(tmp_path / "run.jsonl", collector)
    logs, traces = collector.requests

    wanted = comparable_spans(encode_spans(live.spans.get_finished_spans()))
    assert comparable_spans(traces) == wanted
    assert len(wanted) == counts.spans == (7 if alone else 8)
    wanted = comparable_records(encode_logs(live.logs.get_finished_logs()))
    assert comparable_records(logs) == wanted
    assert len(wanted) == counts.log_records

    assert all(count == 1 for count in collector.record_ids.values())
    (resource, other) = (logs.resource_logs[0], traces.resource_spans[0])
    assert resource.resource == other.resource
    assert {a.key: a.value.string_value or a.value.int_value for a in resource.resource.attributes} == {
        "service.name": "soltrace",
        "service.instance.id": "run",
        "host.name": "node1",
        "process.pid": 7,
        "process.executable.path": "/opt/python",
        "process.executable.name": "python",
        "soltrace.version": "0.1",
        "soltrace.jax.devices": 2,
    }
    assert (resource.scope_logs[0].scope.name, resource.scope_logs[0].scope.version) == ("soltrace", "0.1")


def test_a_log_without_ids_gets_the_same_ones_every_time(tmp_path, collector):
    """They are made of what is unique among all runs; passes are under their experiments, and both halves together."""
    path = tmp_path / "run.jsonl"
    named = COMMON | {"experiment": "fit"}
    fit = (
        ExperimentStarted(timestamp=at(0), **named),
        *a_pass(1, "forward", "fit"),
        *a_pass(1, "backward", "fit"),
        ExperimentEnded(timestamp=at(300), **named, status="ok", duration_s=300.0),
        *a_pass(4, "forward", None),
        *a_pass(4, "backward", None),
    )
    path.write_bytes(b"".join(json_line(record) + b"\n" for record in fit))
    shipped(path, collector)
    first = {span.span_id: span for span in collector.spans}
    forward, backward, root, alone, its_backward = collector.spans
    assert (forward.parent_span_id, backward.parent_span_id, root.parent_span_id) == (root.span_id, root.span_id, b"")
    assert {span.trace_id for span in (forward, backward)} == {root.trace_id} != {alone.trace_id}
    assert (its_backward.trace_id, its_backward.parent_span_id) == (alone.trace_id, alone.span_id)
    assert its_backward.links[0].span_id == alone.span_id
    assert {record.span_id for record in collector.log_records} == first.keys()

    shutil.rmtree(tmp_path / ".shipped")
    collector.requests.clear()
    shipped(path, collector)
    assert {span.span_id: span for span in collector.spans} == first


def test_what_never_ended_is_shipped_once_it_is_said_to_be_over(tmp_path, collector):
    """As abandoned, with an error, and at least so long as is known; and not again, whatever is said afterwards."""
    path = tmp_path / "run.jsonl"
    *first, end = a_pass(1, "forward", "fit")
    just_begun = next(a_pass(2, "forward", "fit"))
    records = [ExperimentStarted(timestamp=at(0), **COMMON, experiment="fit"), *first, just_begun, end]
    *begun, end = (json_line(record) + b"\n" for record in records)
    path.write_bytes(b"".join(begun))
    shipped(path, collector)
    assert collector.spans == []
    for _ in range(2):
        shipped(path, collector, abandon=True)
    assert [(span.name, span.status.code, span.status.message) for span in collector.spans] == [
        ("fit", 2, "abandoned"),
        ("diffeqsolve forward", 2, "abandoned"),
        ("diffeqsolve forward", 2, "abandoned"),
    ]
    assert {span.end_time_unix_nano for span in collector.spans} == {just_begun.time_ns + 1000}
    said = [{attribute.key: attribute.value for attribute in span.attributes} for span in collector.spans]
    assert [attributes["soltrace.open_ended"].bool_value for attributes in said] == [True, True, True]
    with path.open("ab") as file:
        file.write(end)
    shipped(path, collector, abandon=True)
    assert len(collector.spans) == 3
    assert len(collector.record_ids) == len(collector.log_records) == len(records)


def test_a_pass_whose_start_was_lost_has_a_span(tmp_path, collector):
    """From what its end says: its line was torn, or the log was begun anew meanwhile."""
    path = tmp_path / "run.jsonl"
    *_, end = a_pass(1, "forward", None, "error", trace_id=f"{5:032x}", span_id=f"{6:016x}")
    path.write_bytes(b"{torn\n" + json_line(end) + b"\n")
    assert shipped(path, collector).skipped == 1
    (span,) = collector.spans
    assert (span.name, span.trace_id.hex(), span.span_id.hex()) == ("diffeqsolve forward", f"{5:032x}", f"{6:016x}")
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (end.time_ns - 7 * 10**9, end.time_ns)
    assert (span.status.code, span.status.message) == (2, "max_steps_reached")
    said = {attribute.key: attribute.value.string_value for attribute in span.attributes}
    assert (said["soltrace.pass_id"], said["soltrace.result"]) == ("run.1.forward", "max_steps_reached")


def comparable_metrics(request):
    """Counters and histograms by their names, whenever it was; with the times, if they are all the same."""
    found = {}
    times = set()
    for metric in request.resource_metrics[0].scope_metrics[0].metrics:
        points = (metric.sum if metric.HasField("sum") else metric.histogram).data_points
        for point in points:
            times.add((point.start_time_unix_nano, point.time_unix_nano))
            point.start_time_unix_nano = point.time_unix_nano = 0
            if metric.HasField("histogram"):
                del point.exemplars[:]
        if metric.name in {*COUNTERS, METRIC_PASS_DURATION, METRIC_COMPILE_DURATION}:
            found[metric.name] = metric
    return found, times


def test_metrics_are_what_would_have_been_sent(tmp_path, collector):
    """Counters and histograms, over the time of the log; once, though it is shipped twice."""
    live = a_run(tmp_path / "run.jsonl")
    for _ in range(2):
        shipped(tmp_path / "run.jsonl", collector, signals=("metrics",))
    (request,) = collector.requests
    found, times = comparable_metrics(request)
    wanted, _ = comparable_metrics(encode_metrics(live.metrics.get_metrics_data()))
    assert found == wanted
    assert len(found) == 6
    began_ns = int(MOMENT.timestamp()) * 10**9 + 7000
    assert times == {(began_ns, began_ns + 401 * 10**9)}


def hexadecimal(message):
    """What protobuf makes of a message, with ids as OTLP has them in JSON."""
    match message:
        case dict():
            return {
                key: base64.b64decode(value).hex()
                if key in {"traceId", "spanId", "parentSpanId"}
                else hexadecimal(value)
                for key, value in message.items()
            }
        case list():
            return [hexadecimal(item) for item in message]
    return message


def test_json_lines_say_the_same(tmp_path, collector):
    """`soltrace convert --to otlp-json` writes what is shipped, as OTLP has it in JSON."""
    a_run(tmp_path / "run.jsonl")
    shipped(tmp_path / "run.jsonl", collector)
    said = []
    assert write_otlp_json([tmp_path / "run.jsonl"], tmp_path / "otlp", said.append) == (len(collector.log_records), 0)
    for request, name in zip(collector.requests, ("logs", "traces"), strict=True):
        (line,) = (tmp_path / "otlp" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        assert json.loads(line) == hexadecimal(MessageToDict(request, use_integers_for_enums=True))
    assert said == []
    assert len(list((tmp_path / "otlp").iterdir())) == 2


@pytest.mark.parametrize("bound", [1, 5000])
def test_no_json_line_is_longer_than_a_collector_takes(tmp_path, monkeypatch, bound):
    """Lines of more than a MiB are cut in pieces there. What is longer by itself has a line for itself."""
    a_run(tmp_path / "run.jsonl")
    read = lambda: [(tmp_path / "otlp" / name).read_bytes() for name in ("traces.jsonl", "logs.jsonl")]
    write_otlp_json([tmp_path / "run.jsonl"], tmp_path / "otlp", pytest.fail)
    whole = read()
    monkeypatch.setattr(otlp_json, "BYTES_OF_A_LINE", bound)
    write_otlp_json([tmp_path / "run.jsonl"], tmp_path / "otlp", pytest.fail)
    assert items(read()) == items(whole)
    lines = [line for part in read() for line in part.splitlines()]
    assert len(lines) > len(whole)
    several = [len(line) for line in lines if len(items([line])) > 1]
    assert max(several, default=0) <= bound + len('{"resourceSpans":[]}')
    assert bool(several) == (bound > 1)


def test_what_a_part_has_begun_ends_in_the_next(tmp_path, collector):
    """The same spans and log records as of the log in one piece; after a stop too, and nothing twice."""
    whole, first = tmp_path / "whole" / "run.jsonl", tmp_path / "run.jsonl"
    whole.parent.mkdir()
    a_run(whole)
    lines = whole.read_bytes().splitlines(keepends=True)
    third = len(lines) // 3
    for number, part in enumerate((lines[:third], lines[third : 2 * third], lines[2 * third :]), 1):
        first.with_name(part_name(first.name, number)).write_bytes(b"".join(part))
        shipped(first, collector)
    shipped(first, collector)
    spans, records = collector.spans[:], collector.log_records[:]
    collector.requests.clear()
    shipped(whole, collector)
    assert spans == collector.spans
    assert records == collector.log_records
    written = []
    for paths in ([whole], [first, *later_parts(first)]):
        write_otlp_json(paths, tmp_path / "otlp", pytest.fail)
        written.append([(tmp_path / "otlp" / name).read_bytes() for name in ("traces.jsonl", "logs.jsonl")])
    assert items(written[0]) == items(written[1])


def items(files):
    """What OTLP's lines hold, however they are cut."""
    found = []
    for line in b"".join(files).splitlines():
        for resource in next(iter(json.loads(line).values())):
            for scope in resource.get("scopeSpans", resource.get("scopeLogs")):
                found += scope.get("spans", scope.get("logRecords"))
    return found
