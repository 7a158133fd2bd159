"""A job array in a real Slurm: its twenty tasks are one trace in Jaeger, which says how each of them has ended."""

import json
import os
import subprocess
import sys
import uuid
from collections import Counter
from pathlib import Path

import pytest

from tests.programs.array_task import (
    EXITED,
    FAILED,
    KILLED,
    KILLED_LATER,
    RANKS,
    REQUEUED,
    TIMED_OUT,
    TOO_LARGE,
    VANISHED,
)

PROGRAM = Path(__file__).parents[1] / "programs" / "array_task.py"
SCRIPT = f"""#!/bin/bash
launch=
[ $SLURM_ARRAY_TASK_ID = {RANKS} ] && launch='srun --ntasks=2 --overcommit --overlap --mem=0'
exec $launch {sys.executable} {PROGRAM}
"""


def stopped(slurm, log_directory):
    """Run the array, and do to its tasks what is to be done to them; returns the states that they end in."""
    script = slurm.directory / "array.sh"
    script.write_text(SCRIPT)
    options = ("--array=1-20", "--mem=400", "--requeue", f"--output={slurm.directory}/%a.out", "--open-mode=append")
    job = slurm.submit(script, *options, environ={"SOLTRACE_DIR": str(log_directory)})
    waiting = [KILLED, REQUEUED, TIMED_OUT, VANISHED]

    def begun(task):
        return any(f'"array_task":"{task}"' in text and text.count('"pass.started"') == 2 for text in logs())

    def logs():
        return [log.read_text() for log in log_directory.glob("*.jsonl")]

    slurm.wait_for(lambda: all(map(begun, waiting)), "the tasks wait for what comes")
    slurm.wait(job, tasks=[str(task) for task in range(1, 21) if task not in waiting])
    slurm.kill(job, str(KILLED))
    slurm.requeue(job, str(REQUEUED))
    slurm.time_out(job, str(TIMED_OUT))
    node = slurm.where(job, str(VANISHED))
    assert node != slurm.where(job, str(TIMED_OUT))
    slurm.fail(node)
    states = slurm.wait(job)
    slurm.start_node(node)
    return {int(task): state for task, state in states.items()}


def told(trace):
    """What a trace says of each run, by task, attempt and rank: how it ended, its name, and which run it continues."""
    where = {
        name: {tag["key"]: tag["value"] for tag in process["tags"]} for name, process in trace["processes"].items()
    }
    found = {}
    for span in trace["spans"]:
        if span["operationName"] == "run":
            tags = {tag["key"]: tag["value"] for tag in span["tags"]}
            lives = where[span["processID"]]
            named = [lives.get(f"soltrace.scheduler.{name}", "0") for name in ("array_task", "restart", "rank")]
            ended = tags.get("otel.status_description", tags.get("otel.status_code", "ok"))
            found[tuple(map(int, named))] = (ended, tags["soltrace.run_id"], tags.get("soltrace.continues"))
    return found


