"""Three variables, and everything that a program tells is in Jaeger, Prometheus and VictoriaLogs."""

import os
import subprocess
import sys
import uuid

import pytest

PROGRAM = """
import jax
import diffrax
import soltrace

def loss(y):
    return soltrace.diffeqsolve(diffrax.ODETerm(lambda t, y, args: -y), diffrax.Tsit5(), 0.0, 1.0, 0.1, y).ys[0]

with soltrace.experiment("decay", seed=3):
    jax.grad(loss)(1.0)
"""


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_an_endpoint_is_enough(protocol, stack, tmp_path):
    """All three signals, under the service's name; exactly what the JSON log says of the two passes."""
    service = f"export-{uuid.uuid4()}"
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": stack.otlp_grpc if protocol == "grpc" else stack.otlp_http,
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_SERVICE_NAME": service,
        "SOLTRACE_DIR": str(tmp_path),
    }
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=os.environ | environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert "not exported" not in done.stderr
    spans = stack.jaeger.spans(service, at_least=3)
    assert sorted(span["operationName"] for span in spans) == ["decay", "diffeqsolve backward", "diffeqsolve forward"]
    assert len({span["traceID"] for span in spans}) == 1
    counts = stack.prometheus.query(f'soltrace_pass_duration_seconds_count{{job="{service}"}}', at_least=2)
    assert sorted((labels["soltrace_phase"], value) for labels, value in counts) == [
        ("backward", 1.0),
        ("forward", 1.0),
    ]
    events = [record["event_name"] for record in stack.logs.query(f'service.name:="{service}"', at_least=9)]
    assert events.count("pass.ended") == 2
    assert events[0] == "log.opened"
