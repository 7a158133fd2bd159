"""`soltrace query`: a table for people, lines of JSON for the rest, one line for what is wrong."""

import json
import os
import pty
import subprocess

import pytest


@pytest.fixture
def runs(tmp_path, log):
    """The directory that is read by default, with a run in it."""
    path = tmp_path / "soltrace-runs"
    path.mkdir()
    log.append(
        path / "run.jsonl",
        *(log.started(0), log.progress(1, progress=0.5, step=3, t="NaN"), log.ended(2, duration_s=2.0)),
        *(log.started(2, 2, lanes=[2]), log.lane_ended(3, 2, lane=[1], status="error", t="-Infinity")),
    )
    return path


def test_a_table(soltrace, runs):
    """The columns stand in line, numbers to the right, and what is null is a dash."""
    question = "SELECT solve_id, status, step, duration_s FROM passes ORDER BY solve_id"
    assert soltrace.run("query", question) == (
        0,
        [
            "solve_id  status  step  duration_s",
            "r1.1      ok      4602           2",
            "r1.2      lost       0           -",
        ],
        [],
    )


@pytest.mark.once
def test_json(soltrace, runs):
    """An object a row; what is not finite is named, as in the log. The order of the arguments does not matter."""
    question = (
        "SELECT t, timestamp, batch_index, step AS n, stalled FROM progress WHERE NOT isfinite(t) ORDER BY t DESC"
    )
    answers = [
        soltrace.run("query", *arguments)
        for arguments in [(runs, "--json", question), ("--json", question, runs / "run.jsonl"), (question, "--json")]
    ]
    assert [(status, err) for status, _, err in answers] == [(0, [])] * 3
    assert [json.loads(line) for line in answers[0][1]] == [
        {"t": "NaN", "timestamp": "2026-11-25T03:24:30.123456Z", "batch_index": None, "n": 3, "stalled": None},
        {"t": "-Infinity", "timestamp": "2026-11-25T03:24:32.123456Z", "batch_index": [1], "n": 120, "stalled": None},
    ]
    assert answers[0][1] == answers[1][1] == answers[2][1]


@pytest.mark.once
def test_a_question_from_the_standard_input(soltrace, runs):
    """As a file that is kept beside the logs."""
    done = subprocess.run(
        soltrace.arguments("query", "--json", runs, "-"),
        env=soltrace.environ,
        input=b"-- how many\nSELECT count(*) AS n\nFROM passes;\n",
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b'{"n":2}\n', b"")


@pytest.mark.once
def test_without_a_question(soltrace):
    """The views are shown, and no log is needed."""
    status, out, err = soltrace.run("query")
    assert (status, err) == (0, [])
    assert [line for line in out if line and not line.startswith(" ")] == (
        ["passes", "runs", "lanes", "progress", "experiments", "steps", "attempts", "nonfinite", "exploded"]
    )
    assert "  duration_s       DOUBLE       from its start to its end; NULL likewise [s]" in out
    status, out, _ = soltrace.run("query", "--json")
    assert (status, json.loads(out[0])["column"]) == (0, "run_id")


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["SELECT foo"], 'Binder Error: Referenced column "foo" was not found because the FROM clause is missing'),
        (["SELECT 1", "SELECT 2"], "expected one question, got 2"),
        (["nowhere", "SELECT 1"], "nowhere does not exist: give a file or a directory that soltrace has written"),
    ],
)
def test_what_is_wrong(soltrace, runs, arguments, said):
    """Is said in one line, and the status is 2."""
    assert soltrace.run("query", *arguments) == (2, [], [f"soltrace query: {said}"])


@pytest.mark.once
def test_what_is_no_record(soltrace, runs, log, tmp_path):
    """Is counted on stderr; where there is nothing else, there is no answer."""
    log.append(runs / "run.jsonl", b"{torn\n")
    assert soltrace.run("query", "SELECT count(*) AS n FROM passes", "--json") == (
        0,
        ['{"n":2}'],
        ["soltrace query: 1 line skipped: no records of soltrace's"],
    )
    (tmp_path / "other.jsonl").write_text("hello\n")
    said = "soltrace query: there is no record in what was read"
    assert soltrace.run("query", "other.jsonl", "SELECT 1") == (2, [], [said])


@pytest.mark.once
def test_many_rows(soltrace, runs):
    """People are shown the first, and told so; JSON has them all."""
    status, out, err = soltrace.run("query", "FROM range(2500)")
    assert (status, len(out)) == (0, 1001)
    assert err == ["soltrace query: the first 1,000 rows are shown: --json writes all"]
    assert len(soltrace.run("query", "FROM range(2500)", "--json")[1]) == 2500


def test_a_narrow_terminal(soltrace, runs):
    """Shows a row as a block, a column a line, and obeys nothing that a log says."""
    ours, theirs = pty.openpty()
    question = "SELECT solve_id, repeat('x', 50) AS long, chr(27) || '[31m' AS red, duration_s FROM passes LIMIT 1"
    environ = soltrace.environ | {"COLUMNS": "60", "TERM": "xterm"}
    done = subprocess.run(
        soltrace.arguments("query", question), cwd=soltrace.directory, env=environ, stdout=theirs, check=False
    )
    os.close(theirs)
    shown = os.read(ours, 4096).decode().splitlines()
    os.close(ours)
    assert (done.returncode, shown) == (
        0,
        ["", "solve_id    r1.1", f"long        {'x' * 50}", "red         \\x1b[31m", "duration_s  2"],
    )
