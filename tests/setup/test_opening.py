"""The state of a process: runs that follow each other while programs go on, and runs that can't be opened or end."""

import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter

import diffrax as dfx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import soltrace
from soltrace import SoltraceWarning, configure, host, shutdown
from soltrace.host.process import PROCESS
from soltrace.setup import opening

SILENT = {"spans": False, "metrics": False, "logs": False}


def logs(directory):
    """What each log in a directory says, without its first line."""
    paths = sorted(directory.glob("*.jsonl"))
    lines = [[json.loads(line) for line in path.read_text().splitlines()] for path in paths]
    assert [log[0]["event"] for log in lines] == ["log.opened"] * len(paths)
    return [log[1:] for log in lines]


def run(program, directory):
    """Run a program in a process of its own."""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=60, check=False)


def said(log, *fields):
    """These fields of each line, where they are."""
    return [tuple(line.get(field) for field in fields) for line in log]


def test_a_pullback_belongs_to_its_own_forward_pass_whatever_was_configured_since(tmp_path):
    """It outlives the run, as a notebook's cell that is run again shows: handles are the process's."""

    def solve(y, who):
        term = dfx.ODETerm(lambda t, y, args: -y)
        return soltrace.diffeqsolve(term, dfx.Tsit5(), 0.0, 1.0, 0.25, y, attributes={"who": who}).ys.sum()

    configure(directory=tmp_path / "a", **SILENT)
    _, pull = jax.vjp(lambda y: solve(y, "first"), jnp.array(1.0))
    configure(directory=tmp_path / "b", **SILENT)
    solve(jnp.array(2.0), "second").block_until_ready()
    pull(jnp.array(1.0))[0].block_until_ready()
    shutdown()
    (first,), (second,) = logs(tmp_path / "a"), logs(tmp_path / "b")
    passes = lambda log: [line for line in log if line["event"] in {"pass.started", "pass.ended"}]
    forward = first[0]["pass_id"] if first[0]["event"] == "pass.started" else passes(first)[0]["pass_id"]
    who = lambda log: [(line["event"], line["phase"], line["attributes"]) for line in passes(log)]
    assert who(first) == [(event, "forward", {"who": "first"}) for event in ("pass.started", "pass.ended")]
    assert who(second) == [
        ("pass.started", "forward", {"who": "second"}),
        ("pass.ended", "forward", {"who": "second"}),
        ("pass.started", "backward", {"who": "first"}),
        ("pass.ended", "backward", {"who": "first"}),
    ]
    assert passes(second)[2]["forward_pass_id"] == forward
    assert passes(second)[3]["status"] == "ok"
    assert passes(second)[3]["steps"] == {"accepted": 4, "rejected": 0, "recomputed": 4}


def test_a_pass_is_told_to_the_run_that_it_began_in_or_not_at_all(tmp_path, program, elsewhere):
    """A late end closes no pass of the next run."""
    configure(directory=tmp_path / "a", **SILENT)
    late = elsewhere(program.start)
    shutdown()
    configure(directory=tmp_path / "b", **SILENT)
    handle = program.start()
    program.end(late, t=0.3, result=1)
    program.end(handle)
    shutdown()
    (first,), (second,) = logs(tmp_path / "a"), logs(tmp_path / "b")
    assert late != handle
    assert said(first, "event", "status", "result", "reason") == [
        ("pass.started", None, None, None),
        ("pass.ended", "error", "abandoned", None),
        ("telemetry.dropped", None, None, "abandoned: the run was closed"),
    ]
    assert said(second, "event", "status", "t") == [("pass.started", None, None), ("pass.ended", "ok", 1.0)]


def test_a_pass_that_ends_while_its_run_is_being_closed_ends_there(tmp_path, program):
    """Programs under way are waited for; what begins meanwhile begins in the next run."""
    configure(directory=tmp_path / "a", **SILENT)
    first = program.start()
    began = []

    def finish():
        if not began:
            began.append(program.start())
            program.end(first)

    host.register_barrier(finish)
    try:
        configure(directory=tmp_path / "b", **SILENT)
    finally:
        PROCESS.shared.barriers.remove(finish)
    shutdown()
    # The one that was under way when `install` had been called began in the run of the new plan.
    (log,) = logs(tmp_path / "a")
    assert said(log, "event", "status") == [("pass.started", None), ("pass.ended", "ok")]
    (log,) = logs(tmp_path / "b")
    assert said(log, "event", "result")[:2] == [("pass.started", None), ("pass.ended", "abandoned")]


