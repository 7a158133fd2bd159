"""A log as a data set of many files: the same rows as in one, for whoever reads it."""

import duckdb
import polars as pl
import pytest

from soltrace.report.parquet import convert
from soltrace.report.partitioned import convert_partitioned, other_columns

pytestmark = [pytest.mark.slow, pytest.mark.once]
NAMES = {
    "sweep/fit": "sweep%2Ffit",
    "a=b: 50 %": "a%3Db%3A 50 %25",
    "naïve [Ω]": "naïve %5BΩ%5D",
    "007": "007",
    ".hidden+": ".hidden+",
}
"""Names of experiments, and how Hive writes them: what is not ASCII stays, or Spark could not read it."""


@pytest.fixture
def odd(tmp_path, logs):
    """A log of experiments whose names are no names of directories."""
    path = tmp_path / "odd" / "run.jsonl"
    path.parent.mkdir()
    for name in NAMES:
        log = logs("r1", name)
        log.append(path, log.opened(host="node1"), log.started(0), log.ended(90_000))
    return path


def test_the_rows_are_those_of_one_file(files, odd, tmp_path):
    """Read back by DuckDB and by polars, with the columns that are names of directories."""
    one, many = tmp_path / "one.parquet", tmp_path / "many"
    assert convert([*files, odd], one) == convert_partitioned([*files, odd], many, ["day", "experiment"])

    with duckdb.connect() as connection:
        every = f"read_parquet('{many}/**/*.parquet', hive_types = {{'day': VARCHAR, 'experiment': VARCHAR}})"
        columns = [row[0] for row in connection.execute(f"DESCRIBE FROM '{one}'").fetchall()]
        named = ", ".join(f'"{name}"' for name in columns)
        whole = connection.execute(f"SELECT {named}, strftime(timestamp, '%Y-%m-%d') FROM '{one}'").fetchall()
        parts = connection.execute(f"SELECT {named}, day FROM {every}").fetchall()
    assert sorted(map(repr, parts)) == sorted(map(repr, whole))

    text = {"day": pl.String, "experiment": pl.String}
    frame = pl.read_parquet(many / "**/*.parquet", hive_partitioning=True, hive_schema=text)
    day = pl.col("timestamp").dt.strftime("%Y-%m-%d").alias("day")
    alone = pl.read_parquet(one).with_columns(day)
    assert sorted(map(repr, frame.select(alone.columns).rows())) == sorted(map(repr, alone.rows()))


def test_names_are_escaped_as_hive_does(odd, tmp_path):
    """And what is in no experiment is where Hive keeps NULL."""
    convert_partitioned([odd], tmp_path / "x", ["experiment", "host"])
    assert sorted(str(file.relative_to(tmp_path / "x")) for file in (tmp_path / "x").rglob("*.parquet")) == sorted(
        f"experiment={name}/host=node1/part-0.parquet" for name in [*NAMES.values(), "__HIVE_DEFAULT_PARTITION__"]
    )


def test_once_more_is_the_same(files, odd, tmp_path):
    """A partition that has rows is replaced, all of its files; another one stays."""
    target = tmp_path / "x"
    written = convert_partitioned(files, target, ["experiment"])
    before = {file: file.read_bytes() for file in target.rglob("*.parquet")}
    stale = next(iter(before)).with_name("part-7.parquet")
    stale.write_bytes(b"of more files, once")
    assert convert_partitioned(files, target, ["experiment"]) == written
    assert sorted(target.rglob("*.parquet")) == sorted(before)

    convert_partitioned([odd], target, ["experiment"])
    assert set(target.rglob("*.parquet")) > set(before)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_two_ways_to_partition_are_not_mixed(odd, tmp_path):
    """A reader would make nothing of it."""
    convert_partitioned([odd], tmp_path / "x", ["day", "experiment"])
    assert other_columns(tmp_path / "x", ["day", "experiment"]) is None
    assert other_columns(tmp_path / "x", ["experiment"]) == ["day", "experiment"]
    assert other_columns(tmp_path / "not there", ["experiment"]) is None
