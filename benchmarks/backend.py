"""A backend in a process of its own: `python -m benchmarks.backend` takes OTLP over HTTP, counts it, drops it."""

import atexit
import itertools
import json
import subprocess
import sys
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # the exporter keeps its connection
    taken: ClassVar[Counter[str]] = Counter()
    """Bytes by path."""

    def do_POST(self) -> None:
        """Take what is sent."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.taken[self.path] += len(body)
        self._answer(b"")

    def do_GET(self) -> None:
        """Tell what was taken."""
        self._answer(json.dumps(self.taken).encode())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Stay silent."""


def start() -> str:
    """Start one on a free port and give its endpoint.

    It ends with this process, after soltrace has: what is registered first runs last.
    """
    command = [sys.executable, "-m", "benchmarks.backend"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ourselves
    atexit.register(process.communicate)
    atexit.register(process.terminate)
    (port,) = itertools.islice(process.stdout or (), 1)
    return f"http://127.0.0.1:{port.strip()}"


def main() -> None:
    """Serve until terminated; the first line says the port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
