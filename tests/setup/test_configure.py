import json
import logging
import math
import os
import re
import socket
import subprocess
import sys
import threading
import time

import pytest
import structlog
from opentelemetry import trace

from soltrace import AttributeValueError, ConfigurationError, SoltraceWarning, configure, flush, host, shutdown
from soltrace.host.process import PROCESS
from soltrace.wire.attributes import parse_attributes

SOLVE = """
import numpy as np
import soltrace.setup.configure  # as `soltrace.diffeqsolve` does
from soltrace import host
from soltrace.host import Signal

def solve():
    info = host.SolveInfo(solver="Tsit5", adjoint="Direct", controller="PID")
    start = host.receive(Signal.FORWARD_START, info, np.array([0, 1, 0], np.int32), np.array([0, 1, 1, 0, 0.0]))
    host.receive(Signal.FORWARD_END, info, np.array([start[0], 3, 2, 0], np.int32), np.array([1.0]))
"""


def run(program, cwd, *options, **environ):
    """Run a program that solves something, in a process of its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "SOLTRACE_"))}
    return subprocess.run(
        [sys.executable, *options, "-c", SOLVE + program],
        cwd=cwd,
        env=inherited | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def lines(directory):
    """What the only log in a directory says."""
    (log,) = directory.glob("*.jsonl")
    return [json.loads(line) for line in log.read_text().splitlines()]


def events(directory):
    """The events of that log."""
    return [line["event"] for line in lines(directory)]


def test_without_any_configuration_the_first_solve_opens_a_log_and_says_so(tmp_path):
    """Once, on stderr, with the command to follow it. At exit everything is there, flushed or not."""
    done = run("solve(); solve()", tmp_path)
    (log,) = (tmp_path / "soltrace-runs").iterdir()
    said = f"soltrace: logging to {log}; follow it with: soltrace tail {log.parent}\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, "", said)
    assert events(tmp_path / "soltrace-runs") == ["log.opened", *["pass.started", "pass.ended"] * 2]
    host_name = re.escape(re.sub(r"[^A-Za-z0-9.]+", "-", socket.gethostname()))
    assert re.fullmatch(rf"\d{{8}}T\d{{6}}Z-{host_name}-\d+\.jsonl", log.name)
    assert {line["run_id"] for line in lines(tmp_path / "soltrace-runs")} == {log.stem}


@pytest.mark.parametrize("there", ["sys.stderr = None", "sys.stderr.close()"])
def test_without_a_stderr_nothing_is_said(there, tmp_path):
    """Least of all on stdout; a directory that a shell would split is quoted where there is one."""
    done = run(f"import sys; {there}; solve(); print('done')", tmp_path, SOLTRACE_DIR="some runs")
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
    assert events(tmp_path / "some runs") == ["log.opened", "pass.started", "pass.ended"]
    done = run("solve()", tmp_path, SOLTRACE_DIR="some runs")
    assert done.stderr.endswith(f"follow it with: soltrace tail '{tmp_path / 'some runs'}'\n")


def test_no_thread_can_be_made_without_a_stderr(tmp_path):
    """Python's own threads keep `sys.stderr`. A program that deletes it loses nothing at its end."""
    done = run("import sys; solve(); del sys.stderr; solve(); print('done')", tmp_path, SOLTRACE_DIR="logs")
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert events(tmp_path / "logs") == ["log.opened", *["pass.started", "pass.ended"] * 2]


def test_warnings_that_the_programs_own_code_refuses_are_said(tmp_path):
    """What shows warnings may raise anything; nothing of that comes out of a solve."""
    refuses = "import warnings; warnings.showwarning = lambda *_, **__: 1 / 0"
    done = run(f"{refuses}; solve(); print('done')", tmp_path, SOLTRACE_DIR="/proc/nowhere")
    assert (done.returncode, done.stdout, done.stderr.count("soltrace: no JSON log: ")) == (0, "done\n", 1)


def test_nothing_is_made_before_something_happens(tmp_path):
    """An import, a flush and a shutdown leave no trace."""
    done = run("soltrace.flush(); soltrace.shutdown(); soltrace.configure()", tmp_path)
    assert (done.returncode, done.stderr, list(tmp_path.iterdir())) == (0, "", [])


