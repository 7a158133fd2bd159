"""Steps as columns: against the plain sums of what was added."""

import math

from hypothesis import example, given
from hypothesis import strategies as st

from soltrace.reading.live.step_course import MOST_BINS, StepColumn, StepCourse
from soltrace.wire.step_fields import AttemptedSteps


def attempts(first: int, count: int) -> AttemptedSteps:
    numbers = range(first, first + count)
    return AttemptedSteps(
        step=[*numbers],
        t=[0.0] * count,
        dt=[-float(number) for number in numbers],
        accepted=[number % 4 != 0 for number in numbers],
        reason=[""] * count,
        scaled_error=[float(number % 7) for number in numbers],
    )


@given(st.integers(1, 2000), st.integers(1, 70), st.integers(1, 300), st.integers(1, 3))
@example(128, 64, 300, 1)
@example(129, 64, 300, 1)
def test_columns_are_the_sums_of_their_steps(count, width, at_once, first):
    """Whatever the records are, each column has equally many attempts, but the last; and there are few."""
    course = StepCourse()
    for start in range(first, first + count, at_once):
        course.add(attempts(start, min(at_once, first + count - start)))

    columns = course.columns(width)

    every = 1
    while (count - 1) // every >= MOST_BINS:
        every *= 2
    together = every * math.ceil(math.ceil(count / every) / width)
    parts = [range(first + i, first + min(i + together, count)) for i in range(0, count, together)]
    assert len(columns) <= width
    assert columns == [
        StepColumn(sum(part) / len(part), max(n % 7 for n in part), sum(n % 4 == 0 for n in part) / len(part))
        for part in parts
    ]
    assert (course.first, course.last, course.from_the_start) == (first, first + count - 1, first == 1)


def test_whatever_a_log_holds():
    """What is missing is a gap, what is no number is not known, and what comes before the first is left out."""
    course = StepCourse()
    course.add(AttemptedSteps(step=[], t=[], dt=[], accepted=[], reason=[]))
    assert course.columns(10) == []

    course.add(AttemptedSteps(step=[5, 7], t=[0.0] * 2, dt=["NaN", 2.0], accepted=[True], reason=[]))
    course.add(AttemptedSteps(step=[-3, 8, 10**15], t=[0.0] * 3, dt=[1.0] * 3, accepted=[True] * 3, reason=[]))

    columns = course.columns(128)
    assert len(columns) <= MOST_BINS
    assert (columns[-1].dt, columns[-1].rejected) == (1.0, 0.0)
    assert math.isnan(columns[1].dt)
