import itertools
import math

import pytest

from soltrace.host.pacing import GROWTH, PROGRAMS_AT_MOST, TRIP_S, Budget, Every

PROGRAM = object()


def reports(pace, seconds_of_step, steps, cost_s=0.0):
    """Run a pass whose steps take so long; return the step and the time of each report, and end it."""
    now, wanted, told = 0.0, pace.first(), []
    for step in range(1, steps + 1):
        now += seconds_of_step(step)
        if step >= wanted:
            told.append((step, now))
            wanted = max(pace.next(step, now, cost_s), step + 1)  # what the device does
    pace.end(steps, now)
    return told


def gaps(told):
    """Seconds from each report to the next."""
    return [later - earlier for (_, earlier), (_, later) in itertools.pairwise(told)]


def test_fast_steps_are_reported_at_most_ten_times_a_second():
    """The first reports feel their way; from then on there is a tenth of a second between two."""
    told = reports(Budget().pace(PROGRAM, "forward", 0.0), lambda _: 1e-5, 200_000)
    assert [step for step, _ in told[:6]] == [1, 9, 81, 729, 6561, 16561]
    assert gaps(told[4:]) == pytest.approx([0.1] * 19, abs=2e-5)


def test_steps_longer_than_the_interval_are_all_reported():
    """Half a second a step: each one is news."""
    told = reports(Budget().pace(PROGRAM, "forward", 0.0), lambda _: 0.5, 20)
    assert [step for step, _ in told] == list(range(1, 21))


def test_steps_that_get_slower_are_noticed_at_the_next_report():
    """Ten times slower from step 1000 on: one report comes late, those after it are on time."""
    slower = lambda step: 1e-3 if step <= 1000 else 1e-2
    told = reports(Budget().pace(PROGRAM, "forward", 0.0), slower, 1300)
    late = [gap for gap in gaps(told) if gap > 0.2]
    assert len(late) == 1
    assert late[0] <= 1.0
    assert gaps(told)[-10:] == pytest.approx([0.1] * 10, abs=1.1e-2)


def test_steps_that_get_faster_cost_no_more_reports():
    """A hundred times faster from step 100 on: the estimate grows, at most eightfold at a time, to the interval."""
    faster = lambda step: 1e-2 if step <= 100 else 1e-4
    told = reports(Budget().pace(PROGRAM, "forward", 0.0), faster, 10_000)
    assert len([now for _, now in told if now > 1.0]) <= 12
    assert gaps(told)[-5:] == pytest.approx([0.1] * 5, abs=2e-4)


def test_a_second_run_knows_how_long_steps_take():
    """No report is spent on finding out again: the first one is wanted an interval after the start."""
    budget = Budget()
    reports(budget.pace(PROGRAM, "forward", 0.0), lambda _: 1e-5, 1000)
    assert budget.pace(PROGRAM, "forward", 0.0).first() == pytest.approx(10_000)
    assert budget.pace(object(), "forward", 0.0).first() == 1
    assert budget.pace(PROGRAM, "stretch", 0.0).first() == 1


def test_a_solve_shorter_than_the_interval_is_not_reported_in_between():
    """The 4600 steps of 2 ms that are run again and again have a start and an end."""
    budget = Budget()
    reports(budget.pace(PROGRAM, "forward", 0.0), lambda _: 4e-7, 4600)
    assert reports(budget.pace(PROGRAM, "forward", 0.0), lambda _: 4e-7, 4600) == []


def test_reports_that_cost_much_are_fewer():
    """A report of 10 ms may be made twice a second, for 2 % of the time."""
    told = reports(Budget().pace(PROGRAM, "forward", 0.0), lambda _: 1e-3, 10_000, cost_s=0.01 - TRIP_S)
    assert told[-1][1] - told[-2][1] == pytest.approx(0.5, abs=1e-3)


def test_no_limit_means_each_step():
    """Tests ask for it."""
    budget = Budget(math.inf, math.inf)
    assert [step for step, _ in reports(budget.pace(PROGRAM, "forward", 0.0), lambda _: 1e-6, 50)] == list(range(1, 51))
    assert [step for step, _ in reports(budget.pace(PROGRAM, "forward", 0.0), lambda _: 1e-6, 50)] == list(range(1, 51))


def test_a_backward_pass_is_paced_by_the_fraction_done():
    """Its first real step is wanted, then those an interval apart, whatever the steps' sizes."""
    pace = Budget().pace(PROGRAM, "backward", 0.0)
    assert pace.first() == 0.0
    assert pace.next(0.001, 0.01, 0.0) == pytest.approx(0.001 + GROWTH * 0.001)
    assert pace.next(0.009, 0.09, 0.0) == pytest.approx(0.019)
    assert pace.next(0.019, 0.29, 0.0) == pytest.approx(0.024)


def test_a_second_backward_pass_knows_how_long_the_first_one_took():
    """Two seconds: reports are wanted each twentieth of it."""
    budget = Budget()
    budget.pace(PROGRAM, "backward", 0.0).end(1.0, 2.0)
    assert budget.pace(PROGRAM, "backward", 5.0).first() == pytest.approx(0.05)


def test_a_report_at_no_new_position_is_followed_by_the_next_step():
    """A rejected step does not move a backward pass; nothing is learned from it, and nothing divided by it."""
    pace = Budget().pace(PROGRAM, "backward", 0.0)
    assert pace.next(0.0, 0.01, 0.0) == 0.0


def test_the_memory_of_programs_is_bounded():
    """Programs traced anew each time leave nothing behind; the one used last is remembered."""
    budget, programs = Budget(), [object() for _ in range(PROGRAMS_AT_MOST + 10)]
    for program in programs:
        budget.pace(program, "forward", 0.0).end(10, 1.0)
    assert len(budget._speeds) == PROGRAMS_AT_MOST
    assert budget.seconds_per_unit(programs[-1], "forward") == 0.1
    assert budget.seconds_per_unit(programs[0], "forward") is None


@pytest.mark.parametrize(
    "steps,wanted", [(1, [1, 2, 4, 5]), (2, [2, 2, 4, 6]), (3, [3, 3, 6, 6])], ids=["each", "second", "third"]
)
def test_every_so_many_steps(steps, wanted):
    """Multiples, whatever the steps that were really reported: here 1, 3 and 4."""
    pace = Every(steps).pace(PROGRAM, "forward", 0.0)
    assert [pace.first(), *(pace.next(step, 0.0, 0.0) for step in (1, 3, 4))] == wanted


def test_every_such_fraction():
    """A quarter: 0.25, 0.5, 0.75, 1; and 0 is each step."""
    pace = Every(fraction=0.25).pace(PROGRAM, "backward", 0.0)
    assert [pace.first(), pace.next(0.3, 0.0, 0.0), pace.next(0.5, 0.0, 0.0), pace.next(0.9, 0.0, 0.0)] == [
        0.25,
        0.5,
        0.75,
        1.0,
    ]
    assert Every().pace(PROGRAM, "backward", 0.0).next(0.3, 0.0, 0.0) == 0.3
