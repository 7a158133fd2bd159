"""The collector is killed in the middle of a thousand passes, and comes back: each arrives, or is counted as lost."""

import json
import os
import subprocess
import sys
import uuid
from contextlib import contextmanager

import pytest

PASSES = 1000
PROGRAM = """
import sys, time
import numpy as np
import soltrace
from soltrace import host
from soltrace.host import Signal

def solve():
    info = host.SolveInfo(solver="Tsit5", adjoint="Direct", controller="PID")
    start = host.receive(Signal.FORWARD_START, info, np.array([0, 1, 0], np.int32), np.array([0, 1, 1, 0, 0.0]))
    host.receive(Signal.FORWARD_END, info, np.array([start[0], 3, 2, 0], np.int32), np.array([1.0]))

soltrace.configure(exit_timeout_s=25.0)
for number in range(1000):
    if number % 100 == 0:
        if "step" in sys.argv:
            soltrace.flush()
        print(number, flush=True)
        sys.stdin.readline()
    solve()
    time.sleep(0.001)
"""


@contextmanager
def passing(stack, protocol, tmp_path, *arguments, **environ):
    """Run the program. It tells each hundred passes, and goes on when it is told to."""
    environ |= {
        "OTEL_EXPORTER_OTLP_ENDPOINT": stack.otlp_grpc if protocol == "grpc" else stack.otlp_http,
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "SOLTRACE_DIR": str(tmp_path),
    }
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    command = [sys.executable, "-c", PROGRAM, *arguments]
    with subprocess.Popen(command, env=os.environ | environ, text=True, bufsize=1, **pipes) as program:
        yield program
    assert program.returncode == 0


def told(tmp_path):
    """The passes of the log, and how many spans it says were lost."""
    (log,) = tmp_path.glob("*.jsonl")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    lost = sum(line["dropped"] for line in lines if line["event"] == "telemetry.dropped" and line["what"] == "span")
    return {line["pass_id"] for line in lines if line["event"] == "pass.ended"}, lost


def arrived(stack, service, at_least):
    """The passes that are in Jaeger. An export that was tried again may have brought one twice."""
    return {span["tags"]["soltrace.pass_id"] for span in stack.jaeger.spans(service, at_least)}


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_short_outage_loses_nothing(protocol, stack, tmp_path):
    """The collector is killed wherever it is just then; exports are tried again until it is back."""
    service = f"outage-{uuid.uuid4()}"
    pace = {"OTEL_BSP_SCHEDULE_DELAY": "20", "OTEL_EXPORTER_OTLP_TIMEOUT": "20", "OTEL_SERVICE_NAME": service}
    with passing(stack, protocol, tmp_path, **pace) as program:
        for line in program.stdout:
            program.stdin.write("\n")
            if line == "400\n":
                stack.collector.kill()
            if line == "700\n":
                stack.collector.start()
        assert [line for line in program.stderr if "export" in line] == []
    passes, lost = told(tmp_path)
    assert (len(passes), lost) == (PASSES, 0)
    assert arrived(stack, service, PASSES) == passes


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_what_a_long_outage_loses_is_counted(protocol, stack, tmp_path):
    """Longer than exports are tried: what is in Jaeger and what the log says was lost are all."""
    service = f"outage-{uuid.uuid4()}"
    pace = {"OTEL_EXPORTER_OTLP_TIMEOUT": "0.5", "OTEL_SERVICE_NAME": service}
    with passing(stack, protocol, tmp_path, "step", **pace) as program:
        for line in program.stdout:
            if line == "300\n":
                stack.collector.kill()
            if line == "600\n":
                stack.collector.start()
            program.stdin.write("\n")
        said = [line for line in program.stderr if "spans are not exported: " in line]
    passes, lost = told(tmp_path)
    assert (len(passes), lost, len(said)) == (PASSES, 300, 1)
    there = arrived(stack, service, PASSES - lost)
    assert there <= passes
    assert len(there) + lost == PASSES
