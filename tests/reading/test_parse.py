from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, structs

from soltrace.reading.parse import KNOWN_EVENTS, Rejected, Unknown, parse
from soltrace.wire.json_line import json_line
from soltrace.wire.record_parts import Steps
from soltrace.wire.records import AnyRecord
from tests.stack.records import every_record


def test_a_record_comes_back(log):
    """A record that was written is the record that is read."""
    records = [
        log.opened(host="lynx"),
        log.resource(host="lynx", backend="gpu"),
        log.experiment_started(0),
        log.experiment_ended(1, error="ValueError: no"),
        log.compiled(1),
        log.started(1, lanes=[2, 3], rtol=1e-6),
        log.progress(1, progress=0.5, step=3, steps=Steps(accepted=2, rejected=1), lanes=log.lanes(6, 1)),
        log.progress(1, progress=0.5, step=3, t="NaN", batch_index=[0, 2]),
        log.heartbeat(1, t="NaN"),
        log.lane_ended(1, lane=[0, 2]),
        log.ended(2, t="-Infinity"),
        log.dropped(3, 17),
        log.run_ended(4, error="SIGTERM"),
    ]

    assert [parse(log.line(record)) for record in records] == records


def test_every_kind_of_record_has_such_a_line():
    """With each of its fields."""
    records = every_record("run")

    assert [parse(json_line(record)) for record in records] == [without_context(record) for record in records]
    assert {type(record) for record in records} == set(AnyRecord.__args__)


def without_context(record):
    """A record as it is read: what the caller had bound is a key of its own of the line."""
    return structs.replace(record, context=UNSET)


def test_known_events_are_those_of_the_records():
    """The wire names follow from the types."""
    assert KNOWN_EVENTS == (
        "experiment.ended",
        "experiment.started",
        "lane.ended",
        "lane.nonfinite",
        "log.opened",
        "log.resource",
        "pass.ended",
        "pass.heartbeat",
        "pass.progress",
        "pass.started",
        "pass.steps",
        "program.compiled",
        "run.ended",
        "run.heartbeat",
        "telemetry.dropped",
    )


def test_a_field_that_is_not_known_is_ignored(log):
    """A later version may add fields."""
    record = log.ended(1)

    assert parse(log.line(record, added={"later": [1, None]})) == record


def test_a_later_event_or_schema_is_unknown(log):
    """What a later version writes says what it is, and is not guessed at."""
    paused = log.line(log.ended(1), event="pass.paused")
    later = log.line(log.ended(1), schema=2)

    at = datetime(2026, 11, 25, 3, 24, 30, 123_456, tzinfo=UTC)
    assert parse(paused) == Unknown("pass.paused", 1, at, "fit", "forward")
    assert parse(paused).reason == "of the unknown event 'pass.paused'"
    assert parse(later) == Unknown("pass.ended", 2, at, "fit", "forward")
    assert parse(later).reason == "of the unknown schema 2"


def test_a_foreign_line_is_unknown():
    """Another program's line needs no more than an event."""
    assert parse(b'{"event":"loading data","timestamp":12,"experiment":["fit"]}') == Unknown("loading data")


NOT_ONE = {
    b"": "not JSON",
    b"no json": "not JSON",
    b'{"event":"pass.ended","torn': "not JSON",
    b'{"event":"pass.ended"}{"event":"pass.ended"}': "not JSON",
    b'{"event":"x","escape":"\x1b[31m"}': "not JSON",
    b'{"event":"x","lone":"\\ud800"}': "not JSON",
    b'{"event":"x","deep":' + b"[" * 100_000: "not JSON",
    b"\x00\x00\x00": "with NUL bytes",
    b'{"event":"x","bytes":"\xff\xfe"}': "not UTF-8",
    b"\xff": "not UTF-8",
    b"[1, 2]": "not a record",
    b"3": "not a record",
    b'{"msg":"no event"}': "not a record",
    b'{"event":3}': "not a record",
    b'{"event":"pass.ended","schema":1}': "not a record",
}


@pytest.mark.parametrize("line,reason", NOT_ONE.items(), ids=[str(line[:24]) for line in NOT_ONE])
def test_what_is_no_record_is_rejected(line, reason):
    """Each with its reason."""
    assert parse(line) == Rejected(reason)


@pytest.mark.parametrize(
    "wrong", [{"timestamp": "2026-11-25T03:24:29"}, {"progress": "much"}, {"timestamp": None}], ids=str
)
def test_a_record_with_a_wrong_value_is_rejected(log, wrong):
    """A time without its zone could be any, and could not be compared with the others."""
    line = log.line(log.ended(1)).replace(b"}\n", b"}")
    for key, value in wrong.items():
        line = log.line(log.ended(1), **{key: value}) if key != "timestamp" else timed(log, value)

    assert parse(line) == Rejected("not a record")


def timed(log, timestamp) -> bytes:
    """A record's line with another timestamp."""
    right = b'"2026-11-25T03:24:30.123456Z"'
    wrong = b"null" if timestamp is None else f'"{timestamp}"'.encode()
    return log.line(log.ended(1)).replace(right, wrong)


@given(st.binary())
def test_no_bytes_raise(data):
    """Whatever the bytes are, there is an answer."""
    parse(data)


@given(st.data())
def test_no_damage_to_a_line_raises(logs, data):
    """Nor does a record's line of which some bytes were overwritten."""
    line = bytearray(logs.line(logs().progress(1, progress=0.5, step=3, lanes=logs.lanes(2, 1))))
    for place in data.draw(st.lists(st.integers(0, len(line) - 1), max_size=3)):
        line[place] = data.draw(st.integers(0, 255))

    parse(bytes(line))
