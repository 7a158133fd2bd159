from pathlib import Path

import duckdb
import pytest


@pytest.fixture
def runs(tmp_path: Path, log) -> Path:
    """The directory that is read by default, with a run in it."""
    path = tmp_path / "soltrace-runs"
    path.mkdir()
    log.append(path / "run.jsonl", log.started(0), log.progress(1, progress=0.5, step=3, t="NaN"), log.ended(2))
    return path


def test_everything_becomes_one_table(soltrace, runs, tmp_path):
    """A row for each record, and how many they are is said."""
    assert soltrace.run("convert", "-o", "x.parquet") == (0, [], ["soltrace: wrote 3 records to x.parquet"])

    with duckdb.connect() as connection:
        rows = connection.execute(f"SELECT event, step FROM '{tmp_path}/x.parquet' WHERE isnan(t)").fetchall()
    assert rows == [("pass.progress", 3)]


def test_each_step_is_a_row(soltrace, runs, log, tmp_path):
    """Of a record that has many as columns; what a step is not told of, is null."""
    attempts = {
        "step": [1, 1, 2],
        "t": [0.0, 0.0, "NaN"],
        "dt": [0.5, 0.25, 0.5],
        "accepted": [True, False, True],
        "reason": ["", "error", ""],
        "scaled_error": [0.5, "Infinity", 0.25],
    }
    line = log.line(log.progress(4, progress=0.9, step=3), event="pass.steps", attempts=attempts)
    batch = {name: column[:2] for name, column in attempts.items() if name != "scaled_error"}
    batch |= {"batch_index": [[0, 1], [2, 3]]}
    later = log.line(log.progress(5, progress=0.9, step=3), event="pass.steps", attempts=batch)
    log.append(runs / "run.jsonl", line, later)
    assert soltrace.run("convert", "-o", "x.parquet") == (0, [], ["soltrace: wrote 8 records to x.parquet"])
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT step, t, dt, accepted, reason, scaled_error, batch_index "
            f"FROM '{tmp_path}/x.parquet' WHERE event = 'pass.steps' ORDER BY timestamp, step, dt DESC"
        ).fetchall()
    assert [tuple(map(str, row)) for row in rows] == [
        ("1", "0.0", "0.5", "True", "", "0.5", "None"),
        ("1", "0.0", "0.25", "False", "error", "inf", "None"),
        ("2", "nan", "0.5", "True", "", "0.25", "None"),
        ("1", "0.0", "0.5", "True", "", "None", "[0, 1]"),
        ("1", "0.0", "0.25", "False", "error", "None", "[2, 3]"),
    ]


@pytest.mark.once
def test_the_name_of_the_target_says_what_is_written(soltrace, runs, tmp_path):
    """A trace, a flame graph, or a directory of curves; a directory that is there needs no stroke at the end."""
    for target in ("x.pftrace", "speedscope.json", "x.speedscope.json", "events/", "events"):
        assert soltrace.run("convert", "-o", target) == (0, [], [f"soltrace: wrote 3 records to {target}"])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "events", "soltrace-runs", "speedscope.json", "x.pftrace", "x.speedscope.json",
    ]  # fmt: skip
    assert soltrace.run("convert", "-o", "x.pftrace/") == (
        2,
        [],
        ["soltrace convert: x.pftrace is a file, and no directory"],
    )


def test_otlp_json_goes_into_a_directory(soltrace, runs, tmp_path):
    """Asked for by its name, as curves go there too."""
    done = soltrace.run("convert", "-o", "x/", "--to", "otlp-json")
    assert done == (0, [], ["soltrace: wrote 3 records to x/"])
    assert [path.name for path in sorted((tmp_path / "x").iterdir())] == ["logs.jsonl", "traces.jsonl"]
    needs = "soltrace convert: --to otlp-json needs -o DIRECTORY/"
    assert soltrace.run("convert", "-o", "x.parquet", "--to", "otlp-json") == (2, [], [needs])


@pytest.mark.once
def test_a_data_set_is_partitioned(soltrace, runs, tmp_path):
    """By what is asked for, in a directory of its own."""
    asked = ("convert", "-o", "x/", "--partition-by", "day,experiment")
    assert soltrace.run(*asked) == (0, [], ["soltrace: wrote 3 records to x/"])
    (part,) = (tmp_path / "x").rglob("*.parquet")
    assert str(part.relative_to(tmp_path / "x")) == "day=2026-11-25/experiment=fit/part-0.parquet"

    others = "x holds Parquet files that are partitioned by day,experiment: give another directory"
    assert soltrace.run(*asked[:-1], "run_id") == (2, [], [f"soltrace convert: {others}"])
    needs = "soltrace convert: --partition-by needs -o DIRECTORY/, and no --to"
    assert soltrace.run("convert", "-o", "x.parquet", *asked[3:]) == (2, [], [needs])
    status, _, err = soltrace.run(*asked[:-1], "day,day")
    known = "must be some of day, event, experiment, host, run_id, each once, got 'day,day'"
    assert (status, err[-1]) == (2, f"soltrace convert: error: argument --partition-by: {known}")


def test_what_is_damaged_is_counted(soltrace, runs, log):
    """And stops nothing."""
    log.append(runs / "run.jsonl", b"{torn\n", log.line(log.ended(3), schema=9))
    assert soltrace.run("convert", "-o", "x.parquet", runs) == (
        0,
        [],
        ["soltrace: wrote 3 records to x.parquet", "soltrace convert: 2 lines skipped: no records of soltrace's"],
    )


def test_nothing_to_convert(soltrace, tmp_path):
    """Is said at once, and nothing is written."""
    (tmp_path / "other.jsonl").write_text("hello\n")
    hint = "give a file or a directory that soltrace has written"
    said = {"missing": f"missing does not exist: {hint}", "other.jsonl": "there is no record in what was read"}
    for path, message in said.items():
        assert soltrace.run("convert", path, "-o", "x.parquet") == (2, [], [f"soltrace convert: {message}"])
    assert [path.name for path in tmp_path.iterdir()] == ["other.jsonl"]


def test_where_to(soltrace, runs):
    """Has to be said, and its name says what."""
    status, out, err = soltrace.run("convert")
    assert (status, out) == (2, [])
    assert err[-1] == "soltrace convert: error: the following arguments are required: -o/--output"

    status, out, err = soltrace.run("convert", "-o", "x.csv")
    assert (status, out) == (2, [])
    endings = ".parquet, .pftrace, .perfetto-trace, speedscope.json, or with / for a directory"
    assert err[-1] == f"soltrace convert: error: argument -o/--output: must end with one of {endings}, got 'x.csv'"

    for target in ("no/x.parquet", "no/x.pftrace", "no/events/"):
        assert soltrace.run("convert", "-o", target) == (2, [], ["soltrace convert: there is no directory no"])
