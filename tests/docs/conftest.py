"""Where the pages are run: a directory of their own, a scheduler that is a shell, and somebody who takes OTLP."""

import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SBATCH = """#!/usr/bin/env bash
# Slurm, as far as the pages need it: runs the tasks of an array at once, and waits for them. That a real one carries
# the environment into each task is what it promises itself.
set -euo pipefail
script=$1
range=$(sed -n 's/^#SBATCH --array=//p' "$script")
pids=()
for task in $(seq "${range%-*}" "${range#*-}"); do
    SLURM_JOB_ID=17 SLURM_ARRAY_JOB_ID=17 SLURM_ARRAY_TASK_ID=$task bash -eu "$script" &
    pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid"; done
"""


class Receiver:
    """Takes OTLP over HTTP, and remembers of which signals something came."""

    def __init__(self):
        self.signals = set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                receiver.signals.add(self.path.rpartition("/")[2])
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver():
    """A backend of OpenTelemetry's."""
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def environ(tmp_path):
    """The environment of a page: our programs first, nothing of the tester's."""
    programs = tmp_path / ".programs"
    programs.mkdir()
    (programs / "sbatch").write_text(SBATCH)
    (programs / "sbatch").chmod(0o755)
    return {
        "PATH": os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "HOME": str(tmp_path),
        "SCRATCH": str(tmp_path / "scratch"),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "JAX_PLATFORMS": "cpu",
        # These are not shown by Python itself either: what OTLP goes out with leaves its sockets to the collector.
        "PYTHONWARNINGS": "error,ignore::ResourceWarning",
    }
