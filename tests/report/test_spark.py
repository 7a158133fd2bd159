"""The report, asked of Spark: what DuckDB says of logs, Spark says of the data set that they became."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from msgspec import UNSET, structs

from soltrace.report.facts import LogReport, Top
from soltrace.report.gather import gather
from soltrace.report.partitioned import convert_partitioned
from soltrace.report.spark_sql import translated
from soltrace.wire.record_parts import Steps
from tests.stack.servers import ROOT, program

START = datetime(2026, 11, 25, 8, tzinfo=UTC)
OPTIONS = "--driver-java-options '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC' pyspark-shell"


def asked_of_spark(data):
    """Ask in a process of its own, with pyspark beside what is installed here."""
    (packages,) = (program("spark") / "lib").glob("python3*/site-packages")
    environ = {"PYTHONPATH": f"{ROOT}:{packages}", "PYSPARK_SUBMIT_ARGS": OPTIONS, "PYSPARK_PYTHON": sys.executable}
    command = [sys.executable, Path(__file__).parents[1] / "programs" / "spark_facts.py", data]
    done = subprocess.run(command, env=os.environ | environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout, type=LogReport)


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


def write_retries(path, logs):
    """A job that its scheduler took back in the middle of a pass, and began again: what it had begun is replaced."""
    for restart, last in enumerate([["interrupted"], [], ["successful"]]):
        log = logs(f"j{restart}", "retried", start=START + timedelta(hours=restart))
        ends = [log.ended(3, 2, duration_s=0.5, result=result) for result in last]
        log.append(
            path / f"j{restart}.jsonl",
            log.opened(host="node3", pid=9, scheduler="slurm", job="77", array_task="2", restart=restart),
            log.experiment_started(0),
            log.started(1, 1),
            log.ended(2, 1, duration_s=1.0),
            log.started(2, 2),
            log.progress(2.5, 2, progress=0.5, step=7, steps=Steps(accepted=6, rejected=1)),
            *ends,
            *([log.experiment_ended(4)] if restart == 2 else []),
        )


@pytest.mark.servers
@pytest.mark.programs
@pytest.mark.slow
@pytest.mark.once
def test_spark_says_what_duckdb_says(files, logs, tmp_path):
    """Fact by fact, over two days and names that have to be escaped."""
    others = tmp_path / "others"
    others.mkdir()
    odd = logs("r1", "naïve/[Ω] 50 %")
    failed = odd.ended(90_000, duration_s=1.0, status="error", result="nonfinite")
    odd.append(others / "odd.jsonl", odd.opened(host="node1"), odd.started(0), failed)
    write_sweep(others / "sweep.jsonl", logs)
    write_retries(others, logs)
    files = [*files, *sorted(others.iterdir())]
    data = tmp_path / "data"
    convert_partitioned(files, data, ["day", "experiment"])

    found, expected = asked_of_spark(data), gather(files)
    size = sum(file.stat().st_size for file in data.rglob("*.parquet"))
    of_the_data = {"paths": Top([str(data)], 1), "bytes": size, "skipped": Top([], 0)}
    expected = structs.replace(expected, sources=structs.replace(expected.sources, **of_the_data))
    for name in LogReport.__struct_fields__:
        assert getattr(found, name) == getattr(expected, name), name
    # None of them for want of anything to say.
    assert [name for name in LogReport.__struct_fields__ if not getattr(getattr(found, name), "rows", True)] == []
    assert (sum(phase.replaced for phase in found.phases), found.lost.total) == (2, 1)


def test_a_parameter_whose_name_begins_with_anothers():
    """Is another one, and what stands in a value is none."""
    question = "SELECT $limit, $limit_s, name FROM passes WHERE list_contains($runs, name)"
    parameters = {"limit": 3, "limit_s": 0.5, "runs": ["$limit", "it's COMPARED_BY EPOCH_US("]}
    assert translated(question, "", parameters) == (
        "SELECT 3, 0.5, name FROM soltrace_passes AS passes "
        r"WHERE ARRAY_CONTAINS(CAST(ARRAY('$limit', 'it\'s COMPARED_BY EPOCH_US(') AS ARRAY<STRING>), name)"
    )
