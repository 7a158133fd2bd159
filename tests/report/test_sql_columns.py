"""Columns and validity follow from the record types."""

import math
from types import UnionType
from typing import Literal, get_origin

import duckdb
import msgspec
import pytest
from msgspec.structs import fields

from soltrace.reading.parse import Rejected, Unknown, parse
from soltrace.report.gather import NothingToReportError, gather
from soltrace.report.parquet import convert
from soltrace.report.sql_columns import KINDS, sql_columns
from soltrace.wire.records import SCHEMA_VERSION


def test_every_field_has_a_column():
    """None is forgotten, and its type is that of the field."""
    kinds = sql_columns()
    assert {name for kind in KINDS.values() for name in kind.__struct_fields__} | {"event"} == set(kinds)
    chosen = ("timestamp", "schema", "attributes", "t", "max_steps", "steps", "batch_index", "stalled", "eta_s")
    assert {name: kinds[name] for name in chosen} == {
        "timestamp": "TIMESTAMPTZ",
        "schema": "BIGINT",
        "attributes": "JSON",
        "t": "DOUBLE",
        "max_steps": "BIGINT",
        "steps": "STRUCT(accepted BIGINT, rejected BIGINT, recomputed BIGINT)",
        "batch_index": "BIGINT[]",
        "stalled": "BOOLEAN",
        "eta_s": "DOUBLE",
    }


@pytest.mark.once
@pytest.mark.parametrize(
    "kind",
    ["opened", "experiment_started", "experiment_ended", "compiled", "started", "heartbeat", "ended", "nonfinite"],
)
def test_a_line_is_a_record_where_the_reader_says_so(tmp_path, log, kind):
    """With each of its fields left out, one at a time, and with another schema: as `soltrace tail` sees it."""
    record = getattr(log, kind)(1)
    line = msgspec.json.decode(log.line(record))
    variants = [line, line | {"schema": SCHEMA_VERSION + 1}]
    # A column does not tell a null from what is not there, and null is what stands outside of all experiments.
    variants += [{key: value for key, value in line.items() if key != name} for name in line if name != "experiment"]

    for number, variant in enumerate(variants):
        path = tmp_path / f"{number}.jsonl"
        path.write_bytes(msgspec.json.encode(variant) + b"\n")
        expected = not isinstance(parse(path.read_bytes()), Rejected | Unknown)
        assert _is_a_record(path) == expected, variant


ODD = [
    *("5", "007", "1_000", "0x10", "1e5", "inf", "nan", "NaN", "true", "epoch", "infinity", "2026-11-25", "9:05", ""),
    *("2026-11-25T03:24:29", "2026-11-25T03:24:29Z", "2026-11-25T03:24:29.5+05:30", "2026-13-25T03:24:29Z"),
    *(5, 3.7, -1, 1e300, True, False, [], [1], ["1"], [3.7], {}, {"a": "b"}),
]


def test_numbers_and_times_are_not_read_out_of_texts(tmp_path, log):
    """Each required field that is no text, with each odd value: a record where `soltrace tail` says so."""
    expected = {}
    for record in (log.compiled(1), log.started(1), log.heartbeat(1), log.lane_ended(1, lane=[0]), log.dropped(1, 1)):
        line = msgspec.json.decode(log.line(record))
        for field in fields(type(record)):
            if not field.required or field.type is str or get_origin(field.type) in (Literal, UnionType):
                continue
            for value in ODD:
                run_id = str(len(expected))
                text = msgspec.json.encode(line | {field.encode_name: value, "run_id": run_id})
                expected[run_id] = (text, not isinstance(parse(text), Rejected | Unknown))
    path, target = tmp_path / "run.jsonl", tmp_path / "run.parquet"
    path.write_bytes(b"".join(text + b"\n" for text, _ in expected.values()))

    converted = convert([path], target)

    found = {run_id for (run_id,) in duckdb.sql(f"SELECT run_id FROM '{target}'").fetchall()}
    wrong = [text for run_id, (text, is_record) in expected.items() if is_record != (run_id in found)]
    assert (wrong, converted.records) == ([], len(found))
    assert 0 < len(found) < len(expected)


def test_numbers_are_those_of_the_log(tmp_path, log):
    """Nested ones too; what is wrong with an optional field is not known."""
    path, target = tmp_path / "run.jsonl", tmp_path / "run.parquet"
    steps = {"accepted": 5, "rejected": "007"}
    lines = [
        log.line(log.ended(1), t="-Infinity", steps=steps),
        log.line(log.ended(2), t="inf", step=2**62),
        log.line(log.ended(3, lanes=log.lanes(3, 1)), t=-2.5e-3),
    ]
    path.write_bytes(b"".join(lines))

    convert([path], target)

    rows = duckdb.sql(f"SELECT t, step, steps, lanes FROM '{target}' ORDER BY timestamp").fetchall()
    known = {"accepted": 4585, "rejected": 17, "recomputed": None}
    assert rows == [
        (-math.inf, 4602, {"accepted": 5, "rejected": None, "recomputed": None}, None),
        (None, 2**62, known, None),
        (-2.5e-3, 4602, known, msgspec.to_builtins(log.lanes(3, 1))),
    ]


def _is_a_record(path) -> bool:
    try:
        return gather([path]).sources.records == 1
    except NothingToReportError:
        return False
