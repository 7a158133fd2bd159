"""Log records, asked of the real VictoriaLogs."""

import json
import time

import numpy as np
import pytest
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from soltrace import experiment
from soltrace.host import Signal
from soltrace.host.clock import SystemClock
from soltrace.host.emission import moment
from soltrace.sinks.log_records import SEVERITY, OtelLogs, attributes_of
from soltrace.sinks.spans import Spans
from soltrace.testing import capture
from soltrace.wire.losses import What, Why
from soltrace.wire.records import LogOpened, PassHeartbeat

EVENTS = [
    "experiment.ended",
    "experiment.started",
    "lane.ended",
    "log.opened",
    "pass.ended",
    "pass.heartbeat",
    "pass.progress",
    "pass.started",
    "program.compiled",
    "telemetry.dropped",
]


@pytest.fixture
def service(request):
    """Each test is a service of its own."""
    return request.node.name


@pytest.fixture
def provider(stack, service):
    """One that exports to the collector."""
    provider = LoggerProvider(Resource({"service.name": service}))
    exporter = OTLPLogExporter(endpoint=f"{stack.otlp_http}/v1/logs")
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    yield provider
    provider.shutdown()


def everything(told, program):
    """A run in which each event there is happens at least once."""
    common = {"timestamp": moment(time.time_ns()), "run_id": "run", "experiment": None, "attributes": {}}
    resource = {"host": "h", "pid": 7, "devices": ["cpu:0", "cpu:1"]}
    told.recorder.announce(LogOpened(**common, resource=resource))
    told.recorder.compiled("f", trace_s=0.0, lower_s=0.5, compile_s=2.0)
    with experiment("fit", lr=1e-3, layers=[64, 2.5, "a"], flag=True, none=[]):
        forward = program.tell(Signal.FORWARD_START, [[0, 1, 0]] * 2, [[0, 1, 1, 1e-3, 1e-3]] * 2)[0]
        program.tell(Signal.FORWARD_STEP, [[forward, 1, 1, 0]] * 2, [[0.5], [0.25]])
        deadline = time.monotonic() + 30.0
        while not any(isinstance(record, PassHeartbeat) for record in told.records):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        program.tell(Signal.FORWARD_END, [[forward, 3, 3, 0], [forward, 3, 3, 1]], [[1.0], [float("nan")]])
        told.recorder.losses.add(What.PROGRESS, Why.QUEUE_FULL, 7)
        program.solve()


def test_every_event_arrives_with_its_ids_and_fields(stack, service, provider, program):
    """Nothing is left out, renamed or of another form than in the record."""
    sinks, tracing = [OtelLogs(provider)], Spans(TracerProvider())
    with capture(sinks=sinks, tracing=tracing, clock=SystemClock(), heartbeat_s=0.05, programs=True) as told:
        everything(told, program)
        records = told.records
        provider.force_flush()
        found = stack.logs.query(f'"service.name":="{service}"', len(records))
    assert sorted({log["event_name"] for log in found}) == EVENTS
    assert in_order(map(fields, found)) == in_order(map(expected, records))
    assert {bool(log.get("trace_id")) for log in found if log["event_name"].startswith(("pass", "lane"))} == {True}


def in_order(logs):
    """By what they say: those of one report have the same time."""
    return sorted(logs, key=lambda log: sorted(log.items()))


def fields(log):
    """What VictoriaLogs has of a record, without what it has of the service."""
    own = ("_msg", "event_name", "severity_text", "severity_number", "trace_id", "span_id")
    return {name: value for name, value in log.items() if name in own or name.startswith("soltrace.")}


def expected(record):
    """What it is to have: every value as a string."""
    event = str(record.__struct_config__.tag)
    text, number = SEVERITY[record.level]
    ids = {"trace_id": record.trace_id, "span_id": record.span_id} if record.trace_id else {}
    named = {"_msg": event, "event_name": event, "severity_text": text, "severity_number": str(number.value)} | ids
    return named | {name: as_text(value) for name, value in attributes_of(record).items()}


def as_text(value):
    """A value as VictoriaLogs keeps it: never with an exponent, and with no `.0`."""
    if isinstance(value, list):
        return "[" + ",".join(json.dumps(item) if isinstance(item, str) else as_text(item) for item in value) + "]"
    if isinstance(value, float):
        return np.format_float_positional(value, trim="-")
    return value if isinstance(value, str) else json.dumps(value)
