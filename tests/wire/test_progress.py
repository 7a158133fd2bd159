import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soltrace.wire.progress import ProgressSample, RecentProgress


def recent(*samples) -> RecentProgress:
    found = RecentProgress()
    for sample in samples:
        found.add(*sample)
    return found


def test_nothing_is_claimed_before_it_moves():
    """Not of a pass that has only begun, nor of one that stands still or whose clock does."""
    known = [recent(), recent((0, 0.0)), recent((0, 0.0), (9, 0.0)), recent((0, 0.0), (0, 0.5))]
    assert [(it.rate, it.eta_s) for it in known] == [(None, None), (None, None), (0.0, None), (None, None)]


def test_a_steady_pass_is_over_when_it_says():
    """From its first report on."""
    it = recent((100, 0.0))
    for second in range(1, 41):
        it.add(100 + second, second / 40)
        assert (it.rate, it.eta_s) == (pytest.approx(1 / 40), pytest.approx(40 - second))


def test_what_was_before_the_last_ten_seconds_is_forgotten():
    """Steps that became ten times slower soon have ten times as long to go."""
    it = recent((0, 0.0), (2, 0.2), *((2 + i, 0.2 + 0.01 * i) for i in range(1, 21)))

    assert (it.rate, it.eta_s) == (pytest.approx(0.01), pytest.approx(60.0))


def test_steps_that_take_longer_than_ten_seconds():
    """The latest reports count, however far apart they are."""
    it = recent((0, 0.0), (300, 0.1), (600, 0.2))

    assert (it.rate, it.eta_s) == (pytest.approx(1 / 3000), pytest.approx(2400))


def test_the_samples_are_the_recent_past():
    """Those that follow one another too closely are one."""
    it = recent((0, 0.0, 0), (1, 0.1, 10), (1.1, 0.2, 20), (1.2, 0.3, 30))

    assert list(it.samples) == [ProgressSample(0, 0.0, 0), ProgressSample(1, 0.1, 10), ProgressSample(1.2, 0.3, 30)]


@given(st.lists(st.tuples(st.floats(-1e9, 1e9), st.floats(0, 1)), max_size=300))
def test_whatever_the_clock_does(samples):
    """Few samples are kept, and an estimate is a time that can be waited for."""
    it = recent(*samples)
    assert len(it.samples) <= 64
    assert it.rate is None or 0.0 <= it.rate < math.inf
    assert it.eta_s is None or 0.0 <= it.eta_s < math.inf


def test_what_would_take_for_ever_has_no_estimate():
    """JSON has no infinity."""
    it = recent((0.0, 0.0), (1.0, 5e-324))
    assert (it.rate, it.eta_s) == (5e-324, None)


@given(st.lists(st.floats(0.001, 5.0), min_size=2, max_size=100), st.floats(1e-3, 1.0))
def test_a_steady_pass_however_often_it_reports(gaps, rate):
    """The estimate depends on how fast it goes, and not on when it says so."""
    it = recent((0.0, 0.0))
    time_s = 0.0
    for gap in gaps:
        time_s += gap
        it.add(time_s, min(1.0, time_s * rate))
        if time_s * rate < 1.0:
            assert it.eta_s == pytest.approx((1.0 - time_s * rate) / rate, rel=1e-6, abs=1e-6)
