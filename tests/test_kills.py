"""Processes that are killed at random times; `make kills` kills more of them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

SEEDS = {"SIGKILL": (7000, 20), "SIGSEGV": (8000, 5)}


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize("number", SEEDS)
def test_what_a_killed_process_leaves_behind(number):
    """No line is torn, nothing is missing but of the last moment, and readers see what was open and that it is lost."""
    first, count = SEEDS[number]
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-m", "tests.kills"]  # of forks, from Python 3.12 on
    command += [f"--count={count}", f"--seed={first}", f"--signal={number}"]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert re.search(rf"\n{count} killed, [1-9].* runs lost.*; 0 wrong\n", done.stdout)


ENDS = {
    "os._exit": ("os._exit(7)", 7),
    "an exception": ("raise ValueError('no')", 1),
    "no memory": ("resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30)); bytearray(2**40)", 1),
    "a stack that overflows": ("recurse = lambda: recurse()\nrecurse()", 1),
}


@pytest.mark.parametrize("end", ENDS)
def test_how_else_a_process_ends_in_the_midst_of_a_pass(end, tmp_path):
    """What had been told is in the log, with its ending, where Python has one; the status is the process's own."""
    code, status = ENDS[end]
    program = f"""
import os, resource, time
import numpy as np, soltrace, soltrace.setup.configure
from soltrace import host
from soltrace.host import Signal
info = host.SolveInfo(solver="Tsit5", adjoint="Direct", controller="PID")
with soltrace.experiment("fit"):
    host.receive(Signal.FORWARD_START, info, np.array([0, 1, 0], np.int32), np.array([0, 1, 1, 0, 0.0]))
    log = next(__import__("pathlib").Path("logs").glob("*"))
    while "pass.started" not in log.read_text(): time.sleep(0.001)
{"".join(f"    {line}" + chr(10) for line in code.splitlines())}
"""
    environ = {"SOLTRACE_DIR": "logs"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr
    (log,) = (tmp_path / "logs").iterdir()
    told = [json.loads(line)["event"] for line in log.read_text().splitlines()]
    closed = [] if end == "os._exit" else ["pass.ended", "experiment.ended"]
    assert told == ["log.opened", "experiment.started", "pass.started", *closed]
