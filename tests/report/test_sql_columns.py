"""Columns and validity follow from the record types."""

import msgspec
import pytest

from soltrace.reading.parse import Rejected, Unknown, parse
from soltrace.report.gather import NothingToReportError, gather
from soltrace.report.sql_columns import KINDS, sql_columns
from soltrace.wire.records import SCHEMA


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


@pytest.mark.parametrize(
    "kind", ["opened", "experiment_started", "experiment_ended", "compiled", "started", "heartbeat", "ended"]
)
def test_a_line_is_a_record_where_the_reader_says_so(tmp_path, log, kind):
    """With each of its fields left out, one at a time, and with another schema: as `soltrace tail` sees it."""
    record = getattr(log, kind)(1)
    line = msgspec.json.decode(log.line(record))
    variants = [line, line | {"schema": SCHEMA + 1}]
    # A column does not tell a null from what is not there, and null is what stands outside of all experiments.
    variants += [{key: value for key, value in line.items() if key != name} for name in line if name != "experiment"]

    for number, variant in enumerate(variants):
        path = tmp_path / f"{number}.jsonl"
        path.write_bytes(msgspec.json.encode(variant) + b"\n")
        expected = not isinstance(parse(path.read_bytes()), Rejected | Unknown)
        assert _is_a_record(path) == expected, variant


def _is_a_record(path) -> bool:
    try:
        return gather([path]).sources.records == 1
    except NothingToReportError:
        return False
