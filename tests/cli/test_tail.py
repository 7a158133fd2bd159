import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

STARTED = "started  Tsit5 RecursiveCheckpointAdjoint PIDController  t 0 -> 100"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """The directory that is read by default."""
    path = tmp_path / "soltrace-runs"
    path.mkdir()
    return path


def test_to_the_end_of_what_is_there(soltrace, runs, logs):
    """Without arguments everything in soltrace-runs is read, in time order, and nothing is said beside it."""
    a, b = logs("a"), logs("b")
    a.append(runs / "a.jsonl", a.experiment_started(0), a.started(1), a.experiment_ended(3))
    b.append(runs / "b.jsonl", b.ended(2))
    (runs / "notes.txt").write_text("not a log\n")

    assert soltrace.run("tail", "--no-follow", "--utc") == (
        0,
        [
            "-- 2026-11-25 UTC",
            "03:24:29.123  fit  experiment   started",
            f"03:24:30.123  fit  #1 forward   {STARTED}",
            "03:24:31.123  b fit  #1 forward   ended ok in 1.24 s: 4,602 steps (17 rejected)",
            "03:24:32.123  a fit  experiment   ended ok in 3 s",
        ],
        [],
    )


def test_where_logs_are_and_whose_time_is_shown(soltrace, tmp_path, log):
    """SOLTRACE_DIR names the directory; times are local unless UTC is asked for."""
    (tmp_path / "elsewhere").mkdir()
    log.append(tmp_path / "elsewhere" / "run.jsonl", log.experiment_started(0))

    assert soltrace.run("tail", "--no-follow", SOLTRACE_DIR="elsewhere", TZ="IST-5:30") == (
        0,
        ["-- 2026-11-25 UTC+05:30", "08:54:29.123  fit  experiment   started"],
        [],
    )


def test_json_passes_the_chosen_lines(soltrace, runs, logs):
    """Byte for byte, those of later versions too; each kind of filter may be repeated."""
    warm, cold, other = logs(experiment="fit/warm"), logs(experiment="fit/cold"), logs(experiment="other")
    forward, backward = warm.ended(1), cold.ended(2, 1, "backward")
    beat = warm.line(warm.ended(3), event="pass.paused", text="\u202e")
    records = [warm.experiment_started(0), forward, backward, beat, other.ended(4), b"damage\n"]
    warm.append(runs / "run.jsonl", *records)

    def chosen(*filters: str) -> list[str]:
        status, out, err = soltrace.run("tail", "--no-follow", "--json", *filters)
        assert (status, err) == (
            0,
            ["soltrace tail: 1 line was skipped: 1 not JSON (first: soltrace-runs/run.jsonl:6)"],
        )
        return out

    lines = [r.decode()[:-1] if isinstance(r, bytes) else logs.line(r).decode()[:-1] for r in records]
    assert chosen() == lines[:5]
    assert chosen("--phase", "backward") == [lines[2]]
    assert chosen("--experiment", "fit/warm", "--experiment=other") == [lines[0], lines[1], lines[3], lines[4]]
    assert chosen("--event", "pass.ended", "--event", "pass.pa*", "--experiment", "fit") == lines[1:4]


def test_nothing_to_read(soltrace, tmp_path):
    """Says what is missing, with status 2."""
    hint = "give a file or a directory that soltrace has written"
    assert soltrace.run("tail", "--no-follow") == (2, [], [f"soltrace tail: soltrace-runs does not exist: {hint}"])
    assert soltrace.run("tail", "--no-follow", "no.jsonl")[::2] == (
        2,
        [f"soltrace tail: no.jsonl does not exist: {hint}"],
    )
    assert soltrace.run("tail", "--no-follow", tmp_path) == (
        2,
        [],
        [f"soltrace tail: there is no *.jsonl in {tmp_path}: {hint}"],
    )
    assert soltrace.run("tail", "/dev/null") == (2, [], ["soltrace tail: /dev/null is neither a file nor a directory"])


def test_what_is_damaged_is_counted(soltrace, runs, log):
    """Each kind of damage is named once, at the end, and stops nothing."""
    log.append(
        runs / "run.jsonl",
        log.experiment_started(0),
        b"\xff\xfe\n",
        b"{torn\n",
        b"[1]\n",
        log.line(log.ended(1), schema=99),
        log.line(log.ended(1), event="pass.paused"),
        log.experiment_ended(2),
        log.line(log.ended(3))[:70],
    )

    known = "1 not UTF-8, 1 not JSON, 1 not a record"
    kinds = f"{known}, 1 of the unknown schema 99, 1 of the unknown event 'pass.paused', 1 unfinished"
    assert soltrace.run("tail", "--no-follow", "--utc") == (
        0,
        [
            "-- 2026-11-25 UTC",
            "03:24:29.123  fit  experiment   started",
            "03:24:31.123  fit  experiment   ended ok in 2 s",
        ],
        [f"soltrace tail: 6 lines were skipped: {kinds} (first: soltrace-runs/run.jsonl:2)"],
    )


