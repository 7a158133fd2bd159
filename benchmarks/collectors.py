"""An agent, a gateway and, behind it, stores that count what arrives and keep nothing. For `benchmarks.ranks`."""

import gzip
import os
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as trace_grpc

from soltrace.shipping.sender import Sender
from tests.stack.servers import Server, chained, free_ports

PATIENCE_S = 300.0
Posted = tuple[str, bytes]
"""A signal and the body of a request."""


@dataclass
class Spent:
    """What the collectors took for what was sent."""

    agent_s: float
    gateway_s: float
    agent_mib: float
    gateway_mib: float


class Chain:
    """The collectors, and how many log records have come through them."""

    def __init__(self, directory: Path, traces: int, logs: "_Store") -> None:
        ports = iter(free_ports(6))
        at = [{name: f"127.0.0.1:{next(ports)}" for name in ("grpc", "http", "health")} for _ in range(2)]
        web = f"http://127.0.0.1:{logs.server_port}"
        stores = {"TO_JAEGER": f"127.0.0.1:{traces}", "TO_PROMETHEUS": web, "TO_VICTORIALOGS": web}
        self.gateway = chained("gateway", at[0], directory, **{f"OTELCOL_{name}": to for name, to in stores.items()})
        self.agent = chained("agent", at[1], directory, OTELCOL_GATEWAY=at[0]["grpc"])
        self._state, self._logs = directory / "agent", logs
        self._sender = Sender(f"http://{at[1]['http']}", PATIENCE_S, lambda: None, {})
        self._posted = 0

    @property
    def arrived(self) -> int:
        """How many log records have arrived."""
        return self._logs.records

    def post(self, requests: Sequence[Posted]) -> None:
        """Send requests, one after the other."""
        for signal, body in requests:
            self._sender.send(signal, body)
            if signal == "logs":
                self._posted += _records(body)

    def send(self, requests: Sequence[Posted]) -> Spent:
        """Send requests, wait until all have come through, and say what that took."""
        before = [_processor_s(server) for server in (self.agent, self.gateway)]
        self.post(requests)
        self.wait(self._posted)
        agent, gateway = (_processor_s(server) for server in (self.agent, self.gateway))
        return Spent(agent - before[0], gateway - before[1], _peak_mib(self.agent), _peak_mib(self.gateway))

    def wait(self, records: int) -> None:
        """Wait until so many log records have arrived."""
        deadline = time.monotonic() + PATIENCE_S
        while self.arrived < records and time.monotonic() < deadline:
            time.sleep(0.1)

    def queue_bytes(self) -> int:
        """Return what the agent's queue takes on the disk."""
        time.sleep(2)  # what it is about to send is counted until it is sent
        return sum(file.stat().st_size for file in self._state.iterdir())

    def begin_anew(self) -> None:
        """Start the agent again, with an empty queue: its file keeps the size that it once had."""
        self.agent.stop()
        shutil.rmtree(self._state)
        self.agent.start()


class _Store(ThreadingHTTPServer):
    """Takes log records over HTTP, and counts them. Metrics it takes too."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taker)
        self.records, self.lock = 0, threading.Lock()


class _Taker(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Store

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/v1/logs"):
            found = _records(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
            with self.server.lock:
                self.server.records += found
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class _Spans(trace_grpc.TraceServiceServicer):
    def Export(self, request: trace.ExportTraceServiceRequest, context: grpc.ServicerContext) -> object:  # noqa: N802
        return trace.ExportTraceServiceResponse()


def _records(body: bytes) -> int:
    request = ExportLogsServiceRequest.FromString(body)
    return sum(len(scope.log_records) for resource in request.resource_logs for scope in resource.scope_logs)


def _processor_s(server: Server) -> float:
    fields = Path(f"/proc/{server.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_mib(server: Server) -> float:
    """Return the most memory that a collector has had since it was started."""
    status = Path(f"/proc/{server.pid}/status").read_text(encoding="ascii")
    (peak,) = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(peak) / 1024


@contextmanager
def chain(directory: Path) -> Iterator[Chain]:
    """Run them, in a directory."""
    spans = grpc.server(ThreadPoolExecutor(2))
    trace_grpc.add_TraceServiceServicer_to_server(_Spans(), spans)
    port = spans.add_insecure_port("127.0.0.1:0")
    spans.start()
    logs = _Store()
    threading.Thread(target=logs.serve_forever, args=(0.05,), daemon=True).start()
    collectors = Chain(directory, port, logs)
    try:
        collectors.gateway.start()
        collectors.agent.start()
        yield collectors
    finally:
        collectors.agent.kill()
        collectors.gateway.kill()
        spans.stop(None)
        logs.shutdown()
        logs.server_close()
