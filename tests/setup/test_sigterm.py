import json
import os
import signal
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
SOLVING = """
import ctypes, faulthandler, hashlib, os, signal, sys, threading, time
def ready(busy):
    def watch():
        while sys._current_frames()[threading.main_thread().ident].f_code.co_name != busy.__name__: time.sleep(0.001)
        print("ready", flush=True)
    threading.Thread(target=watch, daemon=True).start()
    busy()
"""
OPEN = """
def busy():
    {busy}
with soltrace.experiment("fit"):
    solve()
    begin()
    {then}
    ready(busy)
"""
ENDED = ["log.opened", "experiment.started", "pass.started", "pass.ended", "pass.started"]
CLOSED = ["pass.ended", "experiment.ended"]


@pytest.fixture
def killed(tmp_path):
    """Run a program and send it a signal once it is ready. Tells how it ended, what it said, and what its log says."""

    def killed(program, number=signal.SIGTERM, **environ):
        # Not what this machine itself may be a job of.
        environ = os.environ | {"SOLTRACE_DIR": str(tmp_path / "logs"), "KUBERNETES_SERVICE_HOST": ""} | environ
        command = [sys.executable, "-c", SOLVE + SOLVING + program]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, env=environ, **pipes) as running:
            try:
                assert running.stdout.readline() == "ready\n"
                running.send_signal(number)
                _, said = running.communicate(timeout=30)
            finally:
                running.kill()
        lines = [json.loads(line) for log in tmp_path.glob("logs/*") for line in log.read_text().splitlines()]
        return running.returncode, [line for line in said.splitlines() if "logging to" not in line], lines

    return killed


def events(lines):
    """What the lines are about."""
    return [line["event"] for line in lines]


def endings(lines):
    """How what was open when the signal came has ended."""
    return [line.get("result", line.get("error")) for line in lines[len(ENDED) :]]


@pytest.mark.parametrize("busy", BUSY)
def test_sigterm_loses_nothing_if_asked(busy, killed, backend):
    """Wherever the main thread is: what was told is written and exported, and what is open is closed."""
    program = "soltrace.configure(flush_on_sigterm=True)" + OPEN.format(busy=BUSY[busy], then="")
    status, said, lines = killed(program, OTEL_EXPORTER_OTLP_ENDPOINT=backend.endpoint)
    assert (status, said, events(lines)) == (-signal.SIGTERM, [], ENDED + CLOSED)
    assert endings(lines) == ["interrupted", "InterruptedError: SIGTERM"]
    assert backend.spans == ["diffeqsolve forward", "diffeqsolve forward", "fit"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGXCPU, signal.SIGHUP])
def test_in_a_job_of_a_scheduler_nobody_needs_to_ask(number, killed):
    """Of each signal by which schedulers end a job, or warn of its end; the process dies of it, as without us."""
    status, said, lines = killed(OPEN.format(busy=BUSY["compiled"], then=""), number, SLURM_JOB_ID="7")
    assert (status, said, events(lines)) == (-number, [], [*ENDED, *CLOSED, "run.ended"])
    name = signal.Signals(number).name
    assert endings(lines) == ["interrupted", f"InterruptedError: {name}", name]


def test_sigterm_ends_at_once_if_not_asked(killed):
    """As any Python program."""
    status, said, lines = killed(OPEN.format(busy="time.sleep(60)", then=""))
    assert (status, said) == (-signal.SIGTERM, [])
    assert set(events(lines)) <= set(ENDED)


INSTALLED = {
    "before": ("signal.signal(signal.SIGTERM, leave)", ""),
    "after": ("", "signal.signal(signal.SIGTERM, leave)"),
    "after, of a thread's program": ("", "signal.signal(signal.SIGTERM, leave); threading.Thread(target=bool).start()"),
}


@pytest.mark.parametrize("when", INSTALLED)
def test_a_handler_of_the_programs_own_stays(when, killed):
    """Also one that comes later. It decides how the process ends; then the end is as usual."""
    before, after = INSTALLED[when]
    own = f"leave = lambda *_: sys.exit(5)\n{before}\nsoltrace.configure(flush_on_sigterm=True)\n"
    status, said, lines = killed(own + OPEN.format(busy="time.sleep(60)", then=after))
    assert (status, said, events(lines)) == (5, [], ENDED + CLOSED)
    assert endings(lines) == ["interrupted", "SystemExit: 5"]


