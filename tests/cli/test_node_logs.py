"""What the commands make of a node's log: several processes wrote it, one was killed and run again, one was killed."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.programs.array_task import FAILED, KILLED, RANKS, REQUEUED

TESTS = Path(__file__).parents[1]
_spec = importlib.util.spec_from_file_location("collector", TESTS / "shipping" / "conftest.py")
_collector = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_collector)

JOB = {"SLURM_JOB_ID": "18", "SLURM_ARRAY_JOB_ID": "17", "SLURM_CLUSTER_NAME": "big"}
NOBODY_TO_ASK = {"PATH": "/nowhere"}
"""There may be a Slurm on this machine, which knows of no such job."""


@pytest.fixture
def collector():
    """A collector, up."""
    collector = _collector.Collector()
    yield collector
    collector.close()


def begun(directory, task, rank=0, restart=0):
    """Begin a task of an array on this node."""
    known = {"SLURM_ARRAY_TASK_ID": task, "SLURM_PROCID": rank, "SLURM_RESTART_COUNT": restart}
    written = {"SOLTRACE_DIR": directory, "SOLTRACE_LOG": "node", "SOLTRACE_LOG_MAX_BYTES": "4k"}
    environ = {**os.environ, **JOB, **{name: str(value) for name, value in {**known, **written}.items()}}
    program = [sys.executable, TESTS / "programs" / "array_task.py"]
    return subprocess.Popen(program, env=environ, stderr=subprocess.DEVNULL)


def an_array(directory, until):
    """Run one whose tasks end as they may; returns the lines of its log."""
    killed = [begun(directory, task) for task in (KILLED, REQUEUED)]
    others = [begun(directory, FAILED), begun(directory, RANKS), begun(directory, RANKS, rank=1)]
    assert [process.wait() for process in others] == [1, 0, 0]
    starts = lambda: Counter(line["run_id"] for line in read(directory) if line["event"] == "pass.started")
    assert sorted(until(starts, lambda counts: sorted(counts.values()) == [1, 2, 2, 2, 2]).values()) == [1, 2, 2, 2, 2]
    for process in killed:
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert begun(directory, REQUEUED, restart=1).wait() == 0
    return read(directory)


def read(directory):
    """All lines of the log, part by part."""
    return [json.loads(line) for path in sorted(directory.iterdir()) for line in path.read_bytes().splitlines()]


def ids(requests, kind, items):
    """The ids of the spans that OTLP's JSON lines hold."""
    return Counter(
        span["spanId"]
        for request in requests
        for resource in request[f"resource{kind}"]
        for scope in resource[f"scope{kind}"]
        for span in scope[items]
        if "spanId" in span
    )


@pytest.mark.slow
@pytest.mark.once
def test_a_node_s_log_is_read_like_any_other(soltrace, collector, until, tmp_path):
    """By every command the same is said of each of its runs: how it ended, what it continues, and what was its own."""
    runs = tmp_path / "runs"
    runs.mkdir()
    lines = an_array(runs, until)
    assert len(list(runs.iterdir())) > 2
    assert {path.name.partition(".")[0] for path in runs.iterdir()} == {f"node-{os.uname().nodename}-job17"}

    opened = {line["run_id"]: line for line in lines if line["event"] == "log.opened" and "part" not in line}
    tasks = {
        run: tuple(int(line["resource"][name]) for name in ("array_task", "restart", "rank"))
        for run, line in opened.items()
    }
    by = {task: run for run, task in tasks.items()}
    continued = {tasks[run]: line["continues"] for run, line in opened.items() if "continues" in line}
    assert continued == {(REQUEUED, 1, 0): by[REQUEUED, 0, 0]}

    question = "SELECT run_id, status, passes, lost_because FROM runs"

    def asked():
        status, answer, said = soltrace.run("query", "--json", question, runs, **NOBODY_TO_ASK)
        assert (status, said) == (0, [])
        return {tasks[row.pop("run_id")]: tuple(row.values()) for row in map(json.loads, answer)}

    # Last lines of a process that is gone are waited for, a second long.
    assert (found := until(asked, lambda found: found[KILLED, 0, 0][0] == "lost")) == {
        (KILLED, 0, 0): ("lost", 2, "its process is gone"),
        (REQUEUED, 0, 0): ("replaced", 2, None),
        (REQUEUED, 1, 0): ("ok", 2, None),
        (FAILED, 0, 0): ("error", 1, None),
        (RANKS, 0, 0): ("ok", 2, None),
        (RANKS, 0, 1): ("ok", 2, None),
    }

    status, answer, said = soltrace.run("report", "--format", "json", runs, **NOBODY_TO_ASK)
    report = json.loads("\n".join(answer))
    assert (status, said) == (0, [])
    assert {tasks[row["run_id"]]: row["passes"] for row in report["runs"]["rows"]} == {
        task: passes for task, (_, passes, _) in found.items()
    }
    assert [tasks[row["run_id"]] for row in report["lost"]["rows"]] == [(KILLED, 0, 0)]
    assert [row["result"] for row in report["failures"]["rows"]] == ["ValueError: on purpose"]

    to = ("--endpoint", collector.address, "--all")
    assert soltrace.run("ship", runs, *to)[0] == soltrace.run("ship", runs, *to)[0] == 0
    spans = {span.span_id.hex(): span for span in collector.spans}
    assert Counter(collector.span_ids.values()) == {1: 6 + 6 + 11}
    assert {span.name for span in spans.values() if span.parent_span_id.hex() not in spans} == {"run"}
    assert Counter(span.name for span in spans.values() if span.status.message == "abandoned") == {
        "run": 2,
        "sweep": 2,
        "diffeqsolve forward": 2,
    }
    assert len(collector.record_ids) == len(collector.log_records) == len(lines)

    assert soltrace.run("convert", runs, "-o", "otlp/", "--to", "otlp-json")[0] == 0
    traces, logs = (
        [json.loads(line) for line in (tmp_path / "otlp" / f"{name}.jsonl").read_bytes().splitlines()]
        for name in ("traces", "logs")
    )
    ended = {span_id for span_id, span in spans.items() if span.status.message != "abandoned"}
    assert ids(traces, "Spans", "spans") == dict.fromkeys(ended, 1)
    assert ids(logs, "Logs", "logRecords") == Counter(line["span_id"] for line in lines if "span_id" in line)
