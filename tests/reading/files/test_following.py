import pytest

from benchmarks.following import follow


@pytest.mark.slow
@pytest.mark.once
def test_a_thousand_logs_are_followed_while_they_are_written():
    """By one process: no line is lost, all are in the order of their times or marked as late, and memory does not grow.

    In three rounds; `python -m benchmarks.following` does it for a minute.
    """
    followed = follow(files=1000, rate=10, seconds=3, idle_s=0, rounds=3)

    assert (followed.written, followed.lost, followed.repeated, followed.disordered) == (90_000, 0, 0, 0)
    assert max(followed.memory_mib) < 200
    _, second, third = followed.rest_mib
    assert third - second < 10, followed.rest_mib  # 30,000 lines later, which would be more if they were kept.
