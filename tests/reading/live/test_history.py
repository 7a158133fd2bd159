import math

from hypothesis import example, given
from hypothesis import strategies as st

from soltrace.reading.live.history import MOST_POINTS, History, Point


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