class Solving:
    """Threads that solve until they are told to stop; each pass that began is counted."""

    def __init__(self, program, threads):
        self.began = Counter()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(program, number)) for number in range(threads)]

    def _run(self, program, number):
        while not self._stop.is_set():
            if handle := program.start():
                self.began[number] += 1
                program.end(handle)
            time.sleep(random.uniform(0.0, 2e-3 * len(self._threads)))  # or they leave no time for anybody else

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        while sum(self.began.values()) < len(self._threads):
            time.sleep(0.001)
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)


def test_what_begins_after_configure_goes_where_it_says(tmp_path, program):
    """Whoever solves meanwhile opens no run by the old settings."""
    configure(directory=tmp_path / "a", **SILENT)
    with Solving(program, threads=1):
        configure(directory=tmp_path / "b", **SILENT)
        assert len(list((tmp_path / "a").iterdir())) == 1
        before = (tmp_path / "a").glob("*").__next__().read_text()
        while not (tmp_path / "b").is_dir():
            time.sleep(0.001)
    shutdown()
    assert next((tmp_path / "a").glob("*")).read_text() == before
    assert len(logs(tmp_path / "a")) == len(logs(tmp_path / "b")) == 1


def test_disabled_nothing_is_recorded_any_more(tmp_path, program):
    """Not even by programs that were compiled while it was enabled, and that run on."""
    configure(directory=tmp_path, **SILENT)
    with Solving(program, threads=1) as solving:
        configure(directory=tmp_path, enabled=False)
        (log,) = logs(tmp_path)
        began = sum(solving.began.values())
        assert program.start() == 0
        assert (PROCESS.recorder, host.enabled()) == (None, False)
    assert sum(solving.began.values()) <= began + 1
    assert logs(tmp_path) == [log]


def test_every_pass_is_in_one_log_however_often_runs_are_closed_meanwhile(tmp_path, program):
    """64 threads solve while another one calls `configure` and `shutdown` 200 times. No log is empty."""
    configure(directory=tmp_path, heartbeat_s=60.0, **SILENT)
    with Solving(program, threads=64) as solving:
        for number in range(200):
            while PROCESS.recorder is None:  # until somebody has begun a run
                time.sleep(0)
            if number % 2:
                shutdown()
            else:
                configure(directory=tmp_path, **SILENT)
    shutdown()
    written = logs(tmp_path)
    assert len(written) >= 200  # and one more, if somebody has begun it before the end
    assert [log for log in written if not log] == []
    lines = [line for log in written for line in log]
    began = Counter(line["pass_id"] for line in lines if line["event"] == "pass.started")
    ended = Counter(line["pass_id"] for line in lines if line["event"] == "pass.ended")
    assert began == ended
    assert set(began.values()) == {1}
    assert sum(began.values()) == sum(solving.began.values())
    # An end that had to be made up is counted; nothing else was lost.
    made_up = sum(line.get("result") == "abandoned" for line in lines)
    lost = Counter()
    for line in lines:
        if line["event"] == "telemetry.dropped":
            lost[line["what"], line["reason"]] += line["dropped"]
    assert lost == ({("end of a pass", "abandoned: the run was closed"): made_up} if made_up else {})


def test_a_run_that_cannot_be_opened_is_one_warning_and_leaves_nothing(tmp_path, program, monkeypatch):
    """Each step of opening may fail; the solve goes on, and is not asked again."""

    def fails(*_, **__):
        raise RuntimeError("no devices")

    for number, name in enumerate(["resource.resource", "outputs.metrics_and_logs", "outputs.spans", "Recorder"]):
        directory = tmp_path / str(number)
        configure(directory=directory)
        with monkeypatch.context() as patch:
            patch.setattr(f"{opening.__name__}.{name}", fails)
            with pytest.warns(SoltraceWarning) as warned:
                assert [program.start() for _ in range(3)] == [0, 0, 0]
        assert [str(warning.message) for warning in warned] == [
            "nothing is recorded: a run could not be opened: RuntimeError: no devices"
        ]
        assert list(directory.glob("*")) == []
    configure(directory=tmp_path / "again", **SILENT)
    program.solve()
    shutdown()
    assert len(logs(tmp_path / "again")) == 1