def test_following(soltrace, tmp_path, log, until):
    """A directory is waited for, a torn line too, and Ctrl-C ends it quietly."""
    out, err = tmp_path / "out", tmp_path / "err"
    runs = tmp_path / "soltrace-runs"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = soltrace.start("tail", "--utc", stdout=stdout, stderr=stderr)
    waiting = "soltrace tail: waiting for soltrace-runs, which does not exist yet\n"
    assert until(err.read_text, bool) == waiting

    runs.mkdir()
    torn = log.line(log.experiment_ended(1))
    log.append(runs / "run.jsonl", log.experiment_started(0), torn[:40])
    lines = ["-- 2026-11-25 UTC", "03:24:29.123  fit  experiment   started"]
    assert until(lambda: out.read_text().splitlines(), lambda seen: len(seen) == 2) == lines

    log.append(runs / "run.jsonl", torn[40:])
    log.append(runs / "later.jsonl", log.started(2))
    lines += ["03:24:30.123  fit  experiment   ended ok in 1 s", f"03:24:31.123  fit  #1 forward   {STARTED}"]
    assert until(lambda: out.read_text().splitlines(), lambda seen: len(seen) == 4) == lines

    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert (out.read_text().splitlines(), err.read_text()) == (lines, waiting)
    assert "\r" not in out.read_text()


def test_a_termination_ends_it_too(soltrace, runs, log, until, tmp_path):
    """With the status that says so."""
    log.append(runs / "run.jsonl", log.experiment_started(0))
    out = tmp_path / "out"
    with out.open("wb") as stdout:
        process = soltrace.start("tail", stdout=stdout, stderr=subprocess.PIPE)
    assert until(out.read_bytes, bool)

    process.terminate()

    assert process.communicate() == (None, b"")
    assert process.returncode == 143


@pytest.mark.parametrize("form", ["--plain", "--json"])
def test_a_closed_pipe_ends_it_quietly(soltrace, runs, log, form):
    """`| head` takes what it wants: a command that follows notices, even while there is nothing more to write."""
    log.append(runs / "run.jsonl", *(log.progress(i, progress=0.5, step=i) for i in range(10)))
    process = soltrace.start("tail", form, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline()

    process.stdout.close()

    assert process.stderr.read() == b""
    assert process.wait() == 0


def test_a_pipe_that_closes_in_a_long_output(soltrace, runs, log, tmp_path):
    """As the shell does it."""
    log.append(runs / "run.jsonl", *(log.progress(i, progress=0.5, step=i) for i in range(5000)))
    command = " ".join(soltrace.arguments("tail", "--no-follow", "--utc"))

    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} | head -n 2"],
        cwd=tmp_path,
        env=soltrace.environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "-- 2026-11-25 UTC",
        "03:24:29.123  fit  #1 forward    50.0 %  t=50  step 0",
    ]


def test_any_output_encoding_will_do(soltrace, runs, logs):
    """A sign that it lacks is escaped."""
    log = logs(experiment="λ")
    log.append(runs / "run.jsonl", log.experiment_started(0))

    status, out, err = soltrace.run("tail", "--no-follow", "--utc", PYTHONIOENCODING="ascii")

    assert (status, out[1], err) == (0, r"03:24:29.123  \u03bb    experiment   started", [])


def test_help_imports_nothing_heavy(soltrace, tmp_path):
    """On a login node it answers at once."""
    program = (
        "import sys, atexit, soltrace.cli\n"
        "heavy = {'jax', 'jaxlib', 'diffrax', 'numpy', 'opentelemetry', 'structlog', 'rich'}\n"
        "atexit.register(lambda: print(sorted(heavy & set(sys.modules))))\n"
        "sys.exit(soltrace.cli.main(sys.argv[1:]))"
    )
    for arguments in (["tail", "--help"], ["--help"], ["--version"], ["tail", "--no-follow"]):
        (tmp_path / "soltrace-runs").mkdir(exist_ok=True)
        (tmp_path / "soltrace-runs" / "run.jsonl").touch()
        command = [soltrace.arguments()[0], "-c", program, *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=soltrace.environ, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "[]"


def test_help(soltrace):
    """Each command says what it does, with examples; without one, the commands are listed."""
    status, out, err = soltrace.run("tail", "--help", COLUMNS="120")
    assert (status, err) == (0, [])
    assert out[0].startswith("usage: soltrace tail [-h] [--no-follow] [--plain | --json] [--utc]")
    assert "  soltrace tail --json --phase backward | jq .progress" in out

    status, out, err = soltrace.run()
    assert (status, out[0], err) == (2, "usage: soltrace [-h] [--version] COMMAND ...", [])
    assert soltrace.run("--version") == (0, ["soltrace 0.1.0"], [])


@pytest.mark.parametrize(
    "arguments,complaint",
    [
        (["tial"], "soltrace: error: argument COMMAND: invalid choice: 'tial'"),
        (["tail", "--phase", "sideward"], "soltrace tail: error: argument --phase: invalid choice: 'sideward'"),
        (["tail", "--plain", "--json"], "soltrace tail: error: argument --json: not allowed with argument --plain"),
    ],
    ids=["command", "phase", "form"],
)
def test_wrong_arguments(soltrace, arguments, complaint):
    """Are refused with what is wrong about them."""
    status, out, err = soltrace.run(*arguments)

    assert (status, out) == (2, [])
    assert err[-1].startswith(complaint)


def test_lines_are_strict_json(soltrace, runs, log):
    """What passes through is what `jq` takes."""
    log.append(runs / "run.jsonl", log.progress(0, progress=0.5, step=1, t="NaN"))

    _, [line], _ = soltrace.run("tail", "--no-follow", "--json")

    assert json.loads(line, parse_constant=pytest.fail)["t"] == "NaN"
    assert os.linesep not in line
