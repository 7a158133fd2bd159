"""A real MLflow, and somebody who takes OTLP over HTTP in place of those that are not to be had."""

import gzip
import json
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.stack.servers import Server, free_ports, program


class MLflow:
    """What its REST API says."""

    def __init__(self, url):
        self.url = url

    def ask(self, path, **question):
        """One question, one answer, both JSON."""
        request = urllib.request.Request(
            f"{self.url}/api/{path}", json.dumps(question).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def get(self, path):
        with urllib.request.urlopen(f"{self.url}/api/{path}", timeout=10) as answer:
            return json.load(answer)


@pytest.fixture
def mlflow(tmp_path):
    """A server as `mlflow server` starts it, with an empty database."""
    (port,) = free_ports(1)
    directory = tmp_path / "mlflow"
    directory.mkdir()
    server = Server(
        [
            program("mlflow") / "bin" / "mlflow",
            "server",
            f"--port={port}",
            "--workers=1",
            f"--backend-store-uri=sqlite:///{directory}/mlflow.db",
            f"--artifacts-destination={directory}",
        ],
        {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        f"http://127.0.0.1:{port}/health",
        directory / "server.log",
    )
    server.start()
    yield MLflow(f"http://127.0.0.1:{port}")
    server.stop()


class Receiver:
    """Takes OTLP over HTTP, and keeps every request: its path, its headers, its body."""

    def __init__(self):
        self.requests = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                body = gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body
                receiver.requests.append((self.path, self.headers, body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def receiver():
    """A backend of which all that is known is what its documentation asks for."""
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()
