from datetime import UTC, datetime, timedelta, timezone

import pytest

from soltrace.reading.times import duration_s, moment

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
        ("23:59:58", datetime(2026, 11, 25, 23, 59, 58, tzinfo=INDIA)),
        ("10m", NOW - timedelta(minutes=10)),
        ("1.5h", NOW - timedelta(minutes=90)),
        ("2 d", NOW - timedelta(days=2)),
        ("0s", NOW),
    ],
)
def test_moments(text, expected):
    """A time without a zone is meant in the zone that is shown; a time of day is one of today."""
    assert moment(text, NOW) == expected


@pytest.mark.parametrize(
    "text", ["", "yesterday", "25:00", "10", "-5m", "2026-13-01", "99999999999w", "10m ago", "1e3s"]
)
def test_what_is_no_moment(text):
    """Is refused with examples."""
    with pytest.raises(ValueError, match="must be a time like 2026-11-25T14:30:00Z, 2026-11-25, 14:30 or 10m"):
        moment(text, NOW)


def test_durations():
    """With their unit, without which a number could be anything."""
    assert [duration_s(text) for text in ("250ms", "90s", "10m", "10min", "1.5h", "2d", "1w")] == [
        0.25,
        90,
        600,
        600,
        5400,
        172_800,
        604_800,
    ]
    with pytest.raises(ValueError, match=r"must be a duration like 90s, 10m, 1\.5h or 2d, got '90'"):
        duration_s("90")
