"""Long work shows how far it is: on a terminal, on stderr, and nowhere else."""

import importlib.util
import os
import pty
import re
import subprocess
import threading
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("collector", Path(__file__).parents[1] / "shipping" / "conftest.py")
_collector = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_collector)


def on_a_terminal(soltrace, *arguments):
    """Run with stderr on a terminal. Returns the status, stdout, and what the terminal was sent."""
    ours, theirs = pty.openpty()
    environ = soltrace.environ | {"TERM": "xterm-256color", "COLUMNS": "100"}
    command = soltrace.arguments(*arguments)
    process = subprocess.Popen(
        command, cwd=soltrace.directory, env=environ, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs
    )
    os.close(theirs)
    sent = []

    def read():
        try:
            while data := os.read(ours, 1 << 16):
                sent.append(data)
        except OSError:  # the other end is closed
            pass

    reader = threading.Thread(target=read)
    reader.start()
    out, _ = process.communicate(timeout=60)
    reader.join()
    os.close(ours)
    return process.returncode, out.decode(), re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", b"".join(sent).decode())


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "doing", "repeats"),
    [
        (["report", "--format", "md"], "reading", 60),  # DuckDB tells how far it is
        (["convert", "-o", "x/", "--to", "otlp-json"], "writing", 2),
    ],
)
def test_how_far_it_is(soltrace, log, tmp_path, arguments, doing, repeats):
    """A bar with what is being done; what is written has nothing of it, and without a terminal there is none."""
    runs = tmp_path / "run.jsonl"
    lines = b"".join(log.line(log.progress(second, progress=0.5, step=3)) for second in range(3000))
    runs.write_bytes(log.line(log.started(0)) + lines * repeats)
    status, out, sent = on_a_terminal(soltrace, *arguments, runs)
    assert status == 0
    assert re.search(rf"[━╸] +\d+% {doing}", sent), repr(sent[-600:])
    again, out_again, err = soltrace.run(*arguments, runs)
    assert (again, out_again) == (0, out.split("\n")[:-1])
    assert [line for line in err if "━" in line] == []


@pytest.mark.slow
@pytest.mark.once
def test_how_much_was_sent(soltrace, log, tmp_path):
    """`soltrace ship` shows the same bar, and says how much in the end."""
    runs = tmp_path / "run.jsonl"
    runs.write_bytes(b"".join(log.line(log.progress(second, progress=0.5, step=3)) for second in range(5000)))
    collector = _collector.Collector()
    try:
        status, out, sent = on_a_terminal(soltrace, "ship", "--endpoint", collector.address, runs)
    finally:
        collector.close()
    assert (status, out) == (0, "")
    assert re.search(r"[━╸] +\d+% [\d,]+ log records, 0 spans", sent)
    assert re.search(r"soltrace: sent 5,000 log records and 0 spans of 1 log in [\d.]+ s\r\n$", sent)