@pytest.mark.programs
@pytest.mark.slow
@pytest.mark.once
def test_an_array_is_one_trace(stack, slurm, tmp_path):
    """Killed in a pass and after all, run again, out of time, out of memory, failed, on a node that vanished."""
    states = stopped(slurm, tmp_path)
    ended = {TIMED_OUT: "TIMEOUT", **dict.fromkeys((KILLED, TOO_LARGE, FAILED, EXITED, KILLED_LATER), "FAILED")}
    assert states == {task: ended.get(task, "COMPLETED") for task in range(1, 21)}

    service = f"array-{uuid.uuid4()}"
    command = [sys.executable, "-m", "soltrace", "ship", str(tmp_path), "--endpoint", stack.otlp_http, "--all"]
    subprocess.run(command, env=os.environ | {"OTEL_SERVICE_NAME": service}, check=True, capture_output=True)
    # Each of 20 tasks, of two ranks of one and of two that ran twice: its run, its experiment, and two passes.
    runs = 20 + 1 + 2
    count = runs * 4 - 2
    stack.jaeger.spans(service, at_least=count)
    (trace,) = stack.jaeger.traces(service)
    spans = {span["spanID"]: span for span in trace["spans"]}
    assert Counter(span["operationName"] for span in trace["spans"]) == {
        "run": runs,
        "sweep": runs,
        "diffeqsolve forward": count - 2 * runs,
    }
    above = {"run": None, "sweep": "run", "diffeqsolve forward": "sweep"}
    for span in trace["spans"]:
        assert not span["warnings"]
        parents = [spans[reference["spanID"]]["operationName"] for reference in span["references"]]
        assert parents == [parent for parent in [above[span["operationName"]]] if parent is not None]

    expected = dict.fromkeys([(task, 0, 0) for task in range(1, 21)], "ok") | {
        (KILLED, 0, 0): "abandoned",
        (KILLED_LATER, 0, 0): "abandoned",
        (REQUEUED, 0, 0): "SIGTERM",
        (REQUEUED, 1, 0): "ok",
        (TIMED_OUT, 0, 0): "SIGTERM",
        (TOO_LARGE, 0, 0): "abandoned",
        (FAILED, 0, 0): "ValueError: on purpose",
        (EXITED, 0, 0): "SystemExit: 3",
        (RANKS, 0, 1): "ok",
        (VANISHED, 0, 0): "abandoned",
        (VANISHED, 1, 0): "ok",
    }
    found = told(trace)
    assert {which: ended for which, (ended, _, _) in found.items()} == expected
    continued = {which: continues for which, (_, _, continues) in found.items() if continues is not None}
    assert continued == {(task, 1, 0): found[task, 0, 0][1] for task in (REQUEUED, VANISHED)}

    lost = {(KILLED, 0, 0), (TOO_LARGE, 0, 0), (KILLED_LATER, 0, 0)}
    state_of = {
        which: "replaced"
        if (*which[:1], 1, 0) in continued and which[1] == 0
        else {"ok": "ended", "abandoned": "lost", "SIGTERM": "interrupted"}.get(ended, "failed")
        for which, ended in expected.items()
    }
    assert {which for which, state in state_of.items() if state == "lost"} == lost
    name_of = {which: run_id for which, (_, run_id, _) in found.items()}
    assert states_on_the_page(stack, name_of) == state_of
    assert said_by_readers(slurm, tmp_path, name_of) == {
        "query": {which: IN_SQL.get(state, state) for which, state in state_of.items()},
        "report": lost,
        "tail": lost,
        "status": 1,  # some have failed
    }


IN_SQL = {"ended": "ok", "failed": "error", "interrupted": "error"}
PAGE = Path(__file__).parents[2] / "dashboards" / "grafana" / "dashboards" / "soltrace-runs.json"


def states_on_the_page(stack, name_of):
    """What the dashboard's table of runs says of each, as if asked three minutes after the last has stopped."""
    (panel,) = [panel for panel in json.loads(PAGE.read_text(encoding="utf-8"))["panels"] if panel["title"] == "Runs"]
    query = panel["targets"][0]["expr"].replace("in($experiment)", "in(*)").replace(":>180", ":>=0")
    ours = ",".join(name_of.values())
    rows = stack.logs.query(f"{query} | filter run_id:in({ours})", at_least=len(name_of))
    which = {run_id: each for each, run_id in name_of.items()}
    return {which[row["run_id"]]: row["state"] for row in rows}


def said_by_readers(slurm, log_directory, name_of):
    """What `query`, `report` and `tail` say of each run, and with which status `tail` leaves."""

    def done(*arguments):
        command = [sys.executable, "-m", "soltrace", *arguments, str(log_directory)]
        return subprocess.run(command, env=os.environ | slurm.environ, capture_output=True, text=True, check=False)

    which = {run_id: each for each, run_id in name_of.items()}
    rows = map(json.loads, done("query", "--json", "SELECT run_id, status FROM runs").stdout.splitlines())
    report = json.loads(done("report", "--format", "json").stdout)
    tail = done("tail", "--plain", "--until-done")
    return {
        "query": {which[row["run_id"]]: row["status"] for row in rows},
        "report": {which[row["run_id"]] for row in report["lost"]["rows"]},
        "tail": {each for each, run_id in name_of.items() if f" UTC: {run_id}: Slurm says" in tail.stderr},
        "status": tail.returncode,
    }
