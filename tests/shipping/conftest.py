"""A collector that remembers what it took, and logs of runs that could not send anything."""

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_REQUESTS = {
    "/v1/logs": ExportLogsServiceRequest,
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
}


class Collector:
    """Takes OTLP over HTTP."""

    def __init__(self):
        self.requests = []
        self.answers = []
        """What is answered first, instead of taking anything: a status each."""
        self.answering = threading.Event()
        """While it is not set, what was taken is not acknowledged."""
        self.answering.set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                data = self.rfile.read(int(self.headers["Content-Length"]))
                status = collector.answers.pop(0) if collector.answers else 200
                if status == 200:
                    collector.requests.append(_REQUESTS[self.path].FromString(data))
                collector.answering.wait()
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *args):
                pass  # whoever is killed hangs up

        self.server = Server(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def log_records(self):
        """All that it took, in order."""
        return [
            record
            for request in self.requests
            for resource in getattr(request, "resource_logs", ())
            for scope in resource.scope_logs
            for record in scope.log_records
        ]

    @property
    def spans(self):
        """All that it took, in order."""
        return [
            span
            for request in self.requests
            for resource in getattr(request, "resource_spans", ())
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def span_ids(self):
        """How often it took each span."""
        return Counter(span.span_id.hex() for span in self.spans)

    @property
    def record_ids(self):
        """How often it took each log record."""
        return Counter(
            attribute.value.string_value
            for record in self.log_records
            for attribute in record.attributes
            if attribute.key == "log.record.uid"
        )

    def close(self):
        """End it."""
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def collector():
    """A collector, up."""
    collector = Collector()
    yield collector
    collector.close()
