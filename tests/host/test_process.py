import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from soltrace import host
from soltrace.host import Signal
from soltrace.host.process import PROCESS
from soltrace.testing import Every, capture


@pytest.mark.parametrize("signal", Signal)
def test_every_signal_has_a_default_answer(signal):
    """What a program is answered when nobody listens: no handle, and never call again."""
    pair = [0, host.NEVER]
    expected = {
        Signal.FORWARD_START: pair,
        Signal.STRETCH_START: pair,
        Signal.METER_START: pair,
        Signal.FORWARD_STEP: host.NEVER,
        Signal.STRETCH_STEP: host.NEVER,
        Signal.METER_STEP: host.NEVER,
        Signal.BACKWARD_START: [-1.0, 0.0],
        Signal.BACKWARD_STEP: [-1.0, 0.0],
        Signal.BACKWARD_END: [0.0, 0.0],
    }.get(signal, 0)
    answer = host.default_answer(signal)
    assert answer.tolist() == expected
    # With the cotangents of a backward pass goes its pace, which is of floats; what is found is handed over beside it.
    backward = signal.value.startswith("backward") and signal is not Signal.BACKWARD_NONFINITE
    assert answer.dtype == (np.float32 if backward else np.int32)


def test_answers_have_the_types_of_their_defaults(program):
    """A compiled program has these baked in."""
    with capture():
        ints = lambda *numbers: np.array(numbers, np.int32)
        floats = lambda *numbers: np.array(numbers, np.float64)
        told = [
            (Signal.FORWARD_START, ints(0, 1, 0), floats(0, 1, 1, 0, 0)),
            (Signal.FORWARD_STEP, ints(1, 1, 1, 0), floats(0.5)),
            (Signal.FORWARD_END, ints(1, 2, 2, 0), floats(1)),
            (Signal.BACKWARD_START, ints(1, 0), floats(0, 0)),
            (Signal.STRETCH_START, ints(1), floats(-1, 0, -1)),
            (Signal.STRETCH_STEP, ints(3, 1, 1, 0), floats(-0.5)),
            (Signal.STRETCH_END, ints(3, 2, 2, 0), floats(0)),
            (Signal.BACKWARD_STEP, ints(1), floats(0.5, 1, 2)),
            (Signal.BACKWARD_END, ints(1), floats(2)),
            (Signal.METER_START, ints(), floats()),
            (Signal.METER_STEP, ints(4, 1, 1, 0), floats(0.5)),
            (Signal.METER_END, ints(4, 1), floats(1)),
        ]
        for signal, *numbers in told:
            answer, default = host.receive(signal, program.info, *numbers), host.default_answer(signal)
            assert (answer.shape, answer.dtype) == (default.shape, default.dtype)


@pytest.mark.parametrize("value", ["1", "true", "YES", " on "])
def test_a_variable_disables(value, monkeypatch, program):
    """Nothing is traced, and what was traced before is not recorded."""
    monkeypatch.setenv("SOLTRACE_DISABLED", value)
    assert not host.enabled()
    assert program.start() == 0
    assert PROCESS.recorder is None


@pytest.mark.parametrize("value", ["", "0", "false", "no"])
def test_other_values_do_not(value, monkeypatch):
    """Empty is not true."""
    monkeypatch.setenv("SOLTRACE_DISABLED", value)
    assert host.enabled()


class Broken:
    """A plan by which no run can be opened."""

    enabled = None

    def open(self, shared):
        raise OSError("no disk")


def test_receive_never_raises(monkeypatch, program, caplog):
    """Not even where no run can be opened; that is tried and said once."""
    monkeypatch.setattr(PROCESS, "plan", Broken())
    assert program.start() == 0
    assert program.start() == 0
    assert host.callers_place() is None
    assert PROCESS.failures == 1
    assert [record.getMessage() for record in caplog.records] == [
        "soltrace: a solve could not be recorded: OSError: no disk"
    ]


def test_a_barrier_is_registered_once(monkeypatch):
    """However often the traced room is imported."""
    monkeypatch.setattr(PROCESS.shared, "barriers", [])
    for _ in range(2):
        host.register_barrier(print)
    assert PROCESS.shared.barriers == [print]


def test_the_child_of_a_fork_starts_afresh(tmp_path):
    """Its own file, its own worker; the parent's experiment is not its own, and the parent goes on."""
    program = """
import os, sys
import numpy as np
import soltrace
from soltrace import host
from soltrace.host import Signal

def solve():
    info = host.SolveInfo(solver="Tsit5", adjoint="Direct", controller="PID")
    start = host.receive(Signal.FORWARD_START, info, np.array([0, 1, 0], np.int32), np.array([0, 1, 1, 0, 0.0]))
    host.receive(Signal.FORWARD_END, info, np.array([start[0], 3, 2, 0], np.int32), np.array([1.0]))

soltrace.configure(directory=sys.argv[1])
with soltrace.experiment("fit"):
    solve()
    child = os.fork()
    solve()
    if child:
        assert os.waitpid(child, 0)[1] == 0
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    logs = [path.read_text().splitlines() for path in sorted(tmp_path.iterdir(), key=lambda path: path.stat().st_ino)]
    events = [[line.partition('"event":"')[2].partition('"')[0] for line in log] for log in logs]
    solve = ["pass.started", "pass.ended"]
    assert sorted(events, key=len) == [
        ["log.opened", *solve],
        ["log.opened", "experiment.started", *solve, *solve, "experiment.ended"],
    ]
    child = min(logs, key=len)
    assert all('"experiment":null' in line for line in child)
    assert f"-{os.getpid()}" not in child[0]


def test_without_a_plan_nothing_is_recorded_and_that_is_said(monkeypatch, program, caplog):
    """Who imports a room by itself, and not `soltrace.diffeqsolve`, is told once."""
    monkeypatch.setattr(PROCESS, "plan", None)
    assert [program.start(), program.start()] == [0, 0]
    assert [record.getMessage() for record in caplog.records] == [
        "soltrace: nothing is recorded: soltrace.setup.configure, which says how, was not imported"
    ]


class InterruptedPacing(Every):
    """A signal comes while a pass is being opened."""

    def pace(self, *arguments):
        return InterruptedPace(super().pace(*arguments))


class InterruptedPace:
    """The first that it is asked is interrupted."""

    def __init__(self, pace):
        self._pace, self._interrupted = pace, False

    def __getattr__(self, name):
        if name == "first" and not self._interrupted:
            self._interrupted = True
            signal.raise_signal(signal.SIGUSR1)
        return getattr(self._pace, name)


def test_what_a_signal_handler_raises_goes_through_and_leaves_no_pass_open(program):
    """It is its program's; what it has interrupted is closed, and counted if anything had been told of it."""

    def handler(*_):
        raise ValueError("of the program's own")

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with capture(pacing=InterruptedPacing(1, 0.0)) as told:
            with pytest.raises(ValueError, match="of the program's own"):
                program.start()
            assert PROCESS.shared.passes.open == {}
            lost = [(event["what"], event["reason"], event["dropped"]) for event in told.events()]
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert lost == [("end of a pass", "interrupted", 1)]
