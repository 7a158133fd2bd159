from datetime import UTC, datetime, timedelta

import pytest

from soltrace.reading.files.source import BEFORE_ALL, LogEntry
from soltrace.reading.merge import ReorderBuffer
from soltrace.reading.parse import Rejected


class Clock:
    """One for the time of day and for seconds."""

    def __init__(self):
        self.s = 0.0

    def now(self) -> datetime:
        return datetime(2026, 11, 25, tzinfo=UTC) + timedelta(seconds=self.s)

    def monotonic(self) -> float:
        return self.s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def buffer(clock) -> ReorderBuffer:
    """One of a second and five lines."""
    return ReorderBuffer(1.0, 5, now=clock.now, monotonic=clock.monotonic)


@pytest.fixture
def line(clock, tmp_path):
    """A line that says that it was written at a second."""
    beginning = clock.now()

    def make(at: float | None) -> LogEntry:
        time = BEFORE_ALL if at is None else beginning + timedelta(seconds=at)
        return LogEntry(Rejected(str(at)), b"", tmp_path, 1, time)

    return make


def said(entries) -> list[str]:
    """When the lines say that they were written; an exclamation mark if they are late."""
    return [entry.value.reason + "!" * entry.late for entry in entries]


def test_a_line_waits_for_those_of_others(buffer, clock, line):
    """For a second, and then it comes with all that is older."""
    assert buffer.feed([line(0.0)]) == []
    clock.s = 0.4
    assert buffer.feed([line(0.4), line(-0.2)]) == []
    clock.s = 1.0
    assert said(buffer.feed([line(0.1)])) == ["-0.2", "0.0"]
    clock.s = 1.5
    assert said(buffer.feed([])) == ["0.1", "0.4"]
    assert buffer.feed([]) == buffer.flush() == []


def test_a_late_line_is_marked_and_comes_at_once(buffer, clock, line):
    """It is not put where nobody looks any more, and does not hold up others."""
    buffer.feed([line(0.5)])
    clock.s = 2.0
    assert said(buffer.feed([])) == ["0.5"]

    assert said(buffer.feed([line(0.4), line(1.9), line(0.5)])) == ["0.4!"]
    clock.s = 3.0
    assert said(buffer.feed([line(None)])) == ["None!", "0.5", "1.9"]


def test_what_is_old_when_it_comes_does_not_wait(buffer, clock, line):
    """The past is shown at once, in order."""
    clock.s = 100.0
    assert said(buffer.feed([line(1), line(2), line(90.5)])) == ["1", "2"]
    assert said(buffer.flush()) == ["90.5"]


def test_no_more_lines_wait_than_are_allowed(buffer, line):
    """A flood does not take all memory: the oldest go first."""
    assert said(buffer.feed([line(at / 10) for at in range(7)])) == ["0.0", "0.1"]
    assert said(buffer.feed([line(0.05)])) == ["0.05!"]


def test_a_clock_that_is_ahead_does_not_make_the_others_late(buffer, clock, line):
    """A line from the future stands where it came."""
    buffer.feed([line(1e6)])
    clock.s = 1.0
    assert said(buffer.feed([line(0.9)])) == ["1000000.0"]
    clock.s = 2.0
    assert said(buffer.feed([])) == ["0.9"]


def test_nothing_is_held_where_nothing_else_can_come(buffer, line):
    """Of one file each line comes at once, and what was held before too."""
    buffer.feed([line(0.2)])
    assert said(buffer.feed([line(0.3)], hold=False)) == ["0.2", "0.3"]
    assert said(buffer.feed([line(0.1)])) == ["0.1!"]
