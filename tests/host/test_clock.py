import time

import pytest

from soltrace.host.clock import SystemClock

HOUR_NS = 3600 * 10**9


@pytest.mark.parametrize("by_ns", [-HOUR_NS, HOUR_NS], ids=["back", "forward"])
def test_a_clock_that_is_set_changes_no_duration(by_ns, monkeypatch):
    """A span would end before it began, or last an hour longer."""
    clock, real = SystemClock(), time.time_ns
    assert abs(clock.time_ns() - real()) < 10**9
    began = clock.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: real() + by_ns)
    assert 0 <= clock.time_ns() - began < 60 * 10**9
