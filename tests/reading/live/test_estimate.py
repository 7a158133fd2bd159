import pytest

from soltrace.reading.live.estimate import Estimate, Sample, estimate


def samples(*progress: float, every_s: float = 1.0) -> list[Sample]:
    return [Sample(i * every_s, 0, at) for i, at in enumerate(progress)]


def test_a_steady_pass_is_over_at_a_known_time():
    """Where it always goes as fast, the range is one moment."""
    assert estimate(samples(0.0, 0.125, 0.25, 0.375, 0.5)) == Estimate(4.0, 4.0, 4.0)


def test_the_range_is_that_of_its_speeds():
    """As soon as it would be over at its fastest, as late as at its slowest."""
    found = estimate(samples(0.0, 0.1, 0.15, 0.4))

    assert found == Estimate(pytest.approx(4.5), pytest.approx(2.4), pytest.approx(12.0))


def test_one_hiccup_makes_no_range():
    """Of five stretches neither the best nor the worst counts."""
    found = estimate(samples(0.0, 0.1, 0.2, 0.2, 0.3, 0.4))

    assert found == Estimate(pytest.approx(7.5), pytest.approx(6.0), pytest.approx(7.5))


def test_who_stands_still_half_of_the_time_may_do_so_for_ever():
    """The range has no end."""
    found = estimate(samples(0.0, 0.1, 0.1, 0.2, 0.2, 0.2))

    assert found == Estimate(pytest.approx(20.0), pytest.approx(8.0), None)


@pytest.mark.parametrize("known", [samples(0.0, 0.5), samples(0.0, 0.3, 0.5, every_s=0.5)])
def test_little_is_known_at_first(known):
    """One or two stretches have no range."""
    assert estimate(known) == Estimate(1.0, 1.0, 1.0, rough=True)


@pytest.mark.parametrize("known", [[], samples(0.5), samples(0.5, 0.5, 0.5), samples(0.1, 0.2, every_s=0.0)])
def test_nothing_is_said_without_movement(known):
    """Nor of a pass that has only begun, nor of one whose clock stands."""
    assert estimate(known) is None
