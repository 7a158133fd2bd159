"""What the live view says of many runs: which is lost, which is behind, what their tasks are in and will still take."""

import io
from datetime import UTC, timedelta

from rich.console import Console

from soltrace.reading.live.view import LiveView
from soltrace.reading.runs.jobs import Jobs
from soltrace.reading.runs.lost import RunJudge
from soltrace.reading.runs.run_watch import RunWatch
from soltrace.reading.runs.slurm import TaskState
from soltrace.wire.records import RunHeartbeat

JOB = {"scheduler": "slurm", "job": "77", "host": "elsewhere", "pid": 1}


def test_an_array_of_which_one_task_is_lost_and_one_is_behind(logs):
    """A line says so once it is known; the row of its pass, and the last one, as long as it is so."""
    now, one = [0.0], logs("one")
    at = lambda seconds: one.start + timedelta(seconds=seconds)
    states = [
        TaskState("77", "1", "RUNNING", 0, 0, at(0)),
        TaskState("77", "2", "OUT_OF_MEMORY", 0, 0, at(0), at(8)),
        TaskState("77", "3", "RUNNING", 0, 0, at(0)),
        TaskState("77", "4", "RUNNING", 0, 0, at(0)),
        TaskState("77", "5", "COMPLETED", 0, 0, at(-100), at(0)),
        *(TaskState("77", str(task), "PENDING") for task in range(6, 12)),
    ]
    jobs = Jobs(lambda _: states, lambda: True, lambda: now[0])
    watch = RunWatch(RunJudge(jobs=jobs), jobs, monotonic=lambda: now[0], now=lambda: at(now[0]))
    out = io.StringIO()
    console = Console(file=out, width=200, height=20, force_terminal=True, color_system=None, legacy_windows=False)
    view = LiveView(console, zone=UTC, watch=watch, now=lambda: at(now[0]), monotonic=lambda: now[0])
    with view:
        for task, share in enumerate((0.5, 0.25, 0.125, 0.5), 1):
            log = logs(f"run-{task}", "fit", one.start)
            opened = log.opened(0, **JOB, array_task=str(task))
            view.feed([opened, log.started(0), log.progress(8, progress=share, step=5)])
        jobs.look(wait_s=30.0)
        now[0] = 10.0
        out.truncate(0)
        view.refresh(force=True)
    lines = [line.strip() for line in out.getvalue().replace("\r", "\n").splitlines()]
    lost = "✗ 03:24:37  task 2 was heard of last, and is lost: Slurm says OUT_OF_MEMORY; 1 pass open"
    assert [line for line in lines if " task 2 was" in line][-1].endswith(lost)
    assert any(line.split()[1:3] == ["task", "2"] and line.endswith("lost 0:02") for line in lines)
    behind = "task 3 is at 12.5 %, the median at 50.0 %"
    tasks = "tasks: 3 running, 6 pending, 1 completed, 1 killed"
    assert f"3 passes open in 4 runs · 0 ended · 1 run lost · {behind} · {tasks} · all in about 4 min 50 s" in lines


def test_runs_that_compile_are_counted(log):
    """Until they say anything else."""
    console = Console(file=io.StringIO(), width=120, height=20, force_terminal=True, color_system=None)
    view = LiveView(console, zone=UTC, now=lambda: log.start, monotonic=lambda: 0.0)
    beat = RunHeartbeat(
        timestamp=log.start, run_id="r1", experiment="fit", attributes={}, silent_s=30, doing="compiling"
    )
    with view:
        view.feed([log.started(0), log.ended(1), beat])
        view.refresh(force=True)
        assert "1 compiling" in console.file.getvalue()
        console.file.truncate(0)
        view.feed([log.started(2)])
        view.refresh(force=True)
        assert "compiling" not in console.file.getvalue()
