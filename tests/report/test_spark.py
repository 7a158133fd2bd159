"""The facts of the report, asked of Spark: what DuckDB says of logs, Spark says of the data set that they became."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from msgspec import UNSET, structs

from soltrace.report.facts import Top
from soltrace.report.gather import gather
from soltrace.report.partitioned import convert_partitioned
from soltrace.report.spark import DataSetFacts
from tests.stack.servers import ROOT, program

pytestmark = [pytest.mark.servers, pytest.mark.programs, pytest.mark.slow, pytest.mark.once]
OPTIONS = "--driver-java-options '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC' pyspark-shell"


def asked_of_spark(data):
    """Ask in a process of its own, with pyspark beside what is installed here."""
    (packages,) = (program("spark") / "lib").glob("python3*/site-packages")
    environ = {"PYTHONPATH": f"{ROOT}:{packages}", "PYSPARK_SUBMIT_ARGS": OPTIONS, "PYSPARK_PYTHON": sys.executable}
    command = [sys.executable, Path(__file__).parents[1] / "programs" / "spark_facts.py", data]
    done = subprocess.run(command, env=os.environ | environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout, type=DataSetFacts)


def told_by_duckdb(files):
    """Gather the same facts; a data set does not tell that anything is lost, nor are rows of single steps asked for."""
    report = gather(files)
    names = set(DataSetFacts.__struct_fields__) - {"events"}
    events = [row for row in report.sources.events if row.event != "pass.steps"]
    facts = {"events": events} | {name: getattr(report, name) for name in names}
    facts["phases"] = [structs.replace(phase, open=phase.open + phase.lost, lost=0) for phase in report.phases]
    experiments = report.experiments
    status = lambda row: "open" if row.status == "lost" else row.status
    rows = [structs.replace(row, status=status(row)) for row in experiments.rows]
    facts["experiments"] = Top(rows, experiments.total)
    facts["open"] = Top([structs.replace(row, lost=False) for row in report.open.rows], report.open.total)
    return DataSetFacts(**facts)


VALUES = (1e-5, 1e-7, 0.5, 3.0, 1e16, 1e22, 7, -0.0, True, "1e-5", "007", "it's \\ a/b", [1.5, "é", 1e-6], [])
"""Of an attribute whose name no path in JSON could have; each is a group."""


def write_sweep(path, logs):
    """An experiment that is entered again and again, inside another one: failures with and without causes."""
    for number, value in enumerate(VALUES):
        log = logs("s", f"outer/fit {number % 2}", **{"it's [a.b]": value, "number": number})
        at = 100.0 * number
        tolerances = {"rtol": 10.0 ** -(number % 3 + 4), "atol": 1e-6, "adjoint": "DirectAdjoint", "lanes": [2]}
        forward = log.started(at + 1, number, **tolerances | ({"rtol": UNSET} if number == 3 else {}))
        failed = {"status": "error", "result": "max_steps_reached"} if number % 3 == 0 else {}
        lane = [log.lane_ended(at + 2, number, lane=[1], status="error", result="nonfinite")] if number % 6 == 0 else []
        log.append(
            path,
            log.experiment_started(at),
            log.compiled(at + 1.5, f"f{number % 4}"),
            *([] if number == 5 else [forward]),  # a log may lack it
            *lane,
            log.ended(at + 4 + number, number, duration_s=2.5 + number, **failed),
            log.started(at + 20, number, "backward", forward_pass_id=f"s.{number}.forward"),
            log.ended(at + 22, number, "backward", duration_s=2.0, **failed),
            log.experiment_ended(at + 30, error="RuntimeError: no" if number % 3 == 0 else None),
        )
    outer = logs("s", "outer")
    outer.append(path, outer.experiment_started(-5), outer.started(-4, 99), outer.ended(-3, 99, duration_s=1.0))


def test_spark_says_what_duckdb_says(files, logs, tmp_path):
    """Fact by fact, over two days and names that have to be escaped."""
    odd = logs("r1", "naïve/[Ω] 50 %")
    path = tmp_path / "odd" / "run.jsonl"
    path.parent.mkdir()
    failed = odd.ended(90_000, duration_s=1.0, status="error", result="nonfinite")
    odd.append(path, odd.opened(host="node1"), odd.started(0), failed)
    sweep = tmp_path / "sweep" / "run.jsonl"
    sweep.parent.mkdir()
    write_sweep(sweep, logs)
    files = [*files, path, sweep]
    convert_partitioned(files, tmp_path / "data", ["day", "experiment"])

    found, expected = asked_of_spark(tmp_path / "data"), told_by_duckdb(files)
    for name in DataSetFacts.__struct_fields__:
        assert getattr(found, name) == getattr(expected, name), name
