import os
from datetime import datetime, timedelta

import pytest

from soltrace.reading.runs.jobs import Jobs
from soltrace.reading.runs.slurm import TaskState, accounted_tasks, ask_slurm, queued_tasks

BEGAN = datetime(2026, 11, 27, 2, 14, 50).astimezone()
OVER = datetime(2026, 11, 27, 2, 20).astimezone()
TIMES = "2026-11-27T02:14:50|2026-11-27T02:20:00"


def test_what_squeue_says():
    """One task a line. What is no such line is passed over."""
    text = f"""1|3|CANCELLED|15|0|{TIMES}
1|2|FAILED|9|1|{TIMES}
2|N/A|PENDING|0|0|2026-11-27T03:14:48|NONE
slurm_load_jobs error: Invalid job id specified
"""
    *ended, waiting = queued_tasks(text)
    assert ended == [
        TaskState("1", "3", "CANCELLED", 15, 0, BEGAN, OVER),
        TaskState("1", "2", "FAILED", 9, 1, BEGAN, OVER),
    ]
    assert (waiting.job, waiting.task, waiting.state, waiting.over) == ("2", None, "PENDING", None)


def test_what_sacct_says():
    """Tasks that have yet to begin stand together; who has cancelled is said too."""
    text = f"""7_1|OUT_OF_MEMORY|0:125|{TIMES}
7_2|CANCELLED by 1000|0:15|{TIMES}
7_[3,5-9:2%4]|PENDING|0:0|Unknown|Unknown
8|COMPLETED+|0:0|{TIMES}
9|FAILED|137:0|{TIMES}
"""
    states = list(accounted_tasks(text))
    assert [(state.job, state.task, state.state, state.status) for state in states] == [
        ("7", "1", "OUT_OF_MEMORY", 125),
        ("7", "2", "CANCELLED", 15),
        *(("7", task, "PENDING", 0) for task in ("3", "5", "7", "9")),
        ("8", None, "COMPLETED", 0),
        ("9", None, "FAILED", 137 << 8),
    ]
    assert states[-1].said() == "FAILED, by signal 9"
    assert [state.killed for state in states] == [True, True, False, False, False, False, False, True]


@pytest.fixture
def slurms_commands(tmp_path, monkeypatch):
    """To have commands of Slurm's that say what a test wants them to."""

    def make(**scripts):
        for name, script in scripts.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
            (tmp_path / name).chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return make


def test_what_the_controller_has_forgotten_the_accounts_know(slurms_commands, tmp_path):
    """They are asked about that alone, and only numbers are asked about."""
    slurms_commands(
        squeue=f'echo "$@" >> {tmp_path}/asked; echo "1|3|RUNNING|0|0|{TIMES}"',
        sacct=f'echo "$@" >> {tmp_path}/asked; echo "2_1|TIMEOUT|0:0|{TIMES}"',
    )
    states = ask_slurm(["2", "1", "x; rm", ""])
    assert [(state.job, state.task, state.state) for state in states] == [("1", "3", "RUNNING"), ("2", "1", "TIMEOUT")]
    asked = (tmp_path / "asked").read_text().splitlines()
    assert [line.rpartition(" ")[2] for line in asked] == ["--jobs=1,2", "--jobs=2"]


@pytest.mark.parametrize("script", ["exit 1", "echo nonsense", "printf '\\377|||||||'", "exec sleep 60"])
def test_who_says_nothing_is_not_waited_for(slurms_commands, script):
    """Nor believed."""
    slurms_commands(squeue=script, sacct=script)
    assert ask_slurm(["1"], timeout_s=0.1) == []


def test_a_reader_waits_for_nobody(slurms_commands):
    """The answer comes when it comes; until then it is not known."""
    slurms_commands(squeue=f'sleep 0.3; echo "1|3|RUNNING|0|0|{TIMES}"')
    jobs = Jobs()
    where = {"scheduler": "slurm", "job": "1", "array_task": "3"}
    jobs.see(where)
    jobs.look()
    assert jobs.state(where) is None
    assert jobs.silent
    jobs.look(wait_s=30.0)
    assert (jobs.state(where).state, jobs.silent, dict(jobs.counts())) == ("RUNNING", False, {"RUNNING": 1})
    assert jobs.state({"scheduler": "pbs", "job": "1", "array_task": "3"}) is None


def test_the_controller_is_not_asked_again_and_again():
    """Nor about what is over, nor where there is none; the longer an answer takes, the less often."""
    now, asked = [0.0], []

    def ask(jobs):
        asked.append(sorted(jobs))
        now[0] += 2.0
        return [TaskState(job, None, "COMPLETED" if job == "1" else "RUNNING") for job in jobs]

    jobs = Jobs(ask, lambda: True, lambda: now[0])
    for job in ("1", "2"):
        jobs.see({"scheduler": "slurm", "job": job})
    for at in (0.0, 20.0, 41.0, 43.0, 85.0):
        now[0] = max(now[0], at)
        jobs.look(wait_s=30.0)
    assert asked == [["1", "2"], ["2"], ["2"]]
    nobody = Jobs(ask, lambda: False, lambda: now[0])
    nobody.see({"scheduler": "slurm", "job": "9"})
    nobody.look(wait_s=30.0)
    assert (len(asked), nobody.silent) == (3, False)


def test_numbers_of_jobs_come_again():
    """What was there before the task began, or after it was over, is of another one."""
    state = TaskState("1", None, "TIMEOUT", began=BEGAN, over=OVER)
    at = {"before": BEGAN - timedelta(hours=1), "within": BEGAN, "after": OVER + timedelta(hours=1)}
    assert {name: state.may_have_been_there(time) for name, time in at.items()} == {
        "before": False,
        "within": True,
        "after": False,
    }
