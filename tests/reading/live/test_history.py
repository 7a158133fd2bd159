import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from soltrace.reading.live.columns import ASCII, Glyphs
from soltrace.reading.live.history import MOST_POINTS, Estimate, History, Point, estimate, sparkline
from soltrace.wire.progress import RecentProgress


def history(*points: Point) -> History:
    made = History()
    for point in points:
        made.add(point)
    return made


def test_what_happened_between_two_reports():
    """Step size, rejection and rate are those of each stretch."""
    made = history(
        Point(0.0, t=0.0, taken=0, steps=0, rejected=0),
        Point(1.0, t=2.0, taken=8, steps=10, rejected=2),
        Point(3.0, t=2.5, taken=10, steps=12, rejected=2),
    )

    assert made.step_sizes(60) == [0.25, 0.25]
    assert made.rejections(60) == [0.2, 0.0]
    assert made.rates(60) == [10.0, 1.0]


def test_time_may_run_backwards():
    """A backward pass, and a solve from t1 to t0, have step sizes like any other."""
    assert history(Point(0, 10.0, 0, 0, 0), Point(1, 9.0, 4, 4, 0)).step_sizes(60) == [0.25]


def test_what_is_not_known_is_nan():
    """No step in between, another lane that has fewer, or nothing said about rejected ones."""
    made = history(Point(0, 0, 5, 5, math.nan), Point(0, 1, 5, 5, math.nan), Point(0, 1, 3, 9, math.nan))

    assert all(math.isnan(value) for value in made.step_sizes(60) + made.rejections(60) + made.rates(60))


@given(st.integers(0, 1000), st.integers(1, 80))
@example(128, 60)
def test_a_long_pass_has_as_few_points_as_a_short_one(reports, width):
    """The first and the latest are among them, and together they are the whole."""
    made = history(*(Point(i, t=float(i), taken=i, steps=i, rejected=0) for i in range(reports)))

    assert len(made.points) <= MOST_POINTS
    assert [point.time_s for point in made.points][:1] == [0][: reports and 1]
    assert [point.time_s for point in made.points][-1:] == [reports - 1][: reports and 1]
    assert made.step_sizes(width) == [1.0] * max(0, min(width, len(made.points) - 1))


def recent(*progress: float, every_s: float = 1.0) -> RecentProgress:
    found = RecentProgress()
    for i, at in enumerate(progress):
        found.add(i * every_s, at)
    return found


def test_a_steady_pass_is_over_at_a_known_time():
    """Where it always goes as fast, the range is one moment."""
    assert estimate(recent(0.0, 0.125, 0.25, 0.375, 0.5)) == Estimate(4.0, 4.0, 4.0)


def test_the_range_is_that_of_its_speeds():
    """As soon as it would be over at its fastest, as late as at its slowest."""
    found = estimate(recent(0.0, 0.1, 0.15, 0.4))

    assert found == Estimate(pytest.approx(4.5), pytest.approx(2.4), pytest.approx(12.0))


def test_one_hiccup_makes_no_range():
    """Of five stretches neither the best nor the worst counts."""
    found = estimate(recent(0.0, 0.1, 0.2, 0.2, 0.3, 0.4))

    assert found == Estimate(pytest.approx(7.5), pytest.approx(6.0), pytest.approx(7.5))


def test_who_stands_still_half_of_the_time_may_do_so_for_ever():
    """The range has no end."""
    found = estimate(recent(0.0, 0.1, 0.1, 0.2, 0.2, 0.2))

    assert found == Estimate(pytest.approx(20.0), pytest.approx(8.0), None)


@pytest.mark.parametrize("known", [recent(0.0, 0.5), recent(0.0, 0.3, 0.5, every_s=0.5)])
def test_little_is_known_at_first(known):
    """One or two stretches have no range."""
    assert estimate(known) == Estimate(1.0, 1.0, 1.0, rough=True)


@pytest.mark.parametrize("known", [recent(), recent(0.5), recent(0.5, 0.5, 0.5), recent(0.1, 0.2, every_s=0.0)])
def test_nothing_is_said_without_movement(known):
    """Nor of a pass that has only begun, nor of one whose clock stands."""
    assert estimate(known) is None


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
    assert sparkline(values, Glyphs().levels, least=least) == line


def test_in_ascii():
    """Also where there are no blocks."""
    assert sparkline([0, 1, 2, 3, 4, 5], ASCII.levels) == "_.-=*#"


@given(st.lists(st.floats()))
def test_any_numbers(values):
    """One sign for each number, whatever they are."""
    assert len(sparkline(values, Glyphs().levels)) == len(values)
