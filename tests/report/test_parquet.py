"""A log as a table: every value of every line, with its type; and of every step."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import duckdb

from soltrace.report.parquet import Converted, convert
from soltrace.report.sql_columns import sql_columns

OF_A_STEP = {
    "dt": "DOUBLE",
    "accepted": "BOOLEAN",
    "scaled_error": "DOUBLE",
    "error_in": "VARCHAR",
    "error_share": "DOUBLE",
}
"""Columns that only rows of steps have; in their place, nothing is called `attempts`."""


def test_every_value_of_every_line(files, tmp_path):
    """Comes back as it was written, and what a line does not say is null."""
    target = tmp_path / "out.parquet"

    assert convert(files, target) == Converted(records=35, skipped=2)

    lines = [
        line for file in files for line in file.read_bytes().splitlines()[: -2 if file.name == "b.jsonl" else None]
    ]
    written = [_typed(row) for line in lines for row in _rows(json.loads(line))]
    with duckdb.connect() as connection:
        table = connection.execute(f"SELECT * FROM '{target}'")
        names = [column[0] for column in table.description]
        read = [
            {name: value for name, value in zip(names, row, strict=True) if value is not None}
            for row in table.fetchall()
        ]
    assert names == [*(name for name in sql_columns() if name != "attempts"), *OF_A_STEP]
    # By what they look like: NaN is not equal to itself.
    assert sorted(map(repr, map(_without_nulls, read))) == sorted(map(repr, map(_without_nulls, written)))


def _rows(line: dict) -> Iterator[dict]:
    columns = line.pop("attempts", None)
    rows = [()] if columns is None else zip(*columns.values(), strict=True)
    return (line | dict(zip(columns or (), row, strict=True)) for row in rows)


def _typed(line: dict) -> dict:
    kinds = sql_columns() | OF_A_STEP
    values = {name: line[name] for name in kinds if line.get(name) is not None}
    values["timestamp"] = datetime.fromisoformat(values["timestamp"]).astimezone(UTC)
    for name in ("attributes", "resource", "watched"):
        if name in values:
            values[name] = json.dumps(values[name], separators=(",", ":"))
    if "nonfinite" in values:
        values["nonfinite"] = values["nonfinite"] | {"value": float(values["nonfinite"]["value"])}
    return {name: float(value) if kinds[name] == "DOUBLE" else value for name, value in values.items()}


def _without_nulls(row: dict) -> dict:
    moment = row["timestamp"].astimezone(UTC)
    return {
        name: {key: inner for key, inner in value.items() if inner is not None} if isinstance(value, dict) else value
        for name, value in row.items()
    } | {"timestamp": moment}


def test_types(files, tmp_path):
    """Those of the record types: a time with its zone, lists, structures; JSON is text."""
    target = tmp_path / "out.parquet"
    convert(files, target)
    with duckdb.connect() as connection:
        types = dict(
            connection.execute(f"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM '{target}')").fetchall()
        )
    text = {name: "VARCHAR" for name, kind in sql_columns().items() if kind == "JSON"}
    expected = sql_columns() | text | {"timestamp": "TIMESTAMP WITH TIME ZONE"} | OF_A_STEP
    del expected["attempts"]
    assert {name: kind.replace('"', "") for name, kind in types.items()} == expected


def test_a_file_that_is_there_is_replaced_at_once(files, tmp_path):
    """It is whole at every moment, and nothing else is left."""
    target = tmp_path / "out" / "out.parquet"
    target.parent.mkdir()
    target.write_bytes(b"old")

    convert(files, target)

    assert target.read_bytes()[:4] == b"PAR1"
    assert [path.name for path in target.parent.iterdir()] == ["out.parquet"]


def test_without_a_record_no_file_is_written(tmp_path):
    """What was there stays."""
    (tmp_path / "run.jsonl").write_bytes(b"hello\n")
    assert convert([tmp_path / "run.jsonl"], tmp_path / "out.parquet") == Converted(records=0, skipped=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.jsonl"]
