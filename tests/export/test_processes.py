from collections import Counter

import pytest

FORKING = ("-W", "ignore::DeprecationWarning")
"""Python 3.12 and later warn of a fork in a process that has threads."""
FORKS = {
    "fork": """
import os
solve()
soltrace.flush()
if (child := os.fork()) == 0:
    solve(); solve()
    raise SystemExit
print(os.waitpid(child, 0)[1])
solve()
""",
    "multiprocessing": """
import multiprocessing
def work():
    solve(); solve()
solve()
soltrace.flush()
child = multiprocessing.get_context("fork").Process(target=work)
child.start()
child.join()
print(child.exitcode)
solve()
""",
    "configured": """
import os
soltrace.configure(attributes={"seed": 3})
if (child := os.fork()) == 0:
    solve(); solve()
    raise SystemExit
print(os.waitpid(child, 0)[1])
solve(); solve()
""",
}


@pytest.mark.parametrize("way", FORKS)
@pytest.mark.parametrize("transport", ["http", "grpc"])
def test_a_forked_child_exports_its_own(transport, way, request, run):
    """With an instance id and a process id of its own, and nothing of its parent's. Neither of them hangs."""
    backend = request.getfixturevalue("backend" if transport == "http" else "grpc_backend")
    protocol = "grpc" if transport == "grpc" else "http/protobuf"
    done = run(FORKS[way], *FORKING, OTEL_EXPORTER_OTLP_ENDPOINT=backend.endpoint, OTEL_EXPORTER_OTLP_PROTOCOL=protocol)
    assert (done.returncode, done.stdout, done.said) == (0, "0\n", [])

    def counts(signal):
        return Counter((who["service.instance.id"], who["process.pid"]) for who, _ in backend.of(signal))

    spans = counts("traces")
    assert sorted(spans.values()) == [2, 2]
    assert len({instance for instance, _ in spans}) == len({pid for _, pid in spans}) == 2
    assert counts("logs") == dict.fromkeys(spans, 5)
    durations = {
        (who["service.instance.id"], who["process.pid"]): metric.histogram.data_points[0].count
        for who, metric in backend.of("metrics")
        if metric.name == "soltrace.pass.duration"
    }
    assert durations == dict.fromkeys(spans, 2)


def test_a_forked_child_exports_though_no_thread_may_start_at_its_end(backend, run):
    """That is when its spans reach the exporters, and when some releases (3.12.1) refuse to start a thread."""
    program = """
import os, threading
solve()
soltrace.flush()
if (child := os.fork()) == 0:
    solve()
    def refuse(thread):
        raise RuntimeError("can't create new thread at interpreter shutdown")
    threading.Thread.start = refuse
    raise SystemExit
print(os.waitpid(child, 0)[1])
"""
    done = run(program, *FORKING, OTEL_EXPORTER_OTLP_ENDPOINT=backend.endpoint)
    assert (done.returncode, done.stdout, done.said) == (0, "0\n", [])
    assert list(Counter(who["process.pid"] for who, _ in backend.of("traces")).values()) == [1, 1]
    assert list(Counter(who["process.pid"] for who, _ in backend.of("logs")).values()) == [3, 3]


def test_a_child_does_not_export_what_waits_in_its_parent(backend, run):
    """The parent exports it, once, and the sums of its metrics too."""
    program = """
import os
for _ in range(5): solve()
host.process.PROCESS.recorder.drain(10)  # the spans have ended, and wait; the metrics have been counted
if (child := os.fork()) == 0:
    raise SystemExit
print(os.waitpid(child, 0)[1])
"""
    done = run(program, *FORKING, OTEL_EXPORTER_OTLP_ENDPOINT=backend.endpoint)
    assert (done.returncode, done.stdout, done.said) == (0, "0\n", [])
    assert set(Counter(span.span_id for _, span in backend.of("traces")).values()) == {1}
    assert len(backend.of("traces")) == 5
    assert len({who["process.pid"] for signal in ("traces", "logs", "metrics") for who, _ in backend.of(signal)}) == 1


def test_a_child_forked_in_an_outage_does_not_hang(backend, run):
    """Its parent's exporter is waiting for an answer that never comes."""
    backend.answer = "hang"
    program = """
import os
soltrace.configure(exit_timeout_s=1.0)
solve()
soltrace.flush(0.5)
if (child := os.fork()) == 0:
    solve()
    raise SystemExit
print(os.waitpid(child, 0)[1])
"""
    done = run(program, OTEL_EXPORTER_OTLP_ENDPOINT=backend.endpoint)
    assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (0, "0\n", False)
    assert done.took_s < 10


@pytest.mark.parametrize("answer", ["ok", "hang"])
def test_leaving_without_ceremony_is_no_harm(answer, backend, run):
    """`os._exit` ends the process at once, and in silence."""
    backend.answer = answer
    done = run("solve(); import os; os._exit(3)", OTEL_EXPORTER_OTLP_ENDPOINT=backend.endpoint)
    assert (done.returncode, done.said) == (3, [])
    assert done.took_s < 4


@pytest.mark.parametrize("answer", ["ok", "hang"])
def test_a_thread_may_solve_until_the_end(answer, backend, run, lines, tmp_path):
    """A daemon thread that is still solving neither holds up the process, nor makes it complain, nor opens a log.

    Each pass that it told of is exported or counted: both, if that was not known in time.
    """
    backend.answer = answer
    program = """
import threading, time
soltrace.configure(exit_timeout_s=3.0)
def forever():
    while True:
        solve()
        time.sleep(0.001)  # what is compiled runs without the interpreter's lock
for _ in range(2): threading.Thread(target=forever, daemon=True).start()
time.sleep(0.3)
"""
    done = run(program, OTEL_EXPORTER_OTLP_ENDPOINT=backend.endpoint)
    assert (done.returncode, "Traceback" in done.stderr, "Fatal" in done.stderr) == (0, False, False)
    assert done.took_s < 10
    told = lines()
    passes = [line["event"] for line in told].count("pass.ended")
    lost = sum(line["dropped"] for line in told if line["event"] == "telemetry.dropped" and line["what"] == "span")
    assert passes > 0
    assert lost + (len(backend.of("traces")) if answer == "ok" else 0) >= passes
    assert len(list(tmp_path.glob("logs/*.jsonl"))) == 1


def test_an_exception_that_ends_the_program_loses_nothing(backend, run):
    """All that it prints is its own traceback."""
    done = run("solve(); raise SystemExit(7)", OTEL_EXPORTER_OTLP_ENDPOINT=backend.endpoint)
    assert (done.returncode, done.said, backend.spans) == (7, [], ["diffeqsolve forward"])


def test_the_programs_own_spans_go_the_same_way(backend, run):
    """The providers that soltrace sets up are global. What ends after the last solve is exported too."""
    program = """
from opentelemetry import trace
solve()
trace.get_tracer("mine").start_span("mine").end()
"""
    run(program, OTEL_EXPORTER_OTLP_ENDPOINT=backend.endpoint)
    assert backend.spans == ["diffeqsolve forward", "mine"]
