import json
import subprocess
import sys
from pathlib import Path

import pytest

LIMIT = 1 << 30
PEAK = """import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"""
"""Runs a command, and prints how many KiB it had in memory at most."""
"""Bytes of memory that a million records may take; ten millions take no more."""


@pytest.fixture
def runs(tmp_path: Path, log) -> Path:
    """The directory that is read by default, with a run in it."""
    path = tmp_path / "soltrace-runs"
    path.mkdir()
    log.append(path / "run.jsonl", log.experiment_started(0), log.started(1), log.ended(2), log.experiment_ended(3))
    return path


def test_a_page_by_default(soltrace, runs, tmp_path):
    """Of everything in soltrace-runs, and where it is, is said."""
    assert soltrace.run("report") == (0, [], ["soltrace: wrote soltrace-report.html"])

    page = (tmp_path / "soltrace-report.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "1 experiment in 1 run" in page


@pytest.mark.parametrize(
    "options,begins",
    [
        (["-o", "x.md"], "# soltrace report\n"),
        (["-o", "x.json"], "{\n"),
        (["-o", "x", "--format", "md"], "# soltrace report\n"),
    ],
    ids=["md", "json", "named"],
)
def test_text_into_a_file(soltrace, runs, tmp_path, options, begins):
    """The ending of the file says what is written, unless it is said otherwise."""
    assert soltrace.run("report", *options) == (0, [], [f"soltrace: wrote {options[1]}"])
    assert (tmp_path / options[1]).read_text(encoding="utf-8").startswith(begins)


def test_text_to_stdout(soltrace, runs):
    """For a pipe: text alone."""
    status, out, err = soltrace.run("report", "--format", "json", runs / "run.jsonl")
    assert (status, err) == (0, [])
    assert json.loads("\n".join(out))["sources"]["records"] == 4

    status, out, err = soltrace.run("report", "--format", "md", "-o", "-", "soltrace-runs/*.jsonl")
    assert (status, out[0], err) == (0, "# soltrace report", [])


def test_nothing_to_read(soltrace, tmp_path):
    """Is said at once, and nothing is written."""
    hint = "give a file or a directory that soltrace has written"
    (tmp_path / "empty").mkdir()
    (tmp_path / "blank.jsonl").touch()
    (tmp_path / "other.jsonl").write_text("hello\n{}\n")
    said = {
        "missing": f"missing does not exist: {hint}",
        "empty": f"there is no *.jsonl in empty: {hint}",
        "x*.jsonl": f"nothing matches x*.jsonl: {hint}",
        "/dev/null": "/dev/null is neither a file nor a directory",
        "blank.jsonl": "there are no lines",
        "other.jsonl": "none of 2 lines is a record of soltrace's",
    }
    for path, message in said.items():
        assert soltrace.run("report", path) == (2, [], [f"soltrace report: {message}"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blank.jsonl", "empty", "other.jsonl"]


def test_nowhere_to_write(soltrace, runs, tmp_path):
    """Is said before the log is read."""
    for target, message in {
        "soltrace-runs": "soltrace-runs is a directory: give the name of a file",
        "no/where.html": "there is no directory no",
    }.items():
        assert soltrace.run("report", "-o", target) == (2, [], [f"soltrace report: {message}"])


def test_without_what_it_needs(soltrace, runs, tmp_path):
    """The extra to install is named."""
    program = "import sys; sys.modules['duckdb'] = None; from soltrace.cli import main; sys.exit(main(['report']))"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, env=soltrace.environ, capture_output=True, text=True, check=False)
    said = "soltrace report: needs duckdb, not installed here: pip install 'soltrace[report]'\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


def test_help(soltrace):
    """It says what there is, with examples."""
    status, out, err = soltrace.run("report", "--help", COLUMNS="120")
    assert (status, err) == (0, [])
    assert out[0] == "usage: soltrace report [-h] [-o FILE] [--format {html,md,json}] [PATH ...]"
    assert "  soltrace report --format json | jq '.failures.rows[0].cause'" in out


def test_a_terminal_obeys_nothing_of_it(soltrace, runs, log, tmp_path):
    """The names of files are shown, whatever signs are in them."""
    log.append(runs / "\x1b[31m.jsonl", log.started(0))
    _, out, _ = soltrace.run("report", "--format", "md")
    assert any(r"\\x1b\[31m.jsonl" in line for line in out)
    assert "\x1b" not in "".join(out)


@pytest.mark.slow
@pytest.mark.once
def test_a_million_records(soltrace, tmp_path, log):
    """Fit into little memory: what does not fit is on the disk meanwhile."""
    started, ended = log.line(log.started(0)), log.line(log.ended(1))
    reports = b"".join(log.line(log.progress(n / 500, progress=n / 500, step=n)) for n in range(498))
    solve = (started + reports + ended).replace(b'"r1.1', b'"r1.%d')
    with (tmp_path / "run.jsonl").open("wb") as file:
        for number in range(2000):
            file.write(solve % ((number,) * (2 * 500)))

    # By a process between: a child begins with the memory of the parent as its peak, and this one holds a jax.
    command = [sys.executable, "-c", PEAK, *soltrace.arguments("report", "run.jsonl", "-o", "report.json")]
    done = subprocess.run(command, cwd=tmp_path, env=soltrace.environ, capture_output=True, text=True, check=True)
    assert int(done.stdout) * 1024 < LIMIT
    report = json.loads((tmp_path / "report.json").read_bytes())
    assert (report["sources"]["records"], report["phases"][0]["passes"]) == (1_000_000, 2000)
    assert (tmp_path / "report.json").stat().st_size < 1_000_000
