import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soltrace.reading.where import BadExpressionError, Where

LINE = {
    "event": "pass.progress",
    "phase": "backward",
    "step": 42,
    "progress": 0.5,
    "t": "NaN",
    "stalled": False,
    "experiment": None,
    "steps": {"accepted": 40, "rejected": 12},
    "batch_index": [0, 2],
    "attributes": {"seed": 3, "lr.max": 1e-3, "name": "warm", "flags": [1, "a"], "and": True},
}
RAW = json.dumps(LINE).encode()


@pytest.mark.parametrize(
    "text",
    [
        'phase == "backward" and steps.rejected > 10',
        "phase == 'backward'",
        "10 < steps.rejected <= 12",
        "step == 42.0",
        "step != 41",
        "progress >= 0.5",
        "attributes.seed in [1, 2, 3]",
        "attributes.seed in (3,)",
        'attributes["lr.max"] < 0.01',
        "attributes.seed not in [1, 2]",
        '"warm" in attributes.name',
        '"seed" in attributes',
        "2 in batch_index",
        "batch_index == [0, 2]",
        "batch_index[1] == 2",
        't == "NaN"',
        "not stalled",
        "stalled == false",
        "experiment == null",
        "experiment == None",
        "not (phase == 'forward' or step > 100)",
        "-1 < step",
        'event < "pass.started"',
        "true",
        "attributes.missing == 1 or step == 42",
    ],
)
def test_a_line_that_fulfils_it(text):
    """Fields, nested ones too, are compared with numbers, texts, constants and lists."""
    assert Where(text)(RAW) is True


@pytest.mark.parametrize(
    "text",
    [
        'phase == "forward"',
        "missing > 3",
        "not missing > 3",
        "missing != 3",
        "missing not in [3]",
        "steps.recomputed == 0",
        "step.inner == 0",
        "batch_index[7] == 0",
        'step > "41"',
        'not step > "41"',
        "step != '42'",
        "stalled == 0",
        "attributes.and_ == 1",
        "step in 42",
        "3 in attributes.name",
        "step",
        "not step",
        "t > 1",
        "batch_index < [1]",
        'attributes.flags == [true, "a"]',
        "true in attributes.flags",
        "batch_index == [false, 2]",
        "false",
        "missing == 1 and step == 42",
    ],
)
def test_what_is_not_known_matches_nothing(text):
    """A field that is not there, or of another type, fulfils no condition and not its opposite either."""
    assert Where(text)(RAW) is False


@pytest.mark.parametrize(
    "text,complaint",
    [
        ("", "invalid syntax"),
        ("step >", "invalid syntax"),
        ("step = 3", "invalid syntax"),
        ("step + 1 > 3", "'step + 1' is not a condition"),
        ("__import__('os').system('true') == 0", "is not a condition"),
        ("(lambda: 1)() == 1", "is not a condition"),
        ("[x for x in step] == 1", "is not a condition"),
        ("step is 3", "write =="),
        ("f'{step}' == '3'", "is not a condition"),
        ("1", "'1' is not a condition"),
        ("attributes[seed] == 3", "is not a condition"),
        ("step == 3j", "is not a condition"),
        ("a\0b", "null bytes"),
        ("step < 1e999", "a number must be finite"),
        ("step > -1e999", "a number must be finite"),
        (r"phase == '\d'", "invalid escape sequence"),
        ("3if stalled else 4", "invalid decimal literal"),
        ("attributes.seed == 007", "leading zeros"),
        ("(" * 300 + "step" + ")" * 300, "parentheses"),
        ("not " * 900 + "stalled", None),
        ("step > 1 and " * 1000 + "step > 1", "longer than 4000 characters"),
    ],
    ids=range(21),
)
def test_anything_else_is_refused_at_once(text, complaint):
    """With what is wrong about it; nothing is called, looked up or computed."""
    if complaint is None:  # However deep, it ends in an answer.
        assert Where(text)(RAW) is False
        return
    with pytest.raises(BadExpressionError) as refused:
        Where(text)
    assert complaint in str(refused.value)


@given(st.text(max_size=40))
def test_no_text_does_harm(text):
    """Any text is a condition or is refused."""
    try:
        where = Where(text)
    except BadExpressionError:
        return
    assert where(RAW) in {True, False}


@given(st.binary(max_size=60))
def test_no_line_does_harm(line):
    """Any line fulfils it or does not."""
    assert Where("a.b[0] > 3 or c in ['x'] or d")(line) in {True, False}


def test_the_fields_that_it_asks_for_are_known():
    """To notice what no line has."""
    assert Where("phas == 'x' and step > 1 and event == 'x' and open_s > none.such").unknown() == ("none", "phas")
    assert Where("phase == 'x' and steps.rejected > attributes.seed or true").fields == ("attributes", "phase", "steps")
