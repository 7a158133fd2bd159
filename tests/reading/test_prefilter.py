import json
from datetime import UTC, datetime, timedelta

import pytest

from soltrace.reading.files.follow import Follower
from soltrace.reading.parse import Rejected
from soltrace.reading.prefilter import prefilter


def ours(log, record, **more) -> bytes:
    """A line as our sink writes it: the time, the level and the event first."""
    line = json.loads(log.line(record, **more))
    first = {key: line.pop(key) for key in ("timestamp", "level", "event")}
    return json.dumps(first | line, separators=(",", ":")).encode()


def test_nothing_asked_for_is_all():
    """Then no line is looked at twice."""
    assert prefilter() is None


def test_lines_are_judged_by_their_first_fields(log):
    """By the event, and by the time, which is written so that it sorts."""
    skip = prefilter(["pass.e*", "log.opened"])
    assert [skip(ours(log, record)) for record in (log.started(0), log.ended(1), log.opened())] == [True, False, False]

    assert not prefilter((), datetime(999, 1, 1, tzinfo=UTC))(ours(log, log.started(0)))
    skip = prefilter((), log.start + timedelta(seconds=1))
    assert [skip(ours(log, log.started(at))) for at in (0, 0.999999, 1, 2)] == [True, True, False, False]


@pytest.mark.parametrize(
    "line",
    [
        b'{"event":"pass.started","timestamp":"2026-11-25T03:24:29.123456Z"}',
        b'{"timestamp":"2026-11-25","level":"info","event":"pass.started","a":1}',
        b'{"timestamp":"2026-11-25T03:24:29.123456Z","level":"info","event":"pass.started","torn',
        b'{"timestamp":"2026-11-25T03:24:29.123456Z","level":"info","event":"pass.started","a"{"timestamp":""}',
        b'{"timestamp":"2026-11-25T23:24:29.1+23:00","level":"info","event":"pass.started","a":1}',
        b"damage",
        b"x",
    ],
    ids=range(7),
)
def test_a_line_that_is_not_written_like_ours_is_not_judged(line):
    """Damage is seen, whatever was asked for."""
    assert prefilter(["pass.ended"])(line) is False
    assert prefilter((), datetime(2027, 1, 1, tzinfo=UTC))(line) is False


def test_a_record_behind_a_torn_line_is_found(tmp_path, log):
    """The torn line is none of those asked for; what it swallowed is."""
    wanted = ours(log, log.ended(1))
    (tmp_path / "run.jsonl").write_bytes(ours(log, log.started(0))[:150] + wanted + b"\n")

    entries = list(Follower([tmp_path], print, skip=prefilter(["pass.ended"])).poll())

    assert [(entry.value, entry.number) for entry in entries] == [(Rejected("torn"), 1), (log.ended(1), 1)]