def test_configure_imports_what_a_first_solve_would_wait_for(tmp_path):
    """structlog, and the other sinks. Who is not to be traced needs none of it."""
    told = """
import sys
import soltrace
soltrace.configure(directory=".", enabled=False)
print(sorted(name for name in sys.modules if name in ("structlog", "soltrace.sinks.spans")))
soltrace.configure(directory=".")
before, ours = set(sys.modules), ("structlog", "soltrace.sinks", "opentelemetry")
solve()
print(sorted(name for name in set(sys.modules) - before if name.startswith(ours)))
"""
    done = run(told, tmp_path)
    assert (done.stdout.splitlines(), done.stderr) == (["[]", "[]"], "")
    assert events(tmp_path) == ["log.opened", "pass.started", "pass.ended"]


def test_a_directory_that_cannot_be_written_is_a_warning(tmp_path):
    """The solve goes on, also where warnings are errors."""
    (tmp_path / "file").touch()
    expected = "no JSON log: can't write into file/runs: Not a directory. Choose another: configure(directory=...)."
    done = run("solve(); solve(); print('done')", tmp_path, SOLTRACE_DIR="file/runs")
    assert (done.returncode, done.stdout, done.stderr.count(expected)) == (0, "done\n", 1)
    done = run("solve(); solve(); print('done')", tmp_path, "-W", "error", SOLTRACE_DIR="file/runs")
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", f"soltrace: {expected}\n")


def test_the_environment_says_where_and_what(tmp_path):
    """SOLTRACE_DIR and SOLTRACE_ATTRIBUTES; what is given in the program wins."""
    done = run(
        "soltrace.configure(attributes={'seed': 5}); solve()",
        tmp_path,
        SOLTRACE_DIR="logs",
        SOLTRACE_ATTRIBUTES="seed=3, lr=1e-3, name=a b,warm=true",
    )
    assert (done.returncode, done.stderr.count(f"soltrace tail {tmp_path / 'logs'}\n")) == (0, 1)
    assert {str(line["attributes"]) for line in lines(tmp_path / "logs")} == {
        "{'seed': 5, 'lr': 0.001, 'name': 'a b', 'warm': True}"
    }


def test_disabled_by_the_environment_nothing_is_written(tmp_path):
    """Not a file, not a word."""
    done = run("solve(); print(host.enabled())", tmp_path, SOLTRACE_DISABLED="true")
    assert (done.stdout, done.stderr, list(tmp_path.iterdir())) == ("False\n", "", [])


def test_a_hanging_backend_does_not_keep_the_process(tmp_path):
    """Flushing at exit is bounded; the log is complete."""
    program = """
import threading
from opentelemetry import trace
class Hanging:
    def get_tracer(self, *_, **__): return trace.NoOpTracer()
    def force_flush(self, timeout): threading.Event().wait(); return True
soltrace.configure(directory="logs", tracer_provider=Hanging(), exit_timeout_s=0.2)
solve()
print(soltrace.flush(0.1))
"""
    done = run(program, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "False\n", "")
    assert events(tmp_path / "logs") == ["log.opened", "pass.started", "pass.ended"]


def test_a_pass_that_is_open_for_long_is_heard_of(tmp_path, program):
    """As often as configured."""
    configure(directory=tmp_path, spans=False, heartbeat_s=0.05)
    program.start()
    deadline = time.monotonic() + 10
    while "pass.heartbeat" not in events(tmp_path):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("signal", ["span", "log record"])
def test_a_processor_that_hangs_holds_up_nothing_else(signal, tmp_path):
    """The log is whole within a second, and what waited for the processor is said at the end of the process."""
    program = """
import os, pathlib, threading, time
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
class Hanging(SpanProcessor, LogRecordProcessor):
    def on_end(self, span):
        threading.Event().wait()
    def on_emit(self, record):
        threading.Event().wait()
    def force_flush(self, timeout_millis=0):
        return True
    def shutdown(self):
        pass
spans, logs = TracerProvider(shutdown_on_exit=False), LoggerProvider(shutdown_on_exit=False)
spans.add_span_processor(Hanging())
logs.add_log_record_processor(Hanging())
given = {
    "span": {"tracer_provider": spans, "logs": False},
    "log record": {"logger_provider": logs, "spans": False},
}[os.environ["SIGNAL"]]
soltrace.configure(directory="logs", metrics=False, exit_timeout_s=0.2, **given)
solve(); solve()
deadline = time.monotonic() + 10
while sum(path.read_text().count('"pass.ended"') for path in pathlib.Path("logs").glob("*")) < 2:
    assert time.monotonic() < deadline
    time.sleep(0.01)
"""
    done = run(program, tmp_path, SIGNAL=signal)
    lost = {"span": "2 x span: Spans", "log record": "5 x log record: OtelLogs"}[signal]
    assert (done.returncode, done.stderr) == (0, f"soltrace: lost {lost}: no answer in time\n")
    passes = ["pass.started", "pass.ended"]
    assert events(tmp_path / "logs") == ["log.opened", *passes, *passes]


