import json
import math
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import _logs as api
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider

from soltrace import experiment
from soltrace.host import Signal
from soltrace.sinks.log_records import OtelLogs, attributes_of
from soltrace.sinks.spans import Spans
from soltrace.testing import START_NS, capture
from soltrace.wire.json_line import json_line
from soltrace.wire.losses import OUTSIDE
from soltrace.wire.record_parts import Steps
from soltrace.wire.records import (
    ExperimentEnded,
    LogOpened,
    PassEnded,
    PassHeartbeat,
    PassProgress,
    PassStarted,
    TelemetryDropped,
)

MOMENT = datetime(2026, 1, 1, 12, 30, 0, 123456, tzinfo=UTC)
COMMON = {"timestamp": MOMENT, "run_id": "run", "experiment": None, "attributes": {}}
PASS = COMMON | {"solve_id": "run.1", "pass_id": "run.1.forward", "phase": "forward"}


class Exported:
    """A real provider, and what it exported."""

    def __init__(self):
        self.exporter = InMemoryLogRecordExporter()
        self.provider = LoggerProvider()
        self.provider.add_log_record_processor(SimpleLogRecordProcessor(self.exporter))

    @property
    def logs(self):
        """In their order."""
        return [exported.log_record for exported in self.exporter.get_finished_logs()]


@pytest.fixture
def exported():
    """A provider and what it exported."""
    exported = Exported()
    yield exported
    exported.provider.shutdown()


def emitted(exported, record):
    """What becomes of one record."""
    sink = OtelLogs(exported.provider)
    sink.handle(record)
    assert sink.flush(10.0)
    sink.close()
    return exported.logs[-1]


def test_an_event_is_a_log_record(program, exported):
    """Its name, its time, its severity, its span, and the experiment that it belongs to."""
    with (
        capture(sinks=[OtelLogs(exported.provider)], tracing=Spans(TracerProvider()), attributes={"seed": 3}) as told,
        experiment("fit", layers=[64, 2.5, "a"]),
    ):
        program.solve(rtol=1e-3)
        records = told.records
    (log,) = [log for log in exported.logs if log.event_name == "pass.ended"]
    (record,) = [record for record in records if isinstance(record, PassEnded)]
    assert log.timestamp == START_NS + 9_000_000
    assert (log.severity_text, log.severity_number, log.body) == ("INFO", SeverityNumber.INFO, "pass.ended")
    ids = trace.format_trace_id(log.trace_id), trace.format_span_id(log.span_id), log.trace_flags.sampled
    assert ids == (record.trace_id, record.span_id, True)
    assert dict(log.attributes) == {
        "soltrace.experiment.name": "fit",
        "soltrace.experiment.attributes.seed": 3,
        "soltrace.experiment.attributes.layers": (64, 2.5, "a"),
        "soltrace.schema": 1,
        "soltrace.run_id": "run",
        "soltrace.solve_id": "run.1",
        "soltrace.pass_id": "run.1.forward",
        "soltrace.phase": "forward",
        "soltrace.status": "ok",
        "soltrace.result": "successful",
        "soltrace.duration_s": record.duration_s,
        "soltrace.progress": 1.0,
        "soltrace.t": 1.0,
        "soltrace.step": 3,
        "soltrace.steps.accepted": 2,
        "soltrace.steps.rejected": 1,
    }
    (scope,) = {exported.instrumentation_scope.name for exported in exported.exporter.get_finished_logs()}
    assert scope == "soltrace"


def test_every_record_becomes_one(program, exported):
    """In their order, under the names that they have in the JSON log."""
    with capture(sinks=[OtelLogs(exported.provider)], every=1) as told, experiment("fit"):
        forward = program.tell(Signal.FORWARD_START, [[0, 1, 0]] * 2, [[0, 1, 1, 1e-3, 1e-3]] * 2)[0]
        program.tell(Signal.FORWARD_STEP, [[forward, 1, 1, 0]] * 2, [[0.5]] * 2)
        program.tell(Signal.FORWARD_END, [[forward, 3, 3, 0]] * 2, [[1.0]] * 2)
        told.flush()
    assert [log.event_name for log in exported.logs] == [event["event"] for event in told.events()]
    assert {log.event_name for log in exported.logs} >= {"experiment.started", "lane.ended", "pass.progress"}


