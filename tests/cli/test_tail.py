import csv
import gzip
import json
import os
import shlex
import signal
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

STARTED = "started  Tsit5 RecursiveCheckpointAdjoint PIDController  t 0 -> 100"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """The directory that is read by default."""
    path = tmp_path / "soltrace-runs"
    path.mkdir()
    return path


def lost(run_id, at, day="2026-11-25"):
    """What is said of a run of which one pass is open."""
    return f"soltrace tail: lost since {day} {at} UTC: {run_id}: it fell silent, with a pass open; 1 pass open"


def test_to_the_end_of_what_is_there(soltrace, runs, logs):
    """Without arguments everything in soltrace-runs is read, in time order; beside it, which runs are lost is said."""
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
        [lost("a", "03:24:32")],
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


def test_a_copy_is_not_shown_again(soltrace, runs, log):
    """As the other commands have it; of what is followed, a copy may become a log of its own."""
    opened = log.line(log.experiment_started(0), event="log.opened", resource={})
    for name in ("a.jsonl", "run.jsonl"):
        log.append(runs / name, opened, log.experiment_started(1))
    os.utime(runs / "a.jsonl", (0, 0))
    directory = runs.name
    assert soltrace.run("tail", "--no-follow", "--json", "--event", "experiment.started") == (
        0,
        [log.line(log.experiment_started(1)).decode().rstrip()],
        [f"soltrace tail: leaving {directory}/a.jsonl out: it is a copy of {directory}/run.jsonl"],
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
    assert out[0].startswith(
        "usage: soltrace tail [-h] [--no-follow | --until-done] [--plain | --json | --csv] [--utc]"
    )
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


def test_csv(soltrace, runs, log):
    """A table with its header, also when there is nothing to put into it."""
    log.append(runs / "run.jsonl", log.started(0), log.ended(1))

    status, out, err = soltrace.run("tail", "--no-follow", "--csv", "--event", "pass.ended")
    assert (status, len(out), err) == (0, 2, [])
    [row] = csv.DictReader(out)
    assert (row["event"], row["steps.accepted"], row["solver"]) == ("pass.ended", "4585", "")

    assert soltrace.run("tail", "--no-follow", "--csv", "--event", "none") == (0, out[:1], [])


def test_conditions(soltrace, runs, log):
    """On fields of the line; what is no condition is refused at once."""
    log.append(runs / "run.jsonl", *(log.progress(i, progress=i / 10, step=i) for i in range(5)))

    status, out, err = soltrace.run("tail", "--no-follow", "--utc", "--where", 'phase == "forward" and step in [2, 4]')
    assert (status, [line.split()[-1] for line in out[1:]], err) == (0, ["2", "4"], [])

    example = 'phase == "backward" and steps.rejected > 10'
    said = "soltrace tail: no record has a field phas: is it misspelt?"
    assert soltrace.run("tail", "--no-follow", "--json", "--where", 'phas == "forward"') == (0, [], [said])

    status, out, err = soltrace.run("tail", "--where", "step + 1 > 2")
    assert (status, out, err[-1]) == (
        2,
        [],
        f"soltrace tail: error: argument --where: 'step + 1' is not a condition; one is like {example}",
    )


def test_spans_of_time(soltrace, runs, log):
    """Since, until, the last of what is there: by themselves and together."""
    log.append(runs / "run.jsonl", *(log.progress(i, progress=0.1, step=i) for i in range(60)))

    def shown(*arguments: str) -> list[str]:
        status, out, err = soltrace.run("tail", "--no-follow", "--utc", *arguments)
        assert (status, err) == (0, [])
        return [line.split()[-1] for line in out[1:]]

    assert shown("--since", "2026-11-25T03:25:27Z") == ["58", "59"]
    assert shown("--since", "2026-11-25 03:25:25", "--until", "2026-11-25T08:55:27+05:30") == ["56", "57"]
    assert shown("--until", "2026-11-25T03:24:32Z", "--last", "2") == ["1", "2"]
    assert shown("--last", "0") == shown("--since", "1s") == shown("--until", "2026-11-24") == []


def test_local_times_have_the_offset_of_their_day(soltrace, runs, logs):
    """In November, July is still in summer."""
    log = logs(start=datetime(2026, 7, 1, 10, 0, tzinfo=UTC))
    log.append(runs / "run.jsonl", *(log.progress(i, progress=0.1, step=i) for i in range(-1, 2)))

    zone = "CET-1CEST,M3.5.0,M10.5.0/3"
    status, out, err = soltrace.run("tail", "--no-follow", "--since", "2026-07-01T12:00", TZ=zone)

    assert (status, [line.split()[-1] for line in out[1:]], err) == (0, ["0", "1"], [])


def test_patience_may_be_none(soltrace, runs, logs):
    """A pass of a run that says nothing at once has stalled; not even the default of a minute is waited for."""
    log = logs(start=datetime.now(UTC))
    log.append(runs / "run.jsonl", log.started(0))

    status, _, err = soltrace.run("tail", "--until-done", "--patience", "0s", "--plain")

    assert (status, err) == (3, [lost("r1", f"{log.start:%H:%M:%S}", f"{log.start:%Y-%m-%d}")])


def test_following_ends_when_its_time_is_over(soltrace, runs, log):
    """By itself."""
    log.append(runs / "run.jsonl", log.experiment_started(0))

    status, out, err = soltrace.run("tail", "--utc", "--until", "2026-11-25T03:24:30Z")

    assert (status, out[1:], err) == (0, ["03:24:29.123  fit  experiment   started"], [])


@pytest.mark.parametrize(
    "ending,expected",
    [({}, 0), ({"status": "error", "result": "max_steps_reached"}, 1), (None, 3)],
    ids=["ok", "failed", "stalled"],
)
def test_waiting_until_passes_are_done(soltrace, runs, tmp_path, log, until, ending, expected):
    """They are shown as they come; the status says how they ended."""
    log.append(runs / "run.jsonl", log.experiment_started(0))
    out = tmp_path / "out"
    with out.open("wb") as stdout:
        process = soltrace.start("tail", "--until-done", "--utc", stdout=stdout, stderr=subprocess.PIPE)
    assert until(out.read_text, lambda seen: "started" in seen)

    log.append(runs / "run.jsonl", log.started(1))
    last = log.heartbeat(2, level="warning", stalled=True) if ending is None else log.ended(2, **ending)
    log.append(runs / "run.jsonl", last, *([] if ending is None else [log.experiment_ended(3)]))

    assert process.communicate(timeout=20) == (None, b"")
    assert (process.returncode, len(out.read_text().splitlines())) == (expected, 4 if ending is None else 5)


def test_a_run_that_falls_silent_has_stalled(soltrace, runs, log):
    """After the patience that was asked for; it is lost, and the status and a line say so."""
    log.append(runs / "run.jsonl", log.started(0))

    answer = soltrace.run("tail", "--until-done", "--json", "--patience", "2s")
    assert answer[::2] == (3, [lost("r1", "03:24:29")])


def test_many_files_need_few_descriptors(soltrace, runs, tmp_path, logs):
    """Two hundred are merged with forty, compressed ones too."""
    for number in range(200):
        log = logs(f"r{number}")
        text = b"".join(log.line(log.compiled(step, trace_s=step)) for step in range(3))
        suffix, data = (".gz", gzip.compress(text)) if number % 2 else ("", text)
        (runs / f"run-{number}.jsonl{suffix}").write_bytes(data)
    command = shlex.join(soltrace.arguments("tail", "--no-follow", "--json"))

    done = subprocess.run(
        ["bash", "-c", f"ulimit -n 40; exec {command}"],
        cwd=tmp_path,
        env=soltrace.environ,
        capture_output=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert [json.loads(line)["trace_s"] for line in done.stdout.splitlines()] == [0] * 200 + [1] * 200 + [2] * 200


def test_a_hostile_name_of_a_file_is_shown_and_not_obeyed(soltrace, runs):
    """Whoever may write into a shared directory chooses it."""
    os.mkfifo(runs / "\x1b[2J\u202e.jsonl")
    said = [r"soltrace tail: cannot read soltrace-runs/\x1b[2J\u202e.jsonl: it is a FIFO"]
    assert soltrace.run("tail", "--no-follow") == (2, [], said)


def test_patterns_and_compressed_logs(soltrace, runs, log):
    """A pattern is one if no shell has resolved it."""
    (runs / "a.jsonl.gz").write_bytes(gzip.compress(log.line(log.experiment_started(0))))
    log.append(runs / "b.jsonl.1", log.experiment_ended(1))
    log.append(runs / "c.jsonl", log.experiment_ended(2))

    status, out, err = soltrace.run("tail", "--no-follow", "--utc", "soltrace-runs/[ab].jsonl*")
    assert (status, [line[6:12] for line in out[1:]], err) == (0, ["29.123", "30.123"], [])

    hint = "give a file or a directory that soltrace has written"
    assert soltrace.run("tail", "--no-follow", "x*") == (2, [], [f"soltrace tail: nothing matches x*: {hint}"])


@pytest.mark.parametrize(
    "arguments,complaint",
    [
        (["--since", "yesterday"], "argument --since: must be a time like"),
        (["--since", "9:05:3"], "argument --since: must be a time like"),
        (["--last", "-1"], "argument --last: "),
        (["--last", "1_000"], "argument --last: must be a whole number, got '1_000'"),
        (["--last", "9" * 19], "argument --last: must be a whole number, got '9"),
        (["--patience", "60"], "argument --patience: must be a duration like 90s, 10m, 1.5h or 2d, got '60'"),
        (["--json", "--csv"], "argument --csv: not allowed with argument --json"),
        (["--no-follow", "--until-done"], "argument --until-done: not allowed with argument --no-follow"),
    ],
    ids=["since", "seconds", "last", "underscore", "digits", "patience", "form", "end"],
)
def test_values_that_are_none(soltrace, arguments, complaint):
    """Are refused, with what was expected."""
    status, out, err = soltrace.run("tail", *arguments)

    assert (status, out) == (2, [])
    assert err[-1].startswith(f"soltrace tail: error: {complaint}")


def test_it_starts_at_once(soltrace, tmp_path):
    """In less than 0.3 seconds of this process's own time, whatever else the machine does."""
    command = [*soltrace.arguments("tail", "--help")]
    before = os.times()
    subprocess.run(command, cwd=tmp_path, env=soltrace.environ, capture_output=True, check=True)
    after = os.times()

    assert after.children_user + after.children_system - before.children_user - before.children_system < 0.3
