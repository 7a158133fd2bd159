import os
import socket
from datetime import timedelta

import pytest

from soltrace.reading.outcome import Outcome
from soltrace.reading.runs.processes import process_is_gone


class World:
    """A clock, and processes that may go."""

    def __init__(self, start):
        self.start = start
        self.s = 0.0
        self.dead: set[tuple[str, int]] = set()

    def outcome(self, patience_s: float = 60.0) -> Outcome:
        return Outcome(
            patience_s,
            monotonic=lambda: self.s,
            now=lambda: self.start + timedelta(seconds=self.s),
            gone=lambda host, pid, _: (host, pid) in self.dead,
        )


@pytest.fixture
def world(log) -> World:
    return World(log.start)


def feed(outcome: Outcome, *records) -> None:
    for record in records:
        outcome.feed(record)


def test_all_passes_are_waited_for(world, log):
    """Until at least one was seen, none is open, and nothing has come for two seconds."""
    outcome = world.outcome()
    world.s = 100
    assert outcome.status() is None

    feed(outcome, log.opened(), log.started(100))
    world.s = 110
    assert outcome.status() is None

    feed(outcome, log.ended(110))
    world.s = 111.9
    assert outcome.status() is None  # its backward pass may begin
    world.s = 112
    assert outcome.status() == outcome.final() == 0


def test_an_experiment_or_a_run_that_failed_is_no_success(world, log):
    """Also where all passes went well: an exception has left the one, or a signal has ended the other."""
    for end in (log.experiment_ended(1, error="ValueError: no"), log.run_ended(1, error="SIGTERM")):
        outcome = world.outcome()
        feed(outcome, log.started(0), log.ended(0), log.experiment_ended(1), log.run_ended(1))
        assert outcome.final() == 0
        feed(outcome, end)
        assert outcome.final() == 1


def test_an_open_experiment_is_waited_for(world, log):
    """Between its solves it may compute for long."""
    outcome = world.outcome()
    feed(outcome, log.experiment_started(0), log.started(0), log.ended(0))
    world.s = 10_000
    assert outcome.status() is None

    feed(outcome, log.experiment_ended(10_000))
    world.s += 2
    assert outcome.status() == 0


def test_a_failed_pass_is_told_when_all_are_over(world, log):
    """By one, whatever else."""
    outcome = world.outcome()
    feed(outcome, log.started(0, 1), log.started(0, 2), log.ended(0, 1, status="error"), log.heartbeat(0, 2))
    world.s = 2
    assert outcome.status() is None

    feed(outcome, log.heartbeat(2, 2, stalled=True))
    world.s = 4
    assert outcome.status() == 1


def test_a_pass_that_says_that_it_stalled_is_not_waited_for(world, log):
    """Unless it goes on."""
    outcome = world.outcome()
    feed(outcome, log.experiment_started(0), log.started(0), log.heartbeat(0, stalled=True))
    feed(outcome, log.progress(0, progress=0.5, step=3))
    world.s = 2
    assert outcome.status() is None

    feed(outcome, log.heartbeat(2, stalled=True))
    world.s = 4
    assert outcome.status() == 3


def test_a_run_that_is_silent_for_long_is_gone(world, log):
    """Its open pass has stalled; another run's go on."""
    outcome = world.outcome(patience_s=30)
    feed(outcome, log.started(0))
    world.s = 29.9
    assert outcome.status() is None
    world.s = 30
    assert outcome.status() == 3


def test_a_run_of_which_the_process_is_gone_is_not_waited_for(world, log):
    """Where that can be known."""
    outcome = world.outcome()
    feed(outcome, log.opened(host="lynx", pid=42), log.experiment_started(0), log.started(0))
    world.s = 5
    assert outcome.status() is None

    world.dead.add(("lynx", 42))
    assert outcome.status() == 3


def test_a_run_that_was_killed_between_two_passes_is_not_done(world, log):
    """Its experiment is open for good."""
    outcome = world.outcome()
    world.dead.add(("lynx", 42))
    feed(outcome, log.opened(host="lynx", pid=42), log.experiment_started(0), log.started(0), log.ended(1))
    world.s = 2
    assert outcome.status() == outcome.final() == 3


def test_a_run_that_was_killed_long_ago_is_given_up_soon(world, log):
    """After it could have said that only its clock is wrong."""
    world.start += timedelta(days=1)
    outcome = world.outcome()
    feed(outcome, log.started(0))
    world.s = 11.9
    assert outcome.status() is None
    world.s = 12
    assert outcome.status() == 3


def test_what_is_open_at_the_end_has_stalled(world, log):
    """If nobody waits any longer."""
    outcome = world.outcome()
    feed(outcome, log.started(0))
    assert outcome.final() == 3
    feed(outcome, log.ended(1))
    assert outcome.final() == 0


def test_whether_a_process_is_gone():
    """Is known of this host alone."""
    host = socket.gethostname()
    assert not process_is_gone(host, os.getpid())
    assert process_is_gone(host, 2**22 + 1)
    assert not process_is_gone("elsewhere", 2**22 + 1)
    assert not process_is_gone(host, 10**30)
    assert not process_is_gone(host, 0)


def test_a_retry_settles_what_was_killed_before_it(world, logs):
    """Its scheduler says that it is one: what the first attempt left behind does not count, be it open or failed."""
    first, second = logs("a"), logs("b")
    outcome = world.outcome()
    job = {"scheduler": "slurm", "job": "77", "array_task": "3"}
    feed(outcome, first.opened(**job), first.experiment_started(0), first.started(0), first.started(0, 2))
    feed(outcome, first.ended(5, 2, status="error"))
    world.s = 10_000
    assert outcome.final() == 1

    feed(outcome, second.opened(6, **job, restart="1"), second.experiment_started(6), second.started(7))
    world.s += 10
    assert outcome.status() is None
    feed(outcome, second.ended(8), second.experiment_ended(9))
    world.s += 2
    assert outcome.status() == outcome.final() == 0
