"""The page *A pass*: one solve, with its forward pass and its backward passes; its steps and its lanes."""

from typing import Final

from grafana_foundation_sdk.builders import dashboard as d
from grafana_foundation_sdk.builders import gauge
from grafana_foundation_sdk.models.dashboard import Dashboard

from generator.ask import SOLVE, largest, step_sizes, trace
from generator.choose import EXPERIMENTS, ITS_TRACE, ONE_SOLVE, PHASES, Panels, page
from generator.show import chart, colours, last, panel, table_of_lines, text

REPORTS: Final = f'{SOLVE} event_name:in("pass.progress", "pass.heartbeat", "pass.ended") !"soltrace.batch_index":*'
"""Lines about a pass as a whole, and not about a lane of it."""
BEATS: Final = f'{SOLVE} event_name:="pass.heartbeat"'
BATCH: Final = f'{SOLVE} event_name:in("pass.progress", "pass.ended") "soltrace.lanes.total":*'
LANE: Final = f'{SOLVE} event_name:in("pass.progress", "lane.ended") "soltrace.batch_index":*'


def one_pass() -> Dashboard:
    """Make the page."""
    return page(
        "soltrace-pass",
        "soltrace: a pass",
        "One solve: how far its forward pass and its backward passes are, what its steps and its lanes do.",
        [EXPERIMENTS, PHASES, ONE_SOLVE, ITS_TRACE],
        {
            "How far": how_far(),
            "What was asked, and how it ended": asked_and_ended(),
            "What went wrong": wrong(),
            "Steps": steps(),
            "Lanes of a batch": lanes(),
            "Trace and log": told(),
        },
    )


def how_far() -> Panels:
    """Forward and backward, each from 0 to 1."""
    return [
        panel(
            gauge.Panel,
            "How far",
            "Of each pass, at its last report. A solve that an event stopped ends where it stopped, below 100 %.",
            largest(REPORTS, {"progress": "progress"}),
            unit="percentunit",
            width=6,
        )
        .min(0)
        .max(1)
        .thresholds(colours("blue"))
        .reduce_options(last()),
        chart(
            "Progress",
            "A forward pass runs from 0 to 1, and so does each backward pass. Of a batch: the slowest lane.",
            largest(REPORTS, {"progress": "progress"}),
            unit="percentunit",
            width=9,
        )
        .min(0)
        .max(1),
        chart(
            "t",
            "The solve's own time: a forward pass goes from t0 to t1, a backward one returns. How steep it is says how "
            "long its steps are, times how many it takes a second.",
            largest(REPORTS, {"t": "t"}),
            unit="none",
            width=9,
        ),
    ]


def asked_and_ended() -> Panels:
    """The first and the last line of each pass."""
    return [
        table_of_lines(
            "What was asked",
            "Each pass of the solve as it began.",
            f'{SOLVE} event_name:="pass.started"',
            "experiment.name phase solver adjoint controller rtol atol t0 t1 max_steps batch_shape",
        ),
        table_of_lines(
            "How it ended",
            "Each pass of the solve that is over. A pass that is missing here is open.",
            f'{SOLVE} event_name:="pass.ended"',
            "phase status result progress t duration_s steps.accepted steps.rejected steps.recomputed trace_id",
        ),
    ]


def wrong() -> Panels:
    """The verdict, and the first value that was not finite."""
    return [
        table_of_lines(
            "Why, and what to try",
            "The verdict on each pass with which something is wrong. Empty where all is in order.",
            f'{SOLVE} event_name:="pass.ended" "soltrace.verdict.kind":*',
            "phase verdict.kind verdict.text verdict.advice",
        ),
        table_of_lines(
            "The first value that was not finite",
            "One row a lane: where in the pytree, in what, in which step, and what was there when the step began. "
            "Asked for with watch='nonfinite'.",
            f'{SOLVE} event_name:="lane.nonfinite"',
            "phase batch_index nonfinite.path nonfinite.found_in nonfinite.stage nonfinite.value nonfinite.before "
            "nonfinite.step nonfinite.t nonfinite.dt",
        ),
    ]


def steps() -> Panels:
    """What the steps do, and whether they come."""
    return [
        chart(
            "Step size",
            "How far an attempted step gets on average, from the first to the last report of each interval; of a "
            "batch, of its slowest lane. To see each step: detail='steps' records them in the JSON log, from which "
            "soltrace report and soltrace tail draw them; their columns are nothing for a store of log lines.",
            step_sizes(REPORTS),
            unit="none",
        ),
        chart(
            "Steps so far",
            "Attempted by the slowest lane; accepted and rejected by all lanes together. Of a backward pass, all but "
            "attempted are known when it is over.",
            largest(
                REPORTS,
                {
                    "attempted": "step",
                    "accepted": "steps.accepted",
                    "rejected": "steps.rejected",
                    "recomputed": "steps.recomputed",
                },
            ),
            unit="short",
        ),
        chart(
            "Silence and time remaining",
            "From heartbeats, which a pass has once it has been open for some seconds. Silence that grows is a stall.",
            largest(BEATS, {"silent": "silent_s", "remaining": "eta_s"}),
            unit="s",
            width=8,
        ),
        chart(
            "Memory",
            "Of the whole process, at each heartbeat: what is in memory, and what jax has allocated on its devices.",
            largest(BEATS, {"process": "usage.memory_bytes", "devices": "usage.device_memory_bytes"}),
            unit="bytes",
            width=8,
        ).min(0),
        chart(
            "Busy",
            "The share that the process kept busy of those that it may use, from one heartbeat to the next; and of its "
            "GPUs, where that is known.",
            largest(BEATS, {"processors": "usage.cpu_utilization", "devices": "usage.device_utilization"}),
            unit="percentunit",
            width=8,
        )
        .min(0)
        .max(1),
    ]


def lanes() -> Panels:
    """What the elements of a vmapped batch do."""
    progress = {"slowest": "progress_min", "median": "progress_median", "fastest": "progress_max"}
    return [
        chart(
            "Progress of the batch",
            "Its slowest, its median and its fastest lane. One slow lane holds all the others up.",
            largest(BATCH, {name: f"lanes.{field}" for name, field in progress.items()}),
            unit="percentunit",
            width=8,
        )
        .min(0)
        .max(1),
        chart(
            "Lanes",
            "How many there are, how many have finished, and how many have failed.",
            largest(BATCH, {name: f"lanes.{name}" for name in ("total", "finished", "failed")}),
            unit="none",
            width=8,
        ).min(0),
        chart(
            "Progress of each lane",
            "By batch index, outermost vmap first. Of a large batch: the slowest and the failing lanes.",
            largest(LANE, {"progress": "progress"}, by="pass_id batch_index"),
            unit="percentunit",
            width=8,
        )
        .min(0)
        .max(1),
        table_of_lines(
            "Lanes that ended",
            "With the result of each. Of a large batch: the slowest and the failing lanes.",
            f'{SOLVE} event_name:="lane.ended"',
            "phase batch_index status result progress t step",
        ),
    ]


def told() -> Panels:
    """All there is about this solve."""
    return [
        panel(
            d.Panel, "Trace", "The experiment's trace: its passes beside each other.", trace(), width=24, tall=12
        ).type("traces"),
        text("Log", "Every line about this solve, the last first.", SOLVE),
    ]
