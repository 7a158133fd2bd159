"""What readers say of an array job in a real Slurm, of which one task each ends in every way that there is."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import slurm as real_slurm

pytestmark = [pytest.mark.programs, pytest.mark.slow, pytest.mark.once]
ROOT = Path(__file__).parents[3]
TASK = """
import os, sys, time
import numpy as np, soltrace, soltrace.setup.configure
from soltrace import host
from soltrace.host import Signal
info = host.SolveInfo(solver="Tsit5", adjoint="Direct", controller="PID")
begin = lambda: host.receive(Signal.FORWARD_START, info, np.array([0, 1, 0], np.int32), np.array([0, 1, 1, 0, 0.0]))
end = lambda start: host.receive(Signal.FORWARD_END, info, np.array([start[0], 3, 2, 0], np.int32), np.array([1.0]))
task, again = os.environ["SLURM_ARRAY_TASK_ID"], os.environ.get("SLURM_RESTART_COUNT", "0") != "0"
if task == "4":  # without an experiment, and between two passes
    end(begin())
    soltrace.flush()
    kept = bytearray(b"x" * (400 * 2**20))
    time.sleep(600)
if task in "78":  # after an experiment
    with soltrace.experiment("fit"):
        end(begin())
    soltrace.flush()
    kept = bytearray(b"x" * (400 * 2**20)) if task == "7" else os._exit(0)
    time.sleep(600)
with soltrace.experiment("fit"):
    end(begin())
    if task in "16" or again:
        sys.exit()
    begin()
    time.sleep(600)
"""
PASSES = 11
"""Of all tasks, the first attempt of each."""


@pytest.fixture(scope="module")
def slurm():
    """A Slurm of this module's own, which keeps accounts."""
    with real_slurm.running(accounts=True) as running_slurm:
        yield running_slurm


def soltrace(slurm, *arguments):
    """Start a command of soltrace's where Slurm can be asked."""
    command = [sys.executable, "-m", "soltrace", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | slurm.environ, **pipes)


def process_of(logs, task):
    """The process of a task, as its log says."""
    first = [json.loads(log.read_text().partition("\n")[0])["resource"] for log in logs.iterdir()]
    return next(where["pid"] for where in first if where["array_task"] == task)


def ended(slurm, logs):
    """How each run has ended, and why."""
    question = "SELECT array_task, restart, status, lost_because FROM runs ORDER BY ALL"
    with soltrace(slurm, "query", "--json", question, logs) as query:
        return [tuple(json.loads(line).values()) for line in query.communicate(timeout=60)[0].splitlines()]


def test_an_array_of_which_each_task_ends_in_its_own_way(slurm, tmp_path):
    """Well; killed; cancelled, in time to say so; out of memory, after its experiment too; run again; by `os._exit`."""
    (tmp_path / "task.py").write_text(TASK)
    script, logs = tmp_path / "job.sh", tmp_path / "logs"
    script.write_text(f"#!/bin/bash\nexec {sys.executable} {tmp_path}/task.py\n")
    environ = {"SOLTRACE_DIR": str(logs), "PYTHONPATH": str(ROOT)}
    options = ["--array=1-8%7", "--output=/dev/null", "--requeue", "--mem=300"]
    job = slurm.submit(script, *options, environ=environ)
    with soltrace(slurm, "tail", "--until-done", "--plain", logs) as tail:
        try:
            deadline = time.monotonic() + 60
            while sum(log.read_text().count("pass.started") for log in logs.glob("*")) < PASSES:
                assert time.monotonic() < deadline, slurm.tasks(job)
                time.sleep(0.1)
            os.kill(process_of(logs, "2"), signal.SIGKILL)
            slurm.command("scancel", f"{job}_3")
            slurm.requeue(job, "5")
            _, said = tail.communicate(timeout=120)
        finally:
            tail.kill()
    lost = "Slurm says FAILED, by signal 9"
    told = [line.partition(": ")[2] for line in said.splitlines() if " lost since " in line]
    assert sorted(re.sub(".*UTC: |[0-9]{8}T.*?: ", "", line) for line in told) == [lost, lost, f"{lost}; 1 pass open"]
    assert tail.returncode == 1  # what was cancelled has failed
    runs = [
        ("1", None, "ok", None),
        ("2", None, "lost", lost),
        ("3", None, "error", None),
        ("4", None, "lost", lost),
        ("5", "1", "ok", None),
        ("5", None, "replaced", None),
        ("6", None, "ok", None),
        ("7", None, "lost", lost),
        ("8", None, "ok", None),
    ]
    assert ended(slurm, logs) == runs
    with soltrace(slurm, "report", "--format", "json", logs) as report:
        facts = json.loads(report.communicate(timeout=60)[0])
    found = {(row["array_task"], row["why"], row["passes"]) for row in facts["lost"]["rows"]}
    assert found == {("2", lost, 1), ("4", lost, 0), ("7", lost, 0)}
    slurm.forget()
    assert slurm.command("squeue", "--noheader", "--states=all") == ""
    assert ended(slurm, logs) == runs  # as the accounts have it
