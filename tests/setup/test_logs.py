"""What logs are called, and the files that they are in."""

import json
import os
import re
import socket

import pytest

from soltrace import SoltraceWarning, configure, experiment, flush, shutdown
from soltrace.cli.log_files import files
from soltrace.reading.files.follow import Follower
from soltrace.wire.records import LogOpened, PassEnded
from soltrace.wire.warn import SAID

SILENT = {"spans": False, "metrics": False, "logs": False}
HOST = re.sub(r"[^A-Za-z0-9.]+", "-", socket.gethostname())


def read(*paths):
    """The records of some files, as readers follow them."""
    return [entry.value for entry in Follower(list(paths), pytest.fail).poll()]


@pytest.mark.parametrize(
    ("environ", "name", "place"),
    [
        ({}, "decay", f"decay-{HOST}"),
        ({}, "Größe, ½", f"Gr-e-{HOST}"),
        ({}, "½", HOST),
        (
            {"SLURM_JOB_ID": "19", "SLURM_ARRAY_JOB_ID": "17", "SLURM_ARRAY_TASK_ID": "2", "SLURM_PROCID": "0"},
            "decay",
            f"decay-{HOST}-job17-task2-rank0",
        ),
        ({"PBS_JOBID": "17.server"}, "decay", f"decay-{HOST}-job17.server"),
    ],
)
def test_a_name_says_what_it_is_and_where(tmp_path, monkeypatch, environ, name, place):
    """First when it began, so that names sort; then the experiment that it began with, host, job, task, rank."""
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)
    configure(directory=tmp_path, **SILENT)
    with experiment(name):
        pass
    shutdown()
    (log,) = tmp_path.iterdir()
    assert re.fullmatch(rf"\d{{8}}T\d{{6}}Z-{re.escape(place)}-{os.getpid()}\.jsonl", log.name)
    assert {record.run_id for record in read(log)} == {log.stem}


@pytest.mark.parametrize("said", ["configured", "variable"])
def test_a_directory_may_be_in_the_users_home(tmp_path, monkeypatch, program, said):
    """No shell has seen what a program says, or a file of settings; who reads looks there too."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SOLTRACE_DIR", "~/runs")
    configure(directory="~/runs" if said == "configured" else None, **SILENT)
    program.solve()
    shutdown()
    (log,) = (tmp_path / "runs").iterdir()
    assert files([], pytest.fail) == [log]


def test_a_long_log_goes_on_in_parts(tmp_path, program):
    """Whose names sort, which hold whole lines alone, and each of which says where the run lives."""
    configure(directory=tmp_path, log_max_bytes=5000, **SILENT)
    for _ in range(30):
        program.solve()
        flush()
    shutdown()
    parts = sorted(tmp_path.iterdir())
    assert [part.name.partition(".")[2] for part in parts] == [
        "jsonl",
        *(f"part{number:04}.jsonl" for number in range(2, len(parts) + 1)),
    ]
    assert len(parts) > 2
    first = [json.loads(part.read_bytes().splitlines()[0]) for part in parts]
    assert [line.get("part") for line in first] == [None, *range(2, len(parts) + 1)]
    assert all(line["event"] == "log.opened" and line["resource"]["pid"] == os.getpid() for line in first)
    assert all(5000 <= part.stat().st_size < 8000 for part in parts[:-1])
    for paths in ([parts[0]], [tmp_path]):
        records = read(*paths)
        assert sum(isinstance(record, PassEnded) for record in records) == 30
        assert sum(isinstance(record, LogOpened) for record in records) == len(parts)
        assert len({record.run_id for record in records}) == 1


def test_the_processes_of_a_node_may_share_a_log(tmp_path, monkeypatch, program):
    """Here two runs of one process, one after the other; the second finds it full, and both go on in the next part."""
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setenv("SOLTRACE_LOG", "node")
    monkeypatch.setenv("SOLTRACE_LOG_MAX_BYTES", "2k")
    for _ in range(2):
        configure(directory=tmp_path, **SILENT)
        for _ in range(3):
            program.solve()
        shutdown()
    logs = sorted(tmp_path.iterdir())
    assert [log.name for log in logs] == [f"node-{HOST}-job17.jsonl", f"node-{HOST}-job17.part0002.jsonl"]
    runs = [{record.run_id for record in read(log)} for log in (tmp_path / logs[0], logs[1])]
    assert [len(runs[0]), len(runs[1])] == [2, 1]
    opened = [record.part for record in read(tmp_path) if isinstance(record, LogOpened)]
    assert not any(opened)


def test_what_the_environment_says_wrongly_is_left_out(tmp_path, monkeypatch, program):
    """With a warning; the log is written as usual."""
    monkeypatch.setenv("SOLTRACE_LOG", "nodes")
    monkeypatch.setenv("SOLTRACE_LOG_MAX_BYTES", "many")
    monkeypatch.setenv("SOLTRACE_LOG_SYNC_S", "-1")
    configure(directory=tmp_path, **SILENT)
    with pytest.warns(SoltraceWarning, match="left out") as said:
        program.solve()
    assert [str(warning.message) for warning in said] == [
        "SOLTRACE_LOG_SYNC_S must be a number of seconds such as 5; left out: '-1'.",
        "SOLTRACE_LOG must be process or node; left out: 'nodes'.",
        "SOLTRACE_LOG_MAX_BYTES must be a number of bytes such as 500M; left out: 'many'.",
    ]
    shutdown()
    assert len(list(tmp_path.glob("*.jsonl"))) == 1


def test_a_flag_of_the_environment_that_says_neither_is_left_out(tmp_path, monkeypatch, program):
    """Said with the first solve; a job is one trace, and whatever else is so without it."""
    flags = ["SOLTRACE_DISABLED", "SOLTRACE_THREADS_APART", "SOLTRACE_ONE_TRACE", "SOLTRACE_LIVE"]
    for flag in flags:
        monkeypatch.setenv(flag, " Nein ")
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    SAID.clear()
    configure(directory=tmp_path, metrics=False, logs=False, flush_on_sigterm=False)
    with pytest.warns(SoltraceWarning, match="left out") as said:
        program.solve()
    assert [str(warning.message) for warning in said] == [
        f"{flag} must be true or false; left out: 'Nein'." for flag in flags
    ]
    shutdown()
    assert [type(record).__name__ for record in read(tmp_path)] == [
        *("LogOpened", "PassStarted", "PassProgress", "PassEnded"),
        "RunEnded",
    ]


def test_a_blank_is_no_directory(tmp_path, monkeypatch, program):
    """Neither for who writes nor for who reads; a name may have blanks in it."""
    monkeypatch.chdir(tmp_path)
    for said in (" ", "\t", " a b "):
        monkeypatch.setenv("SOLTRACE_DIR", said)
        configure(**SILENT)
        program.solve()
        shutdown()
        assert len(files([], pytest.fail)) == 1 + (said == "\t")
    assert sorted(path.name for path in tmp_path.iterdir()) == [" a b ", "soltrace-runs"]