def test_a_handler_may_leave_the_end_to_ours(killed):
    """Which it has replaced, and calls when it has done its own."""
    own = """
soltrace.configure(flush_on_sigterm=True)
former = signal.getsignal(signal.SIGTERM)
signal.signal(signal.SIGTERM, lambda *args: (print("saved", file=sys.stderr), former(*args)))
"""
    status, said, lines = killed(own + OPEN.format(busy="time.sleep(60)", then=""))
    assert (status, said, events(lines)) == (-signal.SIGTERM, ["saved"], ENDED + CLOSED)


C_LEVEL = "faulthandler.register(signal.SIGUSR1, all_threads=False)"


@pytest.mark.parametrize("before", [True, False])
def test_a_handler_of_a_library_in_c_stays(before, killed):
    """Of which Python does not know: here it says where the program is, and the program goes on."""
    setup = [C_LEVEL, "soltrace.configure(flush_on_sigterm=True)"]
    program = (
        "\n".join(setup if before else reversed(setup))
        + """
def busy():
    for _ in range(3000): time.sleep(0.01)
with soltrace.experiment("fit"):
    solve()
    begin()
    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
    ready(busy)
"""
    )
    status, said, lines = killed(program, signal.SIGUSR1)
    assert (status, events(lines)) == (-signal.SIGTERM, ENDED + CLOSED)
    assert endings(lines) == ["interrupted", "InterruptedError: SIGTERM"]
    assert "most recent call first" in said[0]


@pytest.mark.parametrize("before", [True, False])
def test_a_signal_that_is_ignored_stays_so(before, killed):
    """As `nohup` has it."""
    setup = ["signal.signal(signal.SIGHUP, signal.SIG_IGN)", "soltrace.configure(flush_on_sigterm=True)"]
    program = (
        "\n".join(setup if before else reversed(setup))
        + """
with soltrace.experiment("fit"):
    solve()
    print("ready", flush=True)
    time.sleep(0.5)
"""
    )
    status, said, lines = killed(program, signal.SIGHUP)
    assert (status, said, events(lines)) == (0, [], [*ENDED[:4], "experiment.ended"])


def test_what_was_told_is_written_before_a_handler_of_the_programs_own_runs(killed):
    """It may never run: Slurm warns by SIGUSR1, and kills a minute later whatever is still being computed."""
    program = """
signal.signal(signal.SIGUSR1, lambda *_: None)
soltrace.configure(flush_on_sigterm=True)
from soltrace.host import queue
queue.Queue.__init__.__kwdefaults__["linger_s"], solved = 60.0, threading.Event()
def kill():
    solved.wait()
    os.kill(os.getpid(), signal.SIGUSR1)
    log = next(__import__("pathlib").Path(os.environ["SOLTRACE_DIR"]).glob("*"))
    while "pass.ended" not in log.read_text(): time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGKILL)
threading.Thread(target=kill, daemon=True).start()
with soltrace.experiment("fit"):
    solve()
    print("ready", flush=True)
    solved.set()
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
"""
    status, said, lines = killed(program, signal.SIGUSR1)
    assert (status, said, events(lines)) == (-signal.SIGKILL, [], ENDED[:4])


def test_a_server_that_ends_what_it_is_about_and_dies_of_the_signal_then_loses_nothing(killed):
    """As uvicorn does, whose handler is there before soltrace is asked for anything: the end of its experiment too."""
    program = """
told = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: told.set())
soltrace.configure(flush_on_sigterm=True)
from soltrace.host import queue
queue.Queue.__init__.__kwdefaults__["linger_s"] = 60.0
with soltrace.experiment("service"):
    solve()
    print("ready", flush=True)
    told.wait()
    log = next(__import__("pathlib").Path(os.environ["SOLTRACE_DIR"]).glob("*"))
    while "pass.ended" not in log.read_text(): time.sleep(0.001)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.raise_signal(signal.SIGTERM)
"""
    status, said, lines = killed(program)
    assert (status, said, events(lines)) == (-signal.SIGTERM, [], [*ENDED[:4], "experiment.ended"])
    assert lines[-1]["status"] == "ok"


def test_ctrl_c_that_nobody_catches_interrupts_what_is_open(killed):
    """The experiment is left by it, and the process dies of it, as without us."""
    status, said, lines = killed(OPEN.format(busy="time.sleep(60)", then=""), signal.SIGINT)
    assert (status, said[-1], events(lines)) == (-signal.SIGINT, "KeyboardInterrupt", ENDED + CLOSED)
    assert endings(lines) == ["interrupted", "KeyboardInterrupt: "]


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
