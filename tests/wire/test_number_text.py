import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soltrace.wire.attributes import parse_attributes
from soltrace.wire.number_text import parse_number

NUMBERS = {
    "3": 3,
    "0": 0,
    "-7": -7,
    "1764147600": 1_764_147_600,
    "9223372036854775807": 2**63 - 1,
    "-9223372036854775808": -(2**63),
    "-2.5": -2.5,
    "0.0": 0.0,
    "10.0": 10.0,
    "1e-3": 1e-3,
    "1E-05": 1e-5,
    "2.5e-4": 2.5e-4,
    "1.0e+3": 1000.0,
    "1e5": 1e5,
    "10e-3": 1e-2,
    "1e-300": 1e-300,
    "5e-324": 5e-324,
}
TEXTS = [
    "",
    "12e5678",
    "12345e67",
    "1e00012",
    "1e999",
    "-1e999",
    "1e-400",
    "007",
    "-007",
    "-0",
    "1_000",
    "+3",
    "0x10",
    "1e",
    ".5",
    "5.",
    "3.10",
    "2.50e-4",
    "1.2.3",
    "1,5",
    "infinity",
    "inf",
    "-Infinity",
    "nan",
    "NaN",
    "\u0663",
    "\uff11\uff10",
    "\u00b2",
    "3 ",
    "2026-11-26",
    "9223372036854775808",
    "-9223372036854775809",
    "9" * 5000,
    "0.1234567890123456789",
    "9007199254740993.0",
    "3j",
    "0b1",
    "1e5\n",
]


@pytest.mark.parametrize("text", NUMBERS)
def test_what_prints_as_it_was_written_is_a_number(text):
    """Of the type that JSON would give it."""
    assert (parse_number(text), type(parse_number(text))) == (NUMBERS[text], type(NUMBERS[text]))


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_what_would_lose_by_becoming_a_number_stays_a_text(text):
    """Zeros, digits, signs and underscores say something; and what has no end is no number."""
    assert parse_number(text) is None


@given(st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_that_python_or_json_prints_is_read(value):
    """By `print` as well as by a JSON encoder."""
    assert [parse_number(repr(value)), parse_number(json.dumps(value))] == [value, value]


@given(st.from_regex(r"[-+]?[0-9_]{0,6}(\.[0-9]{0,5})?([eE][-+]?[0-9]{0,5})?", fullmatch=True) | st.text(max_size=12))
def test_whatever_is_read_is_a_number_to_json(text):
    """A finite one, within 64 bits, of the same value."""
    value = parse_number(text)
    if value is not None:
        assert value == json.loads(text)
        assert math.isfinite(value)
        assert isinstance(value, float) or -(2**63) <= value < 2**63


@given(st.from_regex(r"[0-9a-f]{7,40}", fullmatch=True))
def test_an_abbreviated_commit_is_read_back_as_it_was(commit):
    """Also one that has no letter but an `e`: those of digits alone are numbers that print the same."""
    [value] = parse_attributes(f"commit={commit}")[0].values()
    assert str(value) == commit


def test_attributes_keep_what_was_written():
    """Only what is a number becomes one."""
    assert parse_attributes(
        "commit=12e5678,task=007,when=2026-11-26,tag=infinity,job=1_000,seed=3,lr=1e-3,ok=True"
    ) == (
        {
            "commit": "12e5678",
            "task": "007",
            "when": "2026-11-26",
            "tag": "infinity",
            "job": "1_000",
            "seed": 3,
            "lr": 1e-3,
            "ok": True,
        },
        [],
    )
