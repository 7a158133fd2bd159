import os
import subprocess
import sys

import pytest

from tests.export.conftest import SOLVE

BUSY = {
    "sleeping": "time.sleep(60)",
    "compiled": "hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)",
    "in python": "while True: pass",
}
"""What the main thread may be about. A handler of Python's does not run before the second of them is over."""
PROGRAM = """
import hashlib, sys, threading, time
soltrace.configure(flush_on_sigterm=True)
solve()
def busy():
    {busy}
def watch():
    while sys._current_frames()[threading.main_thread().ident].f_code.co_name != "busy": time.sleep(0.001)
    print("ready", flush=True)
threading.Thread(target=watch, daemon=True).start()
busy()
"""


@pytest.fixture
def terminated(tmp_path):
    """Run a program, and send it SIGTERM once it says that it is ready. Tells how it ended, and what it said then."""

    def terminated(program, **environ):
        environ = os.environ | {"SOLTRACE_DIR": str(tmp_path / "logs")} | environ
        command = [sys.executable, "-c", SOLVE + program]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, env=environ, **pipes) as running:
            try:
                assert running.stdout.readline() == "ready\n"
                running.terminate()
                _, said = running.communicate(timeout=30)
            finally:
                running.kill()
        return running.returncode, [line for line in said.splitlines() if "logging to" not in line]

    return terminated


@pytest.mark.parametrize("busy", BUSY)
def test_sigterm_loses_nothing_if_asked(busy, terminated, backend, lines):
    """Wherever the main thread is; the log is complete, and the span is exported. As at any end."""
    program = PROGRAM.format(busy=BUSY[busy])
    assert terminated(program, OTEL_EXPORTER_OTLP_ENDPOINT=backend.endpoint) == (143, [])
    assert [line["event"] for line in lines()] == ["log.opened", "pass.started", "pass.ended"]
    assert backend.spans == ["diffeqsolve forward"]


def test_sigterm_ends_at_once_if_not_asked(terminated, backend):
    """As any Python program."""
    program = "solve(); print('ready', flush=True)\nimport time; time.sleep(60)"
    assert terminated(program, OTEL_EXPORTER_OTLP_ENDPOINT=backend.endpoint) == (-15, [])


def test_a_handler_of_the_programs_own_stays(terminated, lines):
    """It decides how the process ends, and then the end is as usual."""
    program = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
soltrace.configure(flush_on_sigterm=True)
solve()
print('ready', flush=True)
time.sleep(60)
"""
    assert terminated(program) == (5, [])
    assert [line["event"] for line in lines()] == ["log.opened", "pass.started", "pass.ended"]


def test_the_child_of_a_fork_dies_of_it_alone(run):
    """And its parent goes on."""
    program = """
import os, signal, time
soltrace.configure(flush_on_sigterm=True)
if (child := os.fork()) == 0:
    time.sleep(60)
os.kill(child, signal.SIGTERM)
print(os.waitpid(child, 0)[1])
solve()
"""
    done = run(program, "-W", "ignore::DeprecationWarning")  # of forks, from Python 3.12 on
    assert (done.returncode, done.stdout, done.said) == (0, "15\n", [])


def test_it_must_be_asked_for_on_the_main_thread(run):
    """Before an event loop takes the signals. Said at once."""
    program = """
import asyncio, threading
def configure():
    try: soltrace.configure(flush_on_sigterm=True)
    except soltrace.ConfigurationError as error: print(error)
thread = threading.Thread(target=configure)
thread.start()
thread.join()
async def main():
    asyncio.get_running_loop().add_signal_handler(1, print)
    configure()
asyncio.run(main())
"""
    assert run(program).stdout.splitlines() == [
        "flush_on_sigterm= must be given on the main thread: only that one takes signals.",
        "flush_on_sigterm= must be given before an event loop runs, which takes signals.",
    ]