def test_a_warning_that_solves_opens_no_second_run(tmp_path, program, monkeypatch):
    """While a run is being opened, code of the user's may run, and be it a filter for warnings."""
    monkeypatch.setenv("SOLTRACE_ATTRIBUTES", "malformed")
    monkeypatch.setattr("warnings.showwarning", lambda *_: program.start())
    configure(directory=tmp_path, **SILENT)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr("warnings.showwarning", lambda *_: program.start())
        handle = program.start()
    program.end(handle)
    shutdown()
    (log,) = logs(tmp_path)
    assert said(log, "event", "status") == [("pass.started", None), ("pass.ended", "ok")]


def test_without_a_thread_for_it_the_work_is_done_by_who_closes(tmp_path, program, monkeypatch):
    """From Python 3.12 on no thread can be started once the interpreter has begun to end."""
    started = threading.Thread.start

    def refuse(thread):
        if thread.name == "soltrace-worker":
            raise RuntimeError("can't create new thread at interpreter shutdown")
        started(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    configure(directory=tmp_path, **SILENT)
    program.solve()
    assert soltrace.flush()
    (log,) = logs(tmp_path)
    told = [("pass.started", None), ("pass.progress", None), ("pass.ended", "ok")]
    assert said(log, "event", "status") == told
    program.solve()
    assert shutdown()
    (log,) = logs(tmp_path)
    assert said(log, "event", "status") == told * 2


AT_THE_END = """
import os, threading, time
import numpy as np
import soltrace
from soltrace import host
from soltrace.host import Signal, SolveInfo
info = SolveInfo(solver="Tsit5", adjoint="Direct", controller="PID")
began = []
def solve():
    start = host.receive(Signal.FORWARD_START, info, np.array([0, 1, 0], np.int32), np.array([0, 1, 1, 0, 0.0]))
    if start[0]:
        began.append(start[0])
        host.receive(Signal.FORWARD_END, info, np.array([start[0], 3, 2, 0], np.int32), np.array([1.0]))
def forever():
    while True:
        solve()
        time.sleep(0.0001)
import atexit
atexit.register(lambda: os.write(1, str(len(began)).encode()))  # runs after soltrace's own: registered before it
soltrace.configure(directory="logs", spans=False, metrics=False, logs=False{options})
for _ in range(2): threading.Thread(target=forever, daemon=True).start()
{wait}
"""


@pytest.mark.parametrize("wait", ["", "time.sleep(0.05)"], ids=["at once", "later"])
def test_threads_that_solve_until_the_interpreter_ends(tmp_path, wait):
    """Whatever began is in one log, and closed; also where the first run is opened while the interpreter ends."""
    for _ in range(3):
        program = AT_THE_END.format(options="", wait=wait)
        for path in tmp_path.glob("logs/*"):
            path.unlink()
        done = run(program, tmp_path)
        assert done.returncode == 0
        written = logs(tmp_path / "logs")
        lines = [line for log in written for line in log]
        began = [line["pass_id"] for line in lines if line["event"] == "pass.started"]
        ended = [line["pass_id"] for line in lines if line["event"] == "pass.ended"]
        assert len(written) <= 1
        assert began == sorted(set(began), key=began.index)
        assert sorted(began) == sorted(ended)
        assert len(began) == int(done.stdout)
        made_up = sum(line.get("result") == "abandoned" for line in lines)
        lost = [line["dropped"] for line in lines if line["event"] == "telemetry.dropped"]
        assert lost == [made_up] * bool(made_up)
        assert done.stderr == f"soltrace: lost {made_up} x end of a pass: abandoned: the run was closed\n" * len(lost)


def test_the_child_of_a_fork_knows_no_handle_of_its_parents(tmp_path):
    """A program that was compiled before keeps it, and its late end closes nothing here."""
    program = """
import os, sys, warnings
import numpy as np
import soltrace
from soltrace import host
from soltrace.host import Signal
warnings.simplefilter("ignore", DeprecationWarning)  # of forks, from Python 3.12 on
info = host.SolveInfo(solver="Tsit5", adjoint="Direct", controller="PID")
start = lambda: int(host.receive(
    Signal.FORWARD_START, info, np.array([0, 1, 0], np.int32), np.array([0, 1, 1, 0, 0.0]))[0])
end = lambda handle, t: host.receive(Signal.FORWARD_END, info, np.array([handle, 3, 2, 0], np.int32), np.array([t]))
soltrace.configure(directory="logs", spans=False, metrics=False, logs=False)
parents = start()
if not os.fork():
    own = start()
    end(parents, 0.3)
    end(own, 1.0)
    soltrace.shutdown()
    os._exit(0)
os.wait()
end(parents, 1.0)
"""
    done = run(program, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    told = [said(log, "event", "t", "status") for log in logs(tmp_path / "logs")]
    assert told == [[("pass.started", None, None), ("pass.ended", 1.0, "ok")]] * 2


def test_numbers_that_nobody_gave_out_are_answered_by_default(program):
    """A program of another process's, or of a run long gone."""
    configure(json_log=False, **SILENT)
    assert program.tell(host.Signal.FORWARD_STEP, [4711, 1, 1, 0], [0.5]) == host.NEVER
    assert np.asarray(program.tell(host.Signal.BACKWARD_START, [0, 0], [0.0, 0.0])).tolist() == [-1.0, 0.0]


@pytest.mark.parametrize("before", ["solve(0)", ""], ids=["later", "only"])
def test_a_solve_in_an_exit_handler_is_in_the_log(before, tmp_path):
    """One that runs after ours, because it was registered earlier; whether anything was recorded before or not."""
    program = f"""
import atexit
import numpy as np
@atexit.register
def last():
    solve(1)
    with soltrace.experiment("last"): solve(2)
import soltrace
from soltrace import host
from soltrace.host import Signal, SolveInfo
import soltrace.setup.configure
info = SolveInfo(solver="Tsit5", adjoint="Direct", controller="PID")
def solve(t):
    start = host.receive(Signal.FORWARD_START, info, np.array([0, 1, 0], np.int32), np.array([0, t, 1, 0, 0.0]))
    host.receive(Signal.FORWARD_END, info, np.array([start[0], 3, 2, 0], np.int32), np.array([float(t)]))
soltrace.configure(directory="logs", spans=False, metrics=False, logs=False)
{before}
"""
    done = run(program, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    (log,) = logs(tmp_path / "logs")
    solves = [(0, None), (1, None), (2, "last")] if before else [(1, None), (2, "last")]
    assert said([line for line in log if line["event"] == "pass.ended"], "t", "experiment") == solves
    assert said(log[-1:], "event", "status") == [("experiment.ended", "ok")]


def test_ctrl_c_while_the_process_ends_leaves_the_log_complete(tmp_path):
    """Whoever waits for an exporter gives up; the open pass is closed all the same."""
    program = """
import os, signal
import numpy as np
import soltrace
from soltrace import host
from soltrace.export.registry import EXPORTS
from soltrace.host import Signal, SolveInfo
import soltrace.setup.configure
soltrace.configure(directory="logs", spans=False, metrics=False, logs=False)
info = SolveInfo(solver="Tsit5", adjoint="Direct", controller="PID")
host.receive(Signal.FORWARD_START, info, np.array([0, 1, 0], np.int32), np.array([0, 1, 1, 0, 0.0]))
EXPORTS.flush = lambda timeout_s: signal.raise_signal(signal.SIGINT)
"""
    done = run(program, tmp_path)
    assert done.returncode == 0  # as Python has it of exit handlers
    (log,) = logs(tmp_path / "logs")
    assert said(log, "event", "reason") == [
        ("pass.started", None),
        ("pass.ended", None),
    ]
