"""Files that cannot be read, or not all of them: named once by each command, and the others are read."""

import gzip
import os
import signal
from pathlib import Path

import pytest

from soltrace.cli import log_files

COMMANDS = {
    "tail": ["tail", "--no-follow", "--json"],
    "report": ["report", "--format", "json"],
    "convert": ["convert", "-o", "out.parquet"],
}


@pytest.fixture
def runs(tmp_path: Path, log) -> Path:
    """A directory with a log, what is called like one, and two that are cut and damaged."""
    path = tmp_path / "runs"
    path.mkdir()
    log.append(path / "run.jsonl", log.experiment_started(0), log.experiment_ended(3))
    os.mkfifo(path / "fifo.jsonl")
    whole = gzip.compress(b"".join(log.line(log.started(i, i)) for i in range(100)))
    (path / "cut.jsonl.gz").write_bytes(whole[:20])
    (path / "damaged.jsonl.gz").write_bytes(b"no archive")
    return path


@pytest.mark.programs
@pytest.mark.parametrize("command", COMMANDS)
def test_one_bad_file_does_not_stop_the_others(soltrace, runs, command):
    """It is said which, and why."""
    status, _, err = soltrace.run(*COMMANDS[command], "runs")
    assert status == 0
    assert sorted(line for line in err if "cannot" in line) == [
        f"soltrace {command}: cannot read all of runs/cut.jsonl.gz: it is cut",
        f"soltrace {command}: cannot read all of runs/damaged.jsonl.gz: it is damaged",
        f"soltrace {command}: cannot read runs/fifo.jsonl: it is a FIFO",
    ]


def test_a_log_that_may_not_be_read_is_said(tmp_path, monkeypatch):
    """The others are read; where there are none, that is what is wrong."""
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).touch()
    monkeypatch.setattr(log_files.os, "access", lambda path, _: path.name == "a.jsonl")
    said = []
    assert log_files.files([tmp_path], said.append) == [tmp_path / "a.jsonl"]
    assert said == [f"cannot read {tmp_path / 'b.jsonl'}: Permission denied"]
    assert log_files.unfit([tmp_path / "b.jsonl"]) == said[0]
    assert log_files.unfit([tmp_path]) is None


@pytest.mark.slow
@pytest.mark.programs
@pytest.mark.parametrize("command", ["report", "convert"])
def test_an_interrupt_ends_a_long_question(soltrace, tmp_path, log, until, command):
    """At once, and nothing is left half done."""
    lines = b"".join(log.line(log.ended(i % 60, i)) for i in range(1000))
    with (tmp_path / "run.jsonl").open("wb") as file:
        for _ in range(300):
            file.write(lines)
    (tmp_path / "scratch").mkdir()
    soltrace.environ["TMPDIR"] = str(tmp_path / "scratch")
    with (tmp_path / "err").open("wb") as err:
        process = soltrace.start(*COMMANDS[command], "run.jsonl", stdout=err, stderr=err)
        until(lambda: list((tmp_path / "scratch").glob("*/log.duckdb*")), bool)
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 130
    assert (tmp_path / "err").read_bytes() == b""
    assert list((tmp_path / "scratch").iterdir()) == []
    left = {path.name for path in tmp_path.iterdir()} - {"out.parquet"}  # whole, where it was done just before
    assert left == {"err", "run.jsonl", "scratch"}
