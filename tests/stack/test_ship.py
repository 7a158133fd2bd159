"""A collector that was dead for a job's whole life, and `soltrace ship` afterwards, asked of the real backends."""

import json
import os
import subprocess
import sys
import uuid

import duckdb
import pytest

from tests.stack.servers import chained, free_ports
from tests.stack.test_export import PROGRAM


@pytest.fixture
def reads_files(stack, tmp_path):
    """A collector that reads OTLP's JSON lines, and sends them to that of the stack."""
    places = dict(zip(("grpc", "http", "health"), (f"127.0.0.1:{port}" for port in free_ports(3)), strict=True))
    sends_to = stack.otlp_grpc.removeprefix("http://")
    server = chained("files", places, tmp_path, OTELCOL_FILES=f"{tmp_path}/otlp", OTELCOL_GATEWAY=sends_to)
    yield server
    server.kill()


def test_what_a_dead_collector_missed_is_there_once_it_is_shipped(stack, reads_files, tmp_path):
    """Every pass and every line, under the ids that the log has, and counted; once, though it is shipped twice."""
    service = f"ship-{uuid.uuid4()}"
    environ = os.environ | {"SOLTRACE_DIR": str(tmp_path), "OTEL_SERVICE_NAME": service}
    # Port 9 is nobody's.
    live = environ | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_METRICS_EXPORTER": "none"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=live, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (log,) = tmp_path.glob("*.exported.jsonl")
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]

    command = [sys.executable, "-m", "soltrace", "ship", str(log), "--endpoint", stack.otlp_http, "--metrics"]
    for sent in (f"{len(lines)} log records and 3 spans", "0 log records and 0 spans"):
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
        assert done.stderr.startswith(f"soltrace: sent {sent} of 1 log in ")

    spans = stack.jaeger.spans(service, at_least=3)
    assert sorted(span["operationName"] for span in spans) == ["decay", "diffeqsolve backward", "diffeqsolve forward"]
    told = {(line["trace_id"], line["span_id"]) for line in lines if "span_id" in line}
    assert {(span["traceID"], span["spanID"]) for span in spans} == told
    counts = stack.prometheus.query(f'soltrace_pass_duration_seconds_count{{job="{service}"}}', at_least=2)
    assert sorted((labels["soltrace_phase"], value) for labels, value in counts) == [
        ("backward", 1.0),
        ("forward", 1.0),
    ]
    records = stack.logs.query(f'service.name:="{service}"', at_least=len(lines))
    assert sorted(record["event_name"] for record in records) == sorted(line["event"] for line in lines)
    assert {(record["trace_id"], record["span_id"]) for record in records if "span_id" in record} == told

    named = environ | {"OTEL_SERVICE_NAME": f"{service}-written"}
    command = [sys.executable, "-m", "soltrace", "convert", str(log), "-o", f"{tmp_path}/otlp/", "--to", "otlp-json"]
    subprocess.run(command, env=named, capture_output=True, check=True)
    reads_files.start()
    # Of both services, for their traces are the same.
    stack.jaeger.spans(f"{service}-written", at_least=2 * len(spans))
    traces = stack.jaeger.traces(f"{service}-written")
    written = of_service(traces, f"{service}-written")
    assert written == of_service(traces, service)
    assert written.keys() == {span_id for _, span_id in told}
    records_again = stack.logs.query(f'service.name:="{service}-written"', at_least=len(lines))
    assert sorted(map(without_its_service, records_again)) == sorted(map(without_its_service, records))
    with duckdb.connect() as connection:
        found = connection.execute(SPANS_IN_DUCKDB, [f"{tmp_path}/otlp/traces.jsonl"]).fetchall()
    assert {(trace_id, span_id) for trace_id, span_id in found} == told


SPANS_IN_DUCKDB = """
SELECT span.traceId, span.spanId FROM (
    SELECT unnest(scope.spans) AS span FROM (
        SELECT unnest(r.scopeSpans) AS scope FROM (SELECT unnest(resourceSpans) AS r FROM read_json(?))
    )
)
"""


def of_service(traces, service):
    """The spans of a service by their ids, without what Jaeger says of where it has them from."""
    return {
        span["spanID"]: {key: value for key, value in span.items() if key not in {"processID", "warnings"}}
        for trace in traces
        for span in trace["spans"]
        if trace["processes"][span["processID"]]["serviceName"] == service
    }


def without_its_service(record):
    """A log record, but for the name of its service, and where the store has it."""
    return sorted(
        (key, value) for key, value in record.items() if key != "service.name" and not key.startswith("_stream")
    )
