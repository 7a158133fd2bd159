import os
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs

from soltrace.reading.outcome import Outcome
from soltrace.reading.runs.jobs import Jobs
from soltrace.reading.runs.lost import Fate, RunFacts, RunJudge
from soltrace.reading.runs.processes import process_is_gone
from soltrace.reading.runs.run_watch import RunWatch
from soltrace.reading.runs.slurm import TaskState

BEGAN = datetime(2026, 11, 25, 3, 24, 29, tzinfo=UTC)
SLURM = {"scheduler": "slurm", "job": "7", "array_task": "3", "host": "elsewhere", "pid": 42}


def jobs_that_say(*states):
    """Jobs of which the scheduler has said this already."""
    jobs = Jobs(lambda _: states, lambda: True)
    jobs.see(SLURM)
    jobs.look(wait_s=30.0)
    return jobs


@pytest.mark.parametrize(
    "state,open_,fate,why",
    [
        ("RUNNING", True, Fate.GOES_ON, ""),
        ("SUSPENDED", True, Fate.GOES_ON, ""),
        ("OUT_OF_MEMORY", True, Fate.LOST, "Slurm says OUT_OF_MEMORY"),
        ("NODE_FAIL", False, Fate.LOST, "Slurm says NODE_FAIL"),
        ("COMPLETED", True, Fate.LOST, "Slurm says COMPLETED"),
        ("COMPLETED", False, Fate.ENDED, ""),
        ("FAILED", False, Fate.GOES_ON, ""),
        ("PENDING", True, Fate.RUNS_AGAIN, "Slurm runs it again: PENDING"),
    ],
)
def test_what_the_scheduler_says_of_a_run(state, open_, fate, why):
    """A run that was killed is lost also where nothing was open: who has no experiment may be between two passes."""
    judge = RunJudge(jobs=jobs_that_say(TaskState("7", "3", state, began=BEGAN)))
    run = RunFacts("r", BEGAN, SLURM, BEGAN, passes_open=open_)
    assert judge.verdict(run, 10.0) == (fate, why)


@pytest.mark.parametrize(
    "known,restarts,fate",
    [
        ({"experiments_open": True}, 1, Fate.RUNS_AGAIN),
        ({"had_experiments": True}, 0, Fate.GOES_ON),
        ({"last_of_its_task": False}, 0, Fate.GOES_ON),
        ({"opened": BEGAN - timedelta(days=1), "experiments_open": True}, 0, Fate.GOES_ON),
        ({"resource": SLURM | {"restart": "2"}, "experiments_open": True}, 1, Fate.GOES_ON),
        ({"experiments_open": True}, 0, Fate.LOST),
    ],
    ids=["a retry has begun", "it has ended", "another came after it", "another job", "another cluster's", "killed"],
)
def test_a_killed_job_says_nothing_of_a_run_that_it_did_not_kill(known, restarts, fate):
    """Which is another attempt's, has ended all it had begun, or is not the job's at all."""
    judge = RunJudge(jobs=jobs_that_say(TaskState("7", "3", "TIMEOUT", 0, restarts, BEGAN)))
    run = RunFacts("r", BEGAN, **{"resource": SLURM, "opened": BEGAN} | known)
    assert judge.verdict(run, 10.0).fate is fate


@pytest.mark.parametrize(
    "state,known,fate,why",
    [
        ("RUNNING", {}, Fate.GOES_ON, ""),
        ("OUT_OF_MEMORY", {}, Fate.LOST, "Slurm says OUT_OF_MEMORY"),
        ("FAILED", {}, Fate.LOST, "Slurm says FAILED"),
        ("COMPLETED", {}, Fate.ENDED, ""),
        ("COMPLETED", {"experiments_open": True}, Fate.LOST, "Slurm says COMPLETED"),
        ("COMPLETED", {"last_of_its_task": False}, Fate.GOES_ON, ""),
        ("OUT_OF_MEMORY", {"last_of_its_task": False}, Fate.GOES_ON, ""),
        ("OUT_OF_MEMORY", {"has_ended": True}, Fate.GOES_ON, ""),
        ("OUT_OF_MEMORY", {"has_ended": True, "had_experiments": False}, Fate.GOES_ON, ""),
        ("PENDING", {}, Fate.RUNS_AGAIN, "Slurm runs it again: PENDING"),
    ],
)
def test_a_run_that_owes_its_last_line_ends_as_the_scheduler_says(state, known, fate, why):
    """Though all its experiments are over; not if it has said so itself, or if others came after it in its job."""
    judge = RunJudge(jobs=jobs_that_say(TaskState("7", "3", state, began=BEGAN)))
    run = RunFacts("r", BEGAN, SLURM, BEGAN, **{"tells_its_end": True, "had_experiments": True} | known)
    assert judge.verdict(run, 10.0) == (fate, why)


def owing(log, **resource):
    """A run that has told that it has a span of its own, and whose experiment is over."""
    opened = structs.replace(log.opened(**resource), trace_id="1" * 32, span_id="2" * 16)
    return opened, log.experiment_started(0), log.started(0), log.ended(1), log.experiment_ended(1)


