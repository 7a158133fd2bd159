"""The page *Runs*: the processes of a job. Which run, ended, failed or are lost, and which one holds the others up."""

from typing import Final

from grafana_foundation_sdk.models.dashboard import Dashboard

from generator.ask import EXPERIMENT, of_open, over_time
from generator.choose import EXPERIMENTS, PHASES, Panels, page
from generator.show import chart, table_of_lines

SILENT_S: Final = 180
"""So long a run may be silent that has not ended: between its passes it is heard of every half minute."""
_STATES: Final = (
    ("errors:>0", "failed"),
    ("cut:>0", "interrupted"),
    ("over:=0 open:>0", "running"),
    (f'over:=0 open:>0 "soltrace.silent_s":>{SILENT_S}', "lost"),
    ("again:>0", "replaced"),
)
"""What a run is in; the last that is true counts."""
_WHERE: Final = ("host", "job", "array_task", "rank", "restart")
SAME: Final = "soltrace_experiment_name, soltrace_phase"
"""What runs have in common that can be compared."""


def runs() -> Dashboard:
    """Make the page."""
    return page(
        "soltrace-runs",
        "soltrace: runs",
        "The processes of a job: which run, have ended, failed, or are lost; and which one holds the others up.",
        [EXPERIMENTS, PHASES],
        {"How many": how_many(), "Each of them": each()},
    )


def stated() -> str:
    """Ask for a row for each run that has told something of the chosen experiments, with the state that it is in."""
    chosen = f'"soltrace.run_id":in({EXPERIMENT} "soltrace.run_id":* | fields "soltrace.run_id")'
    ends = 'event_name:in("pass.ended", "experiment.ended", "run.ended")'
    own_span = 'event_name:="log.opened" span_id:* "soltrace.part":""'  # such a run says at its end that it has ended
    counted = {
        "over": 'event_name:="run.ended"',
        "begun": f'event_name:in("pass.started", "experiment.started") or {own_span}',
        "finished": 'event_name:in("pass.ended", "experiment.ended", "run.ended")',
        "errors": f'{ends} "soltrace.status":="error"',
        "cut": '"soltrace.result":="interrupted" or "soltrace.error":~"^(SIG|InterruptedError|KeyboardInterrupt)"',
        '"soltrace.passes"': 'event_name:="pass.ended"',
        '"soltrace.failed"': 'event_name:="pass.ended" "soltrace.status":="error"',
    }
    counts = [f"count() if ({filtered}) as {name}" for name, filtered in counted.items()]
    facts = [f'max("soltrace.resource.{fact}") as "soltrace.{fact}"' for fact in _WHERE]
    continued = (
        'event_name:="log.opened" "soltrace.continues":* | stats by ("soltrace.continues") count() as again'
        ' | rename "soltrace.continues" as "soltrace.run_id"'
    )
    states = [f'format if ({filtered}) "{state}" as "soltrace.state"' for filtered, state in _STATES]
    pipes = [
        f'stats by ("soltrace.run_id") {", ".join([*counts, *facts, "max(_time) as _time"])}',
        f'join by ("soltrace.run_id") ({continued})',
        'math begun - finished as open, round((now() - _time) / 1e9) as "soltrace.silent_s"',
        'format "ended" as "soltrace.state"',
        *states,
    ]
    return " | ".join([chosen, *pipes])


def how_many() -> Panels:
    """By their states; and the one that is behind."""
    by_run = f"min by (instance, {SAME}) ({of_open('soltrace_pass_progress_ratio')})"
    return [
        table_of_lines(
            "Runs by state",
            "Running: something of it is open, or in a scheduler's job its log has no end yet. Interrupted: by a "
            "signal. Lost: the same, and silent for three minutes. "
            "Replaced: its scheduler has run it again.",
            f'{stated()} | stats by ("soltrace.state") count() as "soltrace.runs", max(_time) as _time',
            "state runs",
            width=8,
        ),
        chart(
            "The slowest against the median",
            "Progress of the open passes of runs that do the same, by experiment and phase: the median, and the run "
            "that is furthest behind. A gap that widens is a rank that the others wait for.",
            over_time(
                f"quantile by ({SAME}) (0.5, {by_run})", "median: {{soltrace_experiment_name}} {{soltrace_phase}}"
            ),
            over_time(f"bottomk by ({SAME}) (1, {by_run})", "slowest: {{instance}} {{soltrace_phase}}"),
            unit="percentunit",
            width=16,
        )
        .min(0)
        .max(1),
    ]


def each() -> Panels:
    """Where they live, and what they have done."""
    fields = "state array_task rank restart passes failed silent_s host job run_id"
    return [
        table_of_lines(
            "Lost runs",
            "They have stopped without a word: killed, out of memory, or their machine is gone. The time is when they "
            "were last heard of.",
            f'{stated()} | filter "soltrace.state":="lost"',
            fields.removeprefix("state "),
        ),
        table_of_lines(
            "Runs",
            "Each process that has told something in this time, with what its scheduler calls it.",
            f"{stated()} | sort by (_time) desc",
            fields,
        ),
    ]