def test_nobody_waits_for_himself(tmp_path):
    """A processor runs where what it would wait for is done: structlog's on the worker, OpenTelemetry's behind it."""
    program = """
import structlog
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
said = {}
def ask(who, *_):
    if who not in said:
        said[who] = soltrace.flush(), soltrace.shutdown()
        try:
            soltrace.configure()
        except soltrace.ConfigurationError as error:
            said[who] += (str(error),)
    raise structlog.DropEvent
class Asking(SpanProcessor):
    def on_end(self, span):
        try:
            ask("span")
        except structlog.DropEvent:
            pass
provider = TracerProvider()
provider.add_span_processor(Asking())
asking = structlog.wrap_logger(structlog.PrintLogger(), processors=[lambda *_: ask("line")])
soltrace.configure(logger=asking, tracer_provider=provider)
solve()
assert soltrace.shutdown()
print(said["line"] == said["span"], *said["line"], sep="; ")
"""
    done = run(program, tmp_path)
    refused = "configure() in a processor or sink would wait for itself: call it elsewhere."
    assert (done.returncode, done.stderr, done.stdout) == (0, "", f"True; False; False; {refused}\n")


@pytest.mark.parametrize("configured", [True, False])
def test_a_slow_processor_gets_what_there_is_until_the_end(configured, tmp_path):
    """From Python 3.12 on no thread can be started by then to wait for it."""
    program = """
import pathlib, time
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
class Slow(SpanProcessor):
    def on_end(self, span):
        time.sleep(0.3)
        with pathlib.Path("spans").open("a") as file:
            print(span.name, file=file)
provider = TracerProvider()
provider.add_span_processor(Slow())
CONFIGURED
solve(); solve()
"""
    if configured:
        how = "soltrace.configure(directory='logs', tracer_provider=provider)"
    else:
        how = "trace.set_tracer_provider(provider); soltrace.configure(directory='logs')"
    done = run(program.replace("CONFIGURED", how), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "spans").read_text().splitlines() == ["diffeqsolve forward"] * 2


def test_an_open_pass_is_abandoned_at_exit(tmp_path):
    """The program ended in the midst of it, because it has died: nothing is lost."""
    program = """
soltrace.configure(directory="logs")
info = host.SolveInfo(solver="Tsit5", adjoint="Direct", controller="PID")
host.receive(Signal.FORWARD_START, info, np.array([0, 1, 0], np.int32), np.array([0, 1, 1, 0, 0.0]))
"""
    assert run(program, tmp_path).returncode == 0
    assert events(tmp_path / "logs") == ["log.opened", "pass.started", "pass.ended"]


