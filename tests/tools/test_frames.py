"""What reads a log as a table (`pandas.read_json(lines=True)`, `polars.read_ndjson`) needs: one type in each column.

DuckDB infers types from the lines as they do.
"""

import json
from datetime import datetime, timedelta

import duckdb


def refuse(constant):
    """Called for what JSON does not have: NaN and the infinities."""
    raise AssertionError(constant)


def kind(value):
    """What a reader makes of a value: a whole number and another one share a column."""
    return float if isinstance(value, int) and not isinstance(value, bool) else type(value)


def test_each_line_is_strict_json_and_each_column_has_one_type(log):
    """Structures and lists count as such, and times are of one zone."""
    kinds = {}
    for line in log.read_text(encoding="utf-8").splitlines():
        for name, value in json.loads(line, parse_constant=refuse).items():
            if value is not None:
                kinds.setdefault(name, set()).add(kind(value))
            if name == "timestamp":
                assert datetime.fromisoformat(value).utcoffset() == timedelta(0)
    assert {name: found for name, found in kinds.items() if len(found) > 1} == {"t": {float, str}}


def test_structures_are_structures(log):
    """Their fields have types too, found by who reads the file."""
    question = "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM read_json(?))"
    with duckdb.connect() as connection:
        types = dict(connection.execute(question, [str(log)]).fetchall())
    names = ("timestamp", "event", "step", "progress", "duration_s", "batch_index", "steps")
    assert {name: types[name] for name in names} == {
        "timestamp": "TIMESTAMP WITH TIME ZONE",
        "event": "VARCHAR",
        "step": "BIGINT",
        "progress": "DOUBLE",
        "duration_s": "DOUBLE",
        "batch_index": "BIGINT[]",
        "steps": "STRUCT(accepted BIGINT, rejected BIGINT)",
    }
