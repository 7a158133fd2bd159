import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soltrace.reading.live.glyphs import ASCII, Glyphs
from soltrace.reading.live.sparkline import sparkline


@pytest.mark.parametrize(
    "values,least,line",
    [
        ([], None, ""),
        ([0, 1, 2, 3, 4, 5, 6, 7], None, "▁▂▃▄▅▆▇█"),
        ([7.0, 8.0], 0.0, "▇█"),
        ([5.0, 5.0], None, "▁▁"),
        ([5.0, 5.004, 5.0], None, "▁▁▁"),
        ([math.nan, 1.0, math.inf, 2.0], None, " ▁ █"),
        ([math.nan, math.nan], None, "  "),
        ([-1.7e308, 0.0, 1.7e308], None, "▁▅█"),
    ],
)
def test_sparkline(values, least, line):
    """The least is low, the most is high, and what is not known is a gap."""
    assert sparkline(values, Glyphs(), least=least) == line


def test_in_ascii():
    """Also where there are no blocks."""
    assert sparkline([0, 1, 2, 3, 4, 5], ASCII) == "_.-=*#"


@given(st.lists(st.floats()))
def test_any_numbers(values):
    """One sign for each number, whatever they are."""
    assert len(sparkline(values, Glyphs())) == len(values)
