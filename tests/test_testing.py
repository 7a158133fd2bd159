import json
import subprocess
import sys
import threading

import pytest

from soltrace import configure, host, shutdown
from soltrace.host.pacing import Budget
from soltrace.host.process import PROCESS
from soltrace.testing import START_NS, MemorySink, TickingClock, capture
from soltrace.wire.records import PassProgress


def test_capture_is_the_same_each_time(program):
    """Ids, times and all."""
    records = []
    for _ in range(2):
        with capture() as told:
            program.solve()
            records.append(told.records)
    assert records[0] == records[1]


def test_events_leave_out_what_is_unsteady(program):
    """Or whatever the test does not care for."""
    with capture() as told:
        program.start()
        (event,) = told.events()
        (everything,) = told.events(without=())
    assert set(everything) - set(event) == {"timestamp", "schema", "run_id"}


def test_capture_takes_the_place_of_what_is_configured(tmp_path, program, elsewhere, monkeypatch):
    """And gives it back, also after an exception; nested ones don't see each other's."""
    configure(directory=tmp_path, spans=False)
    elsewhere(program.start)
    before = PROCESS.recorder
    monkeypatch.setenv("SOLTRACE_DISABLED", "1")
    with capture() as outer:
        assert host.enabled()
        with pytest.raises(KeyError), capture() as inner:
            {}[elsewhere(program.start)]
        assert outer.events() == []
    assert [event["event"] for event in inner.events()] == ["pass.started", "pass.ended", "telemetry.dropped"]
    assert PROCESS.recorder is before
    assert not host.enabled()


def test_what_is_tested_may_configure_and_shut_down(tmp_path, program):
    """As a program's `main` does: the records go to the capture all the same, and afterwards all is as it was."""
    plan = PROCESS.plan
    with capture() as outer, capture() as told:
        configure(directory=tmp_path, spans=False)
        program.solve()
        assert shutdown()
        program.solve()
        assert [event["event"] for event in told.events()] == ["pass.started", "pass.progress", "pass.ended"] * 2
    assert outer.records == []
    assert list(tmp_path.iterdir()) == []
    assert PROCESS.plan is plan


def test_what_is_solved_after_a_capture_is_in_the_log(tmp_path):
    """Also where the first solve of the process, with which it is set up, was captured."""
    code = """
from soltrace.testing import capture
with capture():
    import soltrace.setup.configure  # as `soltrace.diffeqsolve` does
import soltrace
with soltrace.experiment("fit"):
    pass
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    (log,) = tmp_path.glob("soltrace-runs/*")
    assert done.stderr.startswith("soltrace: logging to ")
    assert [json.loads(line)["event"] for line in log.read_text().splitlines()] == [
        "log.opened",
        "experiment.started",
        "experiment.ended",
    ]


def test_its_thread_ends_with_it(program):
    """Nothing is left running."""
    with capture():
        program.start()
    assert [thread.name for thread in threading.enumerate() if thread.name == "soltrace-worker"] != [
        "soltrace-worker",
        "soltrace-worker",
    ]


def test_clear_forgets_what_was_captured_so_far(program):
    """Warm up, then look."""
    with capture() as told:
        program.solve()
        told.clear()
        program.start()
        assert [event["pass_id"] for event in told.events()] == ["run.2.forward"]


def test_pacing_lanes_and_sinks_can_be_chosen(program):
    """The real policy, some lanes, a sink of one's own."""
    sink = MemorySink()
    with capture(pacing=Budget(1.0, 1.0), sinks=[sink], run_id="mine") as told:
        handle = program.start()
        assert program.step(handle, 1, 1, 0.5) > 2
        records = told.records
    assert records == sink.records[: len(records)]
    assert isinstance(records[1], PassProgress)
    assert records[1].run_id == "mine"


def test_every_so_many_steps_and_fractions(program):
    """Deterministic, whatever the machine."""
    with capture(every=5, fraction=0.5):
        handle = program.start()
        assert program.step(handle, 5, 5, 0.5) == 10
        program.end(handle)
        assert program.backward_start(handle)[0] == 0.5


def test_a_clock_that_ticks_when_it_is_read():
    """And goes on by what is spent waiting."""
    clock = TickingClock()
    assert [clock.time_ns() - START_NS, clock.monotonic(), clock.time_ns() - START_NS] == [1_000_000, 0.002, 3_000_000]
    condition = threading.Condition()
    with condition:
        clock.wait(condition, 0.01)
    assert clock.monotonic() >= 0.013


def test_flush_says_when_it_takes_too_long(program):
    """A sink of the test's own may hang."""

    class Hanging(MemorySink):
        def handle(self, record):
            go_on.wait(30)

    go_on = threading.Event()
    with capture(sinks=[Hanging()]) as told:
        program.start()
        with pytest.raises(TimeoutError, match=r"the records were not dealt with within 0\.05 s"):
            told.flush(0.05)
        go_on.set()