@pytest.mark.parametrize(
    "record, attributes",
    [
        (
            PassStarted(
                **PASS
                | {"attributes": {"big": 2**64, "bigs": [2**64, 1], "least": -(2**63), "on": True, "none": "NaN"}},
                solver="Tsit5",
                adjoint="a",
                controller="c",
                rtol="NaN",
                t1="Infinity",
                max_steps=None,
                batch_shape=[],
                process_index=0,
            ),
            {
                "soltrace.experiment.attributes.big": "18446744073709551616",
                "soltrace.experiment.attributes.bigs": ("18446744073709551616", 1),
                "soltrace.experiment.attributes.least": -(2**63),
                "soltrace.experiment.attributes.on": True,
                "soltrace.experiment.attributes.none": "NaN",
                "soltrace.process_index": 0,
                "soltrace.solver": "Tsit5",
                "soltrace.adjoint": "a",
                "soltrace.controller": "c",
                "soltrace.rtol": "NaN",
                "soltrace.t1": "Infinity",
                "soltrace.batch_shape": (),
            },
        ),
        (
            PassProgress(**PASS, step=2, progress=0.5, batch_index=[1, 0], steps=Steps(accepted=2, rejected=0)),
            {
                "soltrace.step": 2,
                "soltrace.progress": 0.5,
                "soltrace.batch_index": (1, 0),
                "soltrace.steps.accepted": 2,
                "soltrace.steps.rejected": 0,
            },
        ),
        (
            PassHeartbeat(
                **PASS, level="warning", open_s=9.0, silent_s=8.0, stalled=True, step=0, progress=0.0, rate=0.0
            ),
            {
                "soltrace.open_s": 9.0,
                "soltrace.silent_s": 8.0,
                "soltrace.stalled": True,
                "soltrace.step": 0,
                "soltrace.progress": 0.0,
                "soltrace.rate": 0.0,
            },
        ),
        (
            LogOpened(**COMMON, resource={"pid": 7, "versions.jax": "0.10.2", "devices": ["cpu:0", "cpu:1"]}),
            {
                "soltrace.resource.pid": 7,
                "soltrace.resource.versions.jax": "0.10.2",
                "soltrace.resource.devices": ("cpu:0", "cpu:1"),
            },
        ),
        (
            TelemetryDropped(**COMMON, level="warning", dropped=3, what="span", reason="refused"),
            {"soltrace.dropped": 3, "soltrace.what": "span", "soltrace.reason": "refused"},
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, msgspec.Struct) else "",
)
def test_fields_are_attributes(record, attributes, exported):
    """Under their own names; nested ones with dots, what is not known left out, and no int too large."""
    log = emitted(exported, record)
    common = {"soltrace.schema": 1, "soltrace.run_id": "run"}
    if "pass_id" in record.__struct_fields__:
        common |= {"soltrace.solve_id": "run.1", "soltrace.pass_id": "run.1.forward", "soltrace.phase": "forward"}
    assert dict(log.attributes) == common | attributes
    encode_logs(exported.exporter.get_finished_logs())  # the protocol takes all of it


@pytest.mark.parametrize(
    "level, text, number",
    [("debug", "DEBUG", 5), ("info", "INFO", 9), ("warning", "WARN", 13), ("error", "ERROR", 17)],
)
def test_severities(level, text, number, exported):
    """By OpenTelemetry's names, which are not Python's."""
    log = emitted(exported, ExperimentEnded(**COMMON, level=level, status="error", duration_s=1.0, error="no"))
    assert (log.severity_text, log.severity_number.value, log.body) == (text, number, "experiment.ended")


def test_time_is_told_to_the_microsecond(exported):
    """A float would round it."""
    assert emitted(exported, TelemetryDropped(**COMMON, dropped=1, what="a", reason="b")).timestamp == int(
        "1767270600123456000"
    )


def test_a_record_without_a_span_has_no_ids(exported):
    """Even where a span is current on the thread that emits: that one is somebody else's."""
    span = TracerProvider().get_tracer("mine").start_span("mine")
    token = otel_context.attach(trace.set_span_in_context(span))
    log = emitted(exported, TelemetryDropped(**COMMON, dropped=1, what="a", reason="b"))
    otel_context.detach(token)
    assert (log.trace_id, log.span_id, log.trace_flags) == (0, 0, 0)


values = st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False))
own = st.dictionaries(st.text(min_size=1), st.one_of(values, st.text(), st.lists(st.one_of(values, st.text()))))


