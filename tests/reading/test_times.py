import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soltrace.reading.times import parse_duration_s, parse_time

INDIA = timezone(timedelta(hours=5, minutes=30))
NOW = datetime(2026, 11, 25, 14, 30, 15, 500_000, tzinfo=INDIA)


@pytest.mark.parametrize(
    "text,expected",
    [
        ("2026-11-25T14:30:00Z", datetime(2026, 11, 25, 14, 30, tzinfo=UTC)),
        ("2026-11-25t14:30:00.25+02:00", datetime(2026, 11, 25, 12, 30, 0, 250_000, tzinfo=UTC)),
        ("2026-11-25T14:30", datetime(2026, 11, 25, 14, 30, tzinfo=INDIA)),
        ("2026-11-25 14:30:01", datetime(2026, 11, 25, 14, 30, 1, tzinfo=INDIA)),
        ("2026-11-24", datetime(2026, 11, 24, tzinfo=INDIA)),
        ("09:05", datetime(2026, 11, 25, 9, 5, tzinfo=INDIA)),
        ("9:05", datetime(2026, 11, 25, 9, 5, tzinfo=INDIA)),
        ("9:05:03", datetime(2026, 11, 25, 9, 5, 3, tzinfo=INDIA)),
        ("9:05:03.25", datetime(2026, 11, 25, 9, 5, 3, 250_000, tzinfo=INDIA)),
        ("23:59:58", datetime(2026, 11, 25, 23, 59, 58, tzinfo=INDIA)),
        ("10m", NOW - timedelta(minutes=10)),
        ("1.5h", NOW - timedelta(minutes=90)),
        ("2 d", NOW - timedelta(days=2)),
        ("0s", NOW),
    ],
)
def test_times(text, expected):
    """A time without a zone is meant in the zone that is shown; a time of day is one of today."""
    assert parse_time(text, NOW, INDIA) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "25:00",
        "9:5",
        "9:05:3",
        "123:05",
        "10",
        "-5m",
        "2026-13-01",
        "0001-01-01",
        "99999999999w",
        "9" * 400 + "s",
        "10m ago",
        "1e3s",
        "1_0m",
        "\u0661\u0660m",
        "\u0669:\u0660\u0665",
    ],
    ids=range(17),
)
def test_what_is_no_time(text):
    """Is refused with examples."""
    with pytest.raises(ValueError, match="must be a time like 2026-11-25T14:30:00Z, 2026-11-25, 14:30 or 10m"):
        parse_time(text, NOW, INDIA)


def test_summer_is_not_winter(monkeypatch):
    """A local time has the offset of its own day; how long ago is counted in seconds that passed."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    try:
        now = datetime(2026, 11, 25, 13, 30, tzinfo=UTC)
        found = [parse_time(text, now) for text in ("2026-07-01T12:00", "2026-11-01T12:00", "9:05", "7d")]
    finally:
        monkeypatch.undo()
        time.tzset()
    assert found == [
        datetime(2026, 7, 1, 10, 0, tzinfo=UTC),
        datetime(2026, 11, 1, 11, 0, tzinfo=UTC),
        datetime(2026, 11, 25, 8, 5, tzinfo=UTC),
        datetime(2026, 11, 18, 13, 30, tzinfo=UTC),
    ]


@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1)), st.sampled_from(["T", "t", " "]))  # noqa: DTZ001 - the zone is what is tested
def test_every_way_to_write_a_time_of_day(at, between):
    """With or without the date and a leading zero it is the same time of that day."""
    now = at.replace(hour=23, minute=59, tzinfo=INDIA)
    written = f"{at:%H:%M:%S.%f}"
    texts = [f"{at:%Y-%m-%d}{between}{written}", written, written.removeprefix("0")]
    assert [parse_time(text, now, INDIA) for text in texts] == [at.replace(tzinfo=INDIA)] * 3


@given(st.text(max_size=20) | st.from_regex(r"[0-9:T.Z+w-]{0,25}", fullmatch=True))
def test_any_text_is_a_time_or_is_refused(text):
    """What is a time can be compared, and written as UTC."""
    try:
        found = parse_time(text, NOW, INDIA)
    except ValueError:
        return
    assert found.astimezone(UTC) == found
    assert (found <= NOW) is not (found > NOW)


def test_durations():
    """With their unit, without which a number could be anything."""
    assert [parse_duration_s(text) for text in ("250ms", "90s", "10m", "10min", "1.5h", "2d", "1w")] == [
        0.25,
        90,
        600,
        600,
        5400,
        172_800,
        604_800,
    ]
    with pytest.raises(ValueError, match=r"must be a duration like 90s, 10m, 1\.5h or 2d, got '90'"):
        parse_duration_s("90")
