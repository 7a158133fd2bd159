"""The facts of the report, asked of Spark: what DuckDB says of logs, Spark says of the data set that they became."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

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
    """Gather the same facts; a data set does not tell that a pass is lost, nor are rows of single steps asked for."""
    report = gather(files)
    names = set(DataSetFacts.__struct_fields__) - {"events"}
    events = [row for row in report.sources.events if row.event != "pass.steps"]
    facts = {"events": events} | {name: getattr(report, name) for name in names}
    facts["phases"] = [structs.replace(phase, open=phase.open + phase.lost, lost=0) for phase in report.phases]
    facts["open"] = Top([structs.replace(row, lost=False) for row in report.open.rows], report.open.total)
    return DataSetFacts(**facts)


def test_spark_says_what_duckdb_says(files, logs, tmp_path):
    """Fact by fact, over two days and names that have to be escaped."""
    odd = logs("r1", "naïve/[Ω] 50 %")
    path = tmp_path / "odd" / "run.jsonl"
    path.parent.mkdir()
    odd.append(path, odd.opened(host="node1"), odd.started(0), odd.ended(90_000, status="error", result="nonfinite"))
    files = [*files, path]
    convert_partitioned(files, tmp_path / "data", ["day", "experiment"])

    found, expected = asked_of_spark(tmp_path / "data"), told_by_duckdb(files)
    for name in DataSetFacts.__struct_fields__:
        assert getattr(found, name) == getattr(expected, name), name
