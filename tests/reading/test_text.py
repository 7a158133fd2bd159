import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soltrace.reading import text


@pytest.mark.parametrize(
    "value,expected",
    [
        ("plain, naïve, 日本, λ=1 🙂", "plain, naïve, 日本, λ=1 🙂"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x9b2J", r"\x9b2J"),
        ("a\r\nb\tc\x00\x7f", r"a\r\nb\tc\x00\x7f"),
        ("abc\u202edcb\u2066x\u200f", r"abc\u202edcb\u2066x\u200f"),
        ("\ud800\u2028\ufeff", r"\ud800\u2028\ufeff"),
        ("tag\U000e0041", r"tag\U000e0041"),
        ("x" * 80, "x" * 80),
        ("x" * 81, "x" * 79 + "…"),
        ("\x1b" * 100_000, r"\x1b" * 19 + r"\x1" + "…"),
    ],
    ids=ascii,
)
def test_clean(value, expected):
    """What a terminal would obey is shown as an escape; what is long is cut."""
    assert text.clean(value) == expected


@pytest.mark.parametrize(
    "count,expected",
    [
        (0, "0 B"),
        (999, "999 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1_331_439_861, "1.24 GiB"),
        (2**30 - 1, "1024 MiB"),
        (80 << 30, "80 GiB"),
        (-5, "0 B"),
        (10**30, "4 EiB"),
    ],
)
def test_size(count, expected):
    """Three digits, and never an exponent, whatever a log says."""
    assert text.size(count) == expected


def test_clean_end():
    """Two runs of the same second differ in their last digits."""
    assert text.clean_end("20261125T162302Z-vm-31348", 24) == "…261125T162302Z-vm-31348"
    assert text.clean_end("20261125T162302Z-vm-4295", 24) == "20261125T162302Z-vm-4295"
    assert text.clean_end("\x1b" * 30, 24).isprintable()
    assert len(text.clean_end("\x1b" * 30, 24)) == 24


@given(st.text())
def test_clean_text_is_printable(value):
    """Nothing else reaches a terminal, whatever the value."""
    assert text.clean(value).isprintable()
    assert len(text.clean(value, 20)) <= 20


@given(st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_printable_json_has_the_same_value(value):
    """A JSON line for a terminal says the same, with nothing in it that a terminal obeys."""
    try:
        line = json.dumps(value, ensure_ascii=False, indent="\t").encode().decode()
    except UnicodeEncodeError:  # Lone surrogates are no text, and are in no UTF-8 file.
        return

    shown = text.printable_json(line)

    assert shown.isprintable()
    assert json.loads(shown) == value


@pytest.mark.parametrize(
    "seconds,expected",
    [
        (-1.0, "0 ms"),
        (0.00005, "0.05 ms"),
        (0.0005, "0.5 ms"),
        (0.01249, "12 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1 s"),
        (1.2449, "1.24 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 05 min"),
        (360_000, "4 d 4 h"),
        (1e300, "11,574,074 d 1 h"),
    ],
)
def test_duration(seconds, expected):
    """A duration has the digits that matter."""
    assert text.duration(seconds) == expected


@pytest.mark.parametrize(
    "seconds,expected", [(-3, "0:00"), (5.4, "0:05"), (90, "1:30"), (7500, "2:05:00"), (90_000, "1 d 1 h")]
)
def test_countdown(seconds, expected):
    """An estimate reads like a clock."""
    assert text.countdown(seconds) == expected


@pytest.mark.parametrize(
    "low,high,expected",
    [
        (40.2, 40.4, "40 s"),
        (30, 50, "30-50 s"),
        (-1, 0.4, "0 s"),
        (59, 99.9, "59-100 s"),
        (60, 240, "1-4 min"),
        (100, 200, "1.7-3 min"),
        (7200, 10_800, "2-3 h"),
        (3 * 86_400, 3 * 86_400, "3 d"),
        (60, 1e300, "0-11,574,074 d"),
        (150, None, "> 2 min"),
        (1e300, None, "> 11,574,074 d"),
    ],
)
def test_between(low, high, expected):
    """What is not known exactly is said in one unit, and with no more digits than that."""
    assert text.between(low, high) == expected


@pytest.mark.parametrize(
    "progress,expected",
    [
        (-0.5, "0.0 %"),
        (0.42, "42.0 %"),
        (0.5 - 3 * 0.1, "20.0 %"),
        (1 - 1e-12, "99.9 %"),
        (1.0, "100.0 %"),
        (7.0, "100.0 %"),
    ],
)
def test_percent(progress, expected):
    """What is not over never reads 100 %."""
    assert text.percent(progress) == expected


@pytest.mark.parametrize(
    "per_second,expected",
    [
        (0.0, "0/s"),
        (0.251, "0.25/s"),
        (9.96, "10/s"),
        (31.4, "31/s"),
        (999.6, "1k/s"),
        (5210, "5.2k/s"),
        (1.2e6, "1.2M/s"),
    ],
)
def test_rate(per_second, expected):
    """A rate has about two digits."""
    assert text.rate(per_second) == expected


@pytest.mark.parametrize(
    "value,number,steady",
    [
        (0.0, "0", "0.000"),
        (46.1, "46.1", "46.10"),
        (-0.3, "-0.3", "-0.3000"),
        (1234.5678, "1234.57", "1235"),
        (3e-7, "3e-07", "3e-07"),
        (123456.0, "123456", "1.235e+05"),
        ("NaN", "NaN", "NaN"),
        ("-Infinity", "-Infinity", "-Infinity"),
    ],
)
def test_numbers(value, number, steady):
    """A float is shown short where it stands, and with digits that don't come and go where it changes."""
    assert text.number(value) == number
    assert text.steady(value) == steady


def test_times():
    """A moment is a time of day, and a day with its distance from UTC, in the zone that was asked for."""
    moment = datetime(2026, 11, 25, 23, 24, 29, 123_999, tzinfo=UTC)
    assert (text.day(text.local(moment, UTC)), text.clock(text.local(moment, UTC))) == (
        "2026-11-25 UTC",
        "23:24:29.123",
    )

    india = text.local(moment, timezone(timedelta(hours=5, minutes=30)))
    assert (text.day(india), text.clock(india)) == ("2026-11-26 UTC+05:30", "04:54:29.123")


@pytest.mark.parametrize(
    "moment", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)], ids=["first", "last"]
)
def test_the_ends_of_the_calendar_do_not_raise(moment):
    """A time that no zone can express is left as it is."""
    for hours in (-14, 14):
        there = moment.replace(tzinfo=timezone(timedelta(hours=hours)))
        assert text.day(text.local(there, timezone(timedelta(hours=-hours)))).startswith(("0001-01-0", "9999-12-3"))


def test_plural():
    """Counts agree with their nouns."""
    assert [text.plural(n, "step") for n in (0, 1, 4602)] == ["0 steps", "1 step", "4,602 steps"]
    assert [text.plural(n, "pass") for n in (1, 2)] == ["1 pass", "2 passes"]