def test_where_nobody_can_be_asked_the_last_line_is_waited_for(log):
    """For three minutes, if the run is not heard of; it goes on as long as it is, or until its process is gone."""
    now, gone = [0.0], [False]
    clocks = {"monotonic": lambda: now[0], "now": lambda: log.start + timedelta(seconds=now[0])}
    outcome = Outcome(gone=lambda *_: gone[0], **clocks)
    for record in owing(log, host="elsewhere", pid=42):
        outcome.feed(record)
    seen = []
    for now[0] in (2.0, 178.0):
        seen.append((outcome.status(), outcome.lost()))
    outcome.feed(log.run_heartbeat(179))
    now[0] = 300.0
    seen.append((outcome.status(), outcome.lost()))
    assert seen == [(None, [])] * 3
    now[0] = 359.0
    assert outcome.status() == 3
    assert [lost[1:] for lost in outcome.lost()] == [
        (log.start + timedelta(seconds=179), "it fell silent, and its log has no end", 0)
    ]
    outcome.feed(log.run_heartbeat(360))
    gone[0], now[0] = True, 363.0
    assert outcome.status() == 3
    assert [lost.why for lost in outcome.lost()] == ["its process is gone"]
    outcome.feed(log.run_ended(364))
    now[0] = 366.0
    assert (outcome.status(), outcome.lost()) == (0, [])


def test_what_slurm_has_seen_to_its_end_is_waited_for_no_more(log):
    """By `os._exit`, for instance: there is no last line, and nothing is lost."""
    now = [0.0]
    jobs = Jobs(lambda _: [TaskState("7", "3", "COMPLETED", began=log.start)], lambda: True, lambda: now[0])
    outcome = Outcome(jobs=jobs, monotonic=lambda: now[0], now=lambda: log.start + timedelta(seconds=now[0]))
    for record in owing(log, **SLURM):
        outcome.feed(record)
    jobs.look(wait_s=30.0)
    now[0] = 1000.0
    assert (outcome.status(), outcome.lost()) == (0, [])


def test_where_nobody_can_be_asked_silence_says_it():
    """Of a run with an open pass: between passes, a program may compute for long."""
    judge = RunJudge()
    passes = RunFacts("r", BEGAN, {"host": "elsewhere", "pid": 42}, BEGAN, passes_open=True)
    experiment = RunFacts("r", BEGAN, {"host": "elsewhere", "pid": 42}, BEGAN, experiments_open=True)
    beating = RunFacts("r", BEGAN, {"host": "elsewhere", "pid": 42}, BEGAN, experiments_open=True, beats=True)
    fates = {
        name: [judge.verdict(run, silent_s).fate is Fate.LOST for silent_s in (59, 60, 179, 180, 10_000)]
        for name, run in {"passes": passes, "experiment": experiment, "beating": beating}.items()
    }
    assert fates == {
        "passes": [False, True, True, True, True],
        "experiment": [False] * 5,
        "beating": [False, False, False, True, True],
    }


def test_a_process_that_nobody_has_waited_for_is_gone():
    """Its number is still there; and a process that has got the number of another is none of ours."""
    host = socket.gethostname()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        began = datetime.now(UTC)
        assert not process_is_gone(host, process.pid, began)
        assert process_is_gone(host, process.pid, began - timedelta(hours=1))
        process.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert process_is_gone(host, process.pid, began)


def test_a_run_that_is_heard_of_again_is_not_lost(log):
    """It was only silent."""
    watch = RunWatch(monotonic=lambda: now[0], now=lambda: log.start + timedelta(seconds=now[0]))
    now = [0.0]
    for record in (log.opened(host="elsewhere", pid=42), log.experiment_started(0), log.started(0), log.started(0, 2)):
        watch.feed(record)
    assert list(watch.lost()) == []
    now[0] = 60.0
    assert [tuple(lost) for lost in watch.lost()] == [("r1", log.start, "it fell silent, with a pass open", 2)]
    watch.feed(log.progress(60, progress=0.5, step=3))
    assert list(watch.lost()) == []


def test_tasks_that_have_yet_to_begin_are_waited_for(log, logs):
    """Those of the same array; and a killed attempt that is to be run again has not ended."""
    now = [0.0]
    states = [TaskState("7", "4", "PENDING"), TaskState("7", "3", "PENDING", 0, 1)]
    jobs = Jobs(lambda _: list(states), lambda: True, lambda: now[0])
    outcome = Outcome(jobs=jobs, monotonic=lambda: now[0], now=lambda: log.start + timedelta(seconds=now[0]))
    seen = []
    for record in (log.opened(**SLURM), log.experiment_started(0), log.started(0), log.ended(1)):
        outcome.feed(record)
    for fourth, third in (("PENDING", "PENDING"), ("COMPLETED", "PENDING"), ("COMPLETED", "RUNNING")):
        states[:] = [TaskState("7", "4", fourth), TaskState("7", "3", third, 0, 1)]
        now[0] += 100.0
        jobs.look(wait_s=30.0)
        seen.append(outcome.status())
    assert seen == [None] * 3  # its log is still to come
    retry = logs("r2")
    for record in (retry.opened(400, **SLURM, restart="1"), retry.started(400), retry.ended(401)):
        outcome.feed(record)
    now[0] += 100.0
    assert outcome.status() == 0
