import pytest

from benchmarks.following import follow


@pytest.mark.slow
@pytest.mark.once
def test_a_thousand_logs_are_followed_while_they_are_written():
    """By one process: no line is lost, all are in the order of their times or marked as late, and memory does not grow.

    For some seconds; `python -m benchmarks.following` does it for a minute.
    """
    followed = follow(files=1000, rate=10, seconds=8, idle_s=0)

    assert (followed.written, followed.lost, followed.repeated, followed.disordered) == (80_000, 0, 0, 0)
    memory = followed.memory_mib
    assert max(memory) < 200
    assert memory[-1] - memory[2 * len(memory) // 3] < 40
