"""The page *Experiments*: which run, how far they are, how long still; what has stalled, and what has failed."""

from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.models.dashboard import Dashboard

from generator import ask
from generator.ask import CHOSEN, EXPERIMENT, FAILED, GROUP, PASSES, counted, grown, of_open, over_time, traces
from generator.choose import EXPERIMENTS, PHASES, SERVICE, Panels, page
from generator.show import bars, chart, colours, column, number, panel, table_of_lines, table_of_metrics

LEGEND = "{{soltrace_experiment_name}} {{soltrace_phase}} {{soltrace_solver}}"


def experiments() -> Dashboard:
    """Make the page."""
    return page(
        "soltrace-experiments",
        "soltrace: experiments",
        "Which experiments run, how far they are, how long they will take; what has stalled, and what has failed.",
        [SERVICE, EXPERIMENTS, PHASES],
        {"Now": now(), "What runs": running(), "What has ended": ended(), "What went wrong": wrong()},
    )


def now() -> Panels:
    """Numbers at a glance."""
    return [
        number("Running", "Passes that are open.", f"sum(soltrace_passes_active{{{CHOSEN}}})", "none"),
        number(
            "Stalled",
            "Open passes that have been silent for ten times as long as is usual for them.",
            f"sum({of_open('soltrace_passes_stalled')}) or vector(0)",
            "none",
            bad_from=1,
        ),
        number(
            "Longest remaining",
            "Until the open pass that takes longest is over, if it goes on as so far.",
            f"max({of_open('soltrace_pass_eta_seconds')})",
            "s",
        ),
        number("Ended", "Passes that ended, well or not.", grown("soltrace_pass_duration_seconds_count"), "short"),
        number(
            "Failed",
            "Passes that ended in an error: out of steps, not finite, abandoned.",
            f"{grown('soltrace_pass_duration_seconds_count', where=FAILED)} or vector(0)",
            "short",
            bad_from=1,
        ),
        number(
            "Lanes that failed",
            "Elements of vmapped batches that ended in an error; a single solve counts as one.",
            f"{grown('soltrace_lanes_total', where=FAILED)} or vector(0)",
            "short",
            bad_from=1,
        ),
    ]


def running() -> Panels:
    """What each process is doing."""
    return [
        open_passes(),
        chart(
            "Progress",
            "Of the open pass of each group that is least far. A line that goes flat is a solve that is stuck.",
            over_time(f"min by ({GROUP}) ({of_open('soltrace_pass_progress_ratio')})", LEGEND),
            unit="percentunit",
        )
        .min(0)
        .max(1),
        chart(
            "Time remaining",
            "Of the open pass of each group that takes longest. A line that rises is a solve that slows down.",
            over_time(f"max by ({GROUP}) ({of_open('soltrace_pass_eta_seconds')})", LEGEND),
            unit="s",
        ).min(0),
    ]


def open_passes() -> table.Panel:
    """A row for each process, experiment, phase and solver."""
    by = f"{GROUP}, instance"
    shown = table_of_metrics(
        "Open passes",
        "What each process (instance) is doing. Progress is of the pass that is least far, remaining of the one that "
        "takes longest; lanes are those that have not ended. An experiment's name leads to its last solve.",
        by,
        {
            "running": (f"sum by ({by}) (soltrace_passes_active{{{CHOSEN}}}) > 0", "none"),
            "stalled": (f"sum by ({by}) ({of_open('soltrace_passes_stalled')})", "none"),
            "lanes": (f"sum by ({by}) ({of_open('soltrace_lanes_active')})", "none"),
            "progress": (f"min by ({by}) ({of_open('soltrace_pass_progress_ratio')})", "percentunit"),
            "remaining": (f"max by ({by}) ({of_open('soltrace_pass_eta_seconds')})", "s"),
        },
    )
    column(shown, "progress", **{"custom.cellOptions": {"type": "gauge", "mode": "basic"}}, min=0, max=1)
    red = colours("text", (1, "red")).build()
    return column(shown, "stalled", **{"custom.cellOptions": {"type": "color-text"}}, thresholds=red)


def ended() -> Panels:
    """What is over."""
    return [
        chart(
            "Passes that ended",
            "Counted from the log, where runs are seen that are too short for metrics.",
            counted(
                f'{PASSES} event_name:="pass.ended"',
                "count() as passes",
                '"soltrace.phase", "soltrace.status"',
                "{{soltrace.phase}} {{soltrace.status}}",
            ),
            unit="short",
        ),
        table_of_lines(
            "Experiments that ended",
            "Each `with soltrace.experiment(...)` that was left, and the exception that it was left with.",
            f'{EXPERIMENT} event_name:="experiment.ended"',
            "experiment.name status duration_s error trace_id",
            width=12,
        ),
    ]


def wrong() -> Panels:
    """What failed or stalled, and where to look."""
    return [
        table_of_lines(
            "Passes that failed",
            "Why (result), and how far they came. The solve's id leads to the solve, the trace's id to the trace.",
            f'{PASSES} event_name:="pass.ended" "soltrace.status":="error"',
            "experiment.name phase result progress t step duration_s solve_id trace_id",
        ),
        bars(
            "What is wrong",
            "Passes by the verdict on their last line: stiff, not finite, a step limit, a bad lane, and so on.",
            ask.now(grown("soltrace_pass_verdicts_total", "soltrace_verdict_kind"), "{{soltrace_verdict_kind}}"),
            unit="short",
            width=12,
        ),
        table_of_lines(
            "The first value that was not finite",
            "One row a lane: where in the pytree, and in what. Asked for with watch='nonfinite'.",
            f'{PASSES} event_name:="lane.nonfinite"',
            "experiment.name phase nonfinite.path nonfinite.found_in nonfinite.value nonfinite.t solve_id",
            width=12,
        ),
        table_of_lines(
            "Why, and what to try",
            "What is wrong with passes, in words. The command soltrace explain says the same with its evidence.",
            f'{PASSES} event_name:="pass.ended" "soltrace.verdict.kind":*',
            "experiment.name phase verdict.kind verdict.text verdict.advice duration_s solve_id trace_id",
        ),
        table_of_lines(
            "Passes that stalled",
            "By the last heartbeat that said so: silent for ten times as long as is usual. It may have gone on.",
            f'{PASSES} event_name:="pass.heartbeat" "soltrace.stalled":="true"'
            ' | last 1 by (_time) partition by ("soltrace.pass_id")',
            "experiment.name phase progress silent_s open_s solve_id",
        ),
        panel(
            table.Panel,
            "Traces",
            "The last traces of the chosen service: one for each experiment, and all of its passes are in it.",
            traces(),
            width=24,
        ),
    ]
