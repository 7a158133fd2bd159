"""A backend that takes OTLP, in this process, and behaves as badly as it is told to; and programs that export to it."""

import json
import os
import subprocess
import sys
import threading
import time
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import add_LogsServiceServicer_to_server
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import add_MetricsServiceServicer_to_server
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import add_TraceServiceServicer_to_server

SOLVE = """
import numpy as np
import soltrace.setup.configure  # as `soltrace.diffeqsolve` does
from soltrace import host
from soltrace.host import Signal

info = host.SolveInfo(solver="Tsit5", adjoint="Direct", controller="PID")

def begin():
    return host.receive(Signal.FORWARD_START, info, np.array([0, 1, 0], np.int32), np.array([0, 1, 1, 0, 0.0]))

def solve():
    start = begin()
    host.receive(Signal.FORWARD_END, info, np.array([start[0], 3, 2, 0], np.int32), np.array([1.0]))
"""
REQUESTS = {
    "traces": traces.ExportTraceServiceRequest,
    "metrics": metrics.ExportMetricsServiceRequest,
    "logs": logs.ExportLogsServiceRequest,
}


class Backend:
    """What arrived, and how it is answered: `ok`, `hang` (taken, and never answered) or a status of HTTP."""

    def __init__(self):
        self.answer = "ok"
        self.arrived = []
        self.over = threading.Event()
        backend = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = backend.take(self.path.rpartition("/")[2], body, dict(self.headers))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *args):
                pass  # whoever called has gone

        self.server = Server(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def take(self, signal, body, headers):
        if self.answer in {"ok", "hang"}:
            self.arrived.append((signal, REQUESTS[signal].FromString(body), headers))
        if self.answer == "hang":
            self.over.wait(60)
        return 200 if self.answer in {"ok", "hang"} else self.answer

    def of(self, signal):
        """What arrived of a signal: the resource's attributes, and the item."""
        parts = {"traces": ("spans", "spans"), "logs": ("logs", "log_records"), "metrics": ("metrics", "metrics")}
        scope, items = parts[signal]
        return [
            (attributes(resource.resource.attributes), item)
            for kind, request, _ in self.arrived
            if kind == signal
            for resource in getattr(request, f"resource_{scope}")
            for scoped in getattr(resource, f"scope_{scope}")
            for item in getattr(scoped, items)
        ]

    @property
    def spans(self):
        """The names of the spans that arrived."""
        return sorted(span.name for _, span in self.of("traces"))

    def close(self):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()


class GrpcBackend(Backend):
    """The same over gRPC: any answer but `ok` and `hang` is a code of gRPC."""

    def __init__(self):
        self.answer, self.arrived, self.over = "ok", [], threading.Event()
        self.server = grpc.server(futures.ThreadPoolExecutor(8))
        for signal, add in {
            "traces": add_TraceServiceServicer_to_server,
            "metrics": add_MetricsServiceServicer_to_server,
            "logs": add_LogsServiceServicer_to_server,
        }.items():
            add(SimpleNamespace(Export=self.servicer(signal)), self.server)
        self.endpoint = f"http://127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()

    def servicer(self, signal):
        response = {
            "traces": traces.ExportTraceServiceResponse,
            "metrics": metrics.ExportMetricsServiceResponse,
            "logs": logs.ExportLogsServiceResponse,
        }[signal]

        def export(request, context):
            if self.answer not in {"ok", "hang"}:
                context.abort(self.answer, "as told")
            self.arrived.append((signal, request, {}))
            if self.answer == "hang":
                self.over.wait(60)
            return response()

        return export

    def close(self):
        self.over.set()
        self.server.stop(None).wait()


def attributes(pairs):
    """Attributes of the protocol as a dictionary."""
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


@pytest.fixture
def backend():
    """A backend that takes OTLP over HTTP."""
    backend = Backend()
    yield backend
    backend.close()


@pytest.fixture
def grpc_backend():
    """A backend that takes OTLP over gRPC."""
    backend = GrpcBackend()
    yield backend
    backend.close()


@pytest.fixture
def run(tmp_path):
    """Run a program that solves something, in a process of its own; tells how it ended, and after how long."""

    def run(program, *options, **environ):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "SOLTRACE_"))}
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, *options, "-c", SOLVE + program],
            cwd=tmp_path,
            env=kept | {"SOLTRACE_DIR": "logs"} | environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        done.took_s = time.monotonic() - began
        done.said = [line for line in done.stderr.splitlines() if "soltrace: logging to" not in line]
        return done

    return run


@pytest.fixture
def lines(tmp_path):
    """What the logs say, all together."""
    return lambda: [json.loads(line) for log in tmp_path.glob("logs/*.jsonl") for line in log.read_text().splitlines()]