@given(own)
def test_what_a_user_gives_is_what_is_sent(attributes):
    """Under a namespace of its own, so that no name of a user's is taken for one of ours."""
    sent = attributes_of(TelemetryDropped(**COMMON | {"attributes": attributes}, dropped=1, what="a", reason="b"))
    prefix = "soltrace.experiment.attributes."
    assert {name.removeprefix(prefix): value for name, value in sent.items() if name.startswith(prefix)} == attributes


def test_it_says_what_the_json_log_says(program, exported):
    """Field by field, so that a collector may read either."""
    lines = []
    with capture(
        sinks=[OtelLogs(exported.provider)], tracing=Spans(TracerProvider()), attributes={"a": [1, "b"]}
    ) as told:
        with experiment("fit", seed=3):
            program.end(program.start(t1=math.inf), t=math.nan, result=1)
        lines = [json.loads(json_line(record)) for record in told.records]
    assert [as_line(log) for log in exported.logs] == lines


def as_line(log):
    """A log record as the line that it stands for."""
    line = {
        "timestamp": datetime.fromtimestamp(log.timestamp // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        + f".{log.timestamp // 1000 % 10**6:06}Z",
        "level": {"WARN": "warning"}.get(log.severity_text, log.severity_text.lower()),
        "event": log.event_name,
        "experiment": log.attributes.get("soltrace.experiment.name"),
        "attributes": {},
    }
    if log.trace_id:
        line |= {"trace_id": trace.format_trace_id(log.trace_id), "span_id": trace.format_span_id(log.span_id)}
    for name, value in log.attributes.items():
        *path, last = name.removeprefix("soltrace.").removeprefix("experiment.").split(".")
        place = line
        for part in path:
            place = place.setdefault(part, {})
        if name != "soltrace.experiment.name":
            place[last] = list(value) if isinstance(value, tuple) else value
    return line


@pytest.mark.parametrize("provider", [None, api.NoOpLoggerProvider()], ids=["none", "no-op"])
def test_without_an_sdk_nothing_is_made(provider, program, monkeypatch, capsys):
    """The API's no-op: no attributes are put together, nothing is printed."""
    monkeypatch.setattr("soltrace.sinks.log_records.attributes_of", None)
    sink = OtelLogs(provider)
    with capture(sinks=[sink]) as told:
        program.solve()
        told.flush()
        assert told.recorder.losses.total() == []
    assert sink.flush(1.0) is True
    assert capsys.readouterr() == ("", "")


class Broken(LoggerProvider):
    """A provider whose logger fails wherever a pass is told of."""

    def get_logger(self, *_, **__):
        return self

    def emit(self, event_name, **_):
        if event_name.startswith("pass."):
            raise RuntimeError("no logs today")


def test_a_broken_logger_costs_its_log_records_and_nothing_else(program):
    """The other sinks go on, and what was lost is counted."""
    provider = Broken()
    OUTSIDE.__init__()
    with capture(sinks=[OtelLogs(provider)]) as told:
        program.solve()
        assert [event["event"] for event in told.events()] == ["pass.started", "pass.progress", "pass.ended"]
        assert told.recorder.flush(10.0)
        lost = [(loss.what, loss.reason, loss.dropped) for loss in OUTSIDE.total()]
    OUTSIDE.__init__()
    provider.shutdown()
    assert lost == [("log record", "OtelLogs: RuntimeError: no logs today", 3)]


def test_flush_reaches_the_exporter(exported):
    """The provider's own, if it has one; and closing leaves the provider to the user."""
    sink = OtelLogs(exported.provider)
    assert sink.flush(1.0) is True
    sink.close()
    assert (
        emitted(exported, TelemetryDropped(**COMMON, dropped=1, what="a", reason="b")).event_name == "telemetry.dropped"
    )