def test_a_killed_process_has_written_what_reached_the_host(tmp_path):
    """A twentieth of a second later it is on disk, without any flush."""
    program = """
import os, pathlib, signal, time
soltrace.configure(directory="logs")
solve()
deadline = time.monotonic() + 10
while sum(path.read_text().count("pass.ended") for path in pathlib.Path("logs").glob("*")) < 1:
    assert time.monotonic() < deadline
    time.sleep(0.001)
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert run(program, tmp_path).returncode == -9
    assert events(tmp_path / "logs") == ["log.opened", "pass.started", "pass.ended"]


def test_configuring_anew_begins_a_new_run(tmp_path, program):
    """The old one is complete, and its thread is gone."""
    before = set(threading.enumerate())  # what earlier tests have left
    configure(directory=tmp_path / "a", spans=False)
    program.solve()
    configure(directory=tmp_path / "b", spans=False, attributes={"seed": 3})
    assert events(tmp_path / "a") == ["log.opened", "pass.started", "pass.progress", "pass.ended"]
    program.start()
    assert flush()
    assert [line["attributes"] for line in lines(tmp_path / "b")] == [{"seed": 3}] * 2
    assert shutdown()
    begun = {each.name for each in threading.enumerate() if each not in before and each.name.startswith("soltrace")}
    assert begun <= {"soltrace-sigterm"}  # which lasts as long as the process


def test_a_structlog_logger_may_be_the_target(tmp_path, program, monkeypatch):
    """Then there is no file."""
    monkeypatch.chdir(tmp_path)
    with structlog.testing.capture_logs() as entries:
        configure(logger=structlog.get_logger(), spans=False)
        program.start()
        flush()
    assert [entry["event"] for entry in entries] == ["log.opened", "pass.started"]
    assert list(tmp_path.iterdir()) == []


def test_neither_log_nor_spans(tmp_path, program, monkeypatch):
    """Nothing is written anywhere, and nothing breaks."""
    monkeypatch.chdir(tmp_path)
    configure(json_log=False, spans=False)
    assert program.solve() > 0
    assert flush()
    assert list(tmp_path.iterdir()) == []


def test_pacing_and_queue_are_as_configured(tmp_path, program):
    """Each step, where there is no limit."""
    configure(directory=tmp_path, spans=False, max_reports_per_s=math.inf, max_overhead=math.inf, queue_size=100)
    handle = program.start()
    assert [program.step(handle, step, step, step / 10) for step in range(1, 6)] == [2, 3, 4, 5, 6]


def test_configure_may_disable_and_enable(monkeypatch):
    """It wins over the variable; None leaves it to that."""
    monkeypatch.setenv("SOLTRACE_DISABLED", "1")
    configure(enabled=True)
    assert host.enabled()
    configure(enabled=False)
    assert not host.enabled()
    configure()
    assert not host.enabled()
    monkeypatch.delenv("SOLTRACE_DISABLED")
    assert host.enabled()


@pytest.mark.parametrize(
    "arguments,message",
    [
        ({"enabled": 1}, "enabled= must be True, False or None, got 1."),
        ({"directory": 3}, "directory= must be a path, got 3."),
        ({"directory": "a", "logger": structlog.get_logger()}, "directory= and logger= exclude each other"),
        ({"logger": print}, "logger= must be a structlog logger, as structlog.get_logger() makes; got <built-in"),
        ({"json_log": "no"}, "json_log= must be True or False, got 'no'."),
        ({"spans": None}, "spans= must be True or False, got None."),
        ({"tracer_provider": 3}, "tracer_provider= must be an OpenTelemetry TracerProvider, got 3."),
        ({"metrics": "no"}, "metrics= must be True or False, got 'no'."),
        ({"meter_provider": 3}, "meter_provider= must be an OpenTelemetry MeterProvider, got 3."),
        ({"logs": "no"}, "logs= must be True or False, got 'no'."),
        ({"logger_provider": 3}, "logger_provider= must be an OpenTelemetry LoggerProvider, got 3."),
        ({"otlp_endpoint": 4318}, "otlp_endpoint= must be an address such as http://localhost:4318, got 4318."),
        ({"otlp_endpoint": "localhost:4318"}, "address such as http://localhost:4318, got 'localhost:4318'."),
        ({"otlp_endpoint": "http://a:b"}, "address such as http://localhost:4318, got 'http://a:b'."),
        ({"max_reports_per_s": 0}, "max_reports_per_s= must be greater than 0, got 0; math.inf means without a limit."),
        ({"max_reports_per_s": True}, "max_reports_per_s= must be a number, got True."),
        ({"max_overhead": -1.0}, "max_overhead= must be greater than 0, got -1.0"),
        ({"max_overhead": math.nan}, "max_overhead= must be a number, got nan."),
        ({"lanes": "some"}, "lanes= must be 'auto', 'all' or batch indices such as [(0,), (3,)], got 'some'."),
        ({"lanes": [1, 2]}, "lanes= must be 'auto', 'all' or batch indices such as [(0,), (3,)], got [1, 2]."),
        ({"lanes": None}, "lanes= must be 'auto', 'all' or batch indices such as [(0,), (3,)], got None."),
        ({"queue_size": 0}, "queue_size= must be a whole number from 1, got 0."),
        ({"queue_size": 1.5}, "queue_size= must be a whole number from 1, got 1.5."),
        ({"abandon_after_s": -1}, "abandon_after_s= must not be negative, got -1."),
        ({"heartbeat_s": 0}, "heartbeat_s= must be greater than 0, got 0; math.inf means without a limit."),
        ({"exit_timeout_s": -1}, "exit_timeout_s= must not be negative, got -1."),
        ({"flush_on_sigterm": 1}, "flush_on_sigterm= must be True, False or None, got 1."),
        ({"exit_timeout_s": math.inf}, "exit_timeout_s= must be finite, got inf."),
        ({"attributes": ["seed"]}, "attributes= must be a mapping of names to values, got ['seed']."),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, dict) else None,
)
def test_a_wrong_setting_is_refused_at_once(arguments, message):
    """With what was expected, what was got, and nothing changed."""
    before = PROCESS.plan
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        configure(**arguments)
    assert PROCESS.plan is before


@pytest.mark.parametrize("attributes", [{"a": object()}, {3: 4}, {"": 1}], ids=["value", "name", "empty"])
def test_a_wrong_attribute_is_refused_at_once(attributes):
    """Its name and what it was."""
    with pytest.raises(AttributeValueError, match="ttribute"):
        configure(attributes=attributes)


@pytest.mark.parametrize(
    "text,attributes,malformed",
    [
        ("", {}, []),
        ("seed=3,lr=1e-3", {"seed": 3, "lr": 1e-3}, []),
        (
            "a=true, b=False ,c=x=y,d=,e=inf,f=nan,g=0x1,h=1_000",
            {"a": True, "b": False, "c": "x=y", "d": "", "e": "inf", "f": "nan", "g": "0x1", "h": "1_000"},
            [],
        ),
        ("seed,=3,lr=1", {"lr": 1}, ["seed", "=3"]),
        ("file=r\udce9s.csv,t=" + "x" * 5000, {"file": r"r\udce9s.csv", "t": "x" * 4096 + "… (5000 characters)"}, []),
    ],
    ids=["empty", "numbers", "others", "malformed", "neither text nor short"],
)
def test_attributes_from_the_environment_are_typed(text, attributes, malformed):
    """int, float, bool, else string; what is no key=value is told apart."""
    assert parse_attributes(text) == (attributes, malformed)


def test_malformed_attributes_are_a_warning(tmp_path, program, monkeypatch):
    """The others are taken, and the solve goes on."""
    monkeypatch.setenv("SOLTRACE_ATTRIBUTES", "seed=3,lr")
    configure(directory=tmp_path, spans=False)
    with pytest.warns(SoltraceWarning, match=r"SOLTRACE_ATTRIBUTES must be like seed=3,lr=1e-3; left out: 'lr'\."):
        program.start()
    flush()
    assert [line["attributes"] for line in lines(tmp_path)] == [{"seed": 3}] * 2


def test_a_global_provider_is_not_set_by_us():
    """A library does not configure: only the user or the environment does."""
    before = trace.get_tracer_provider()
    configure()
    assert trace.get_tracer_provider() is before
    assert PROCESS.recorder is None


def test_where_there_is_no_stderr_nothing_is_said_on_stdout(tmp_path):
    """A program may be started without it; its output is its own."""
    command = ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, SOLVE + "solve(); print('done')"]
    done = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert events(tmp_path / "soltrace-runs") == ["log.opened", "pass.started", "pass.ended"]


def asynchronous():
    """A logger whose methods are coroutines."""

    async def method(self, event, **fields):
        pass

    return type("Asynchronous", (), dict.fromkeys(("info", "warning", "error"), method))()


def none_now():
    """As structlog's asynchronous logger is where no loop runs: it can't even be asked for a method."""

    def get(self, name):
        raise RuntimeError("no running event loop") if name == "info" else AttributeError(name)

    return type("Lazy", (), {"__getattr__": get})()


@pytest.mark.parametrize(
    "logger,why",
    [
        (
            logging.getLogger("fit"),
            "<Logger fit (WARNING)> takes no fields: structlog.wrap_logger(...) makes one of it.",
        ),
        (logging.LoggerAdapter(logging.getLogger("fit")), "takes no fields"),
        (structlog.stdlib.BoundLogger, "got the class <class 'structlog.stdlib.BoundLogger'> itself."),
        (asynchronous(), "got one whose methods must be awaited, and a solve waits for nobody."),
        (none_now(), "got Lazy, which is none now: no running event loop."),
    ],
)
def test_a_logger_that_would_lose_every_line_is_refused(logger, why):
    """At once, and not by a loss for each line."""
    with pytest.raises(ConfigurationError, match=re.escape(why)):
        configure(logger=logger)


@pytest.mark.parametrize(
    "logger",
    [
        structlog.get_logger(),
        structlog.get_logger().bind(part="solver"),
        structlog.wrap_logger(logging.getLogger("fit"), wrapper_class=structlog.stdlib.BoundLogger),
        structlog.stdlib.get_logger("fit"),
    ],
)
def test_loggers_that_work_are_taken(logger):
    """Lazy, bound, and over the standard library's."""
    configure(logger=logger)
