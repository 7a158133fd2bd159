"""The page *Cost*: where the time goes, and how long passes take."""

from typing import Final

from grafana_foundation_sdk.builders import heatmap, piechart
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.dashboard import Dashboard
from grafana_foundation_sdk.models.piechart import PieChartLegendValues
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from generator.ask import EXPERIMENT, FAILED, GROUP, grown, now, over_time, per_second
from generator.choose import EXPERIMENTS, PHASES, Panels, page
from generator.show import bars, chart, last, number, panel, table_of_lines, table_of_metrics

SECONDS: Final = "soltrace_pass_duration_seconds_sum"
PASSES: Final = "soltrace_pass_duration_seconds_count"
BUCKETS: Final = "soltrace_pass_duration_seconds_bucket"
STEPS: Final = "soltrace_steps_total"
COMPILING: Final = grown("soltrace_compile_duration_seconds_sum", "soltrace_stage", where="")


def cost() -> Dashboard:
    """Make the page."""
    return page(
        "soltrace-cost",
        "soltrace: cost",
        "Where the time goes: forward, backward, recomputation, compilation; and how long passes take.",
        [EXPERIMENTS, PHASES],
        {"In all": in_all(), "Where the time goes": where(), "Over time": with_time()},
    )


def steps(outcome: str, phase: str) -> str:
    """Steps of one outcome, of the forward or the backward passes whatever phase is chosen."""
    chosen = f'soltrace_experiment_name=~"$experiment", soltrace_phase="{phase}", soltrace_outcome="{outcome}"'
    return grown(STEPS, where=chosen)


def in_all() -> Panels:
    """Numbers at a glance."""
    attempted = f"({steps('accepted', 'forward')} + {steps('rejected', 'forward')})"
    return [
        number("In passes", "What passes took, together; they may overlap.", grown(SECONDS), "s"),
        number("In failed passes", "What passes took that failed.", grown(SECONDS, where=FAILED), "s"),
        number(
            "Compiling",
            "How long jax traced, lowered and compiled programs that hold a solve, of whatever experiment.",
            f"sum({COMPILING})",
            "s",
        ),
        number("Steps", "Accepted steps of forward passes, of all lanes.", steps("accepted", "forward"), "short"),
        number(
            "Rejected",
            "Of the steps that forward passes attempted. From a fifth on, the controller fights the problem.",
            f"{steps('rejected', 'forward')} / {attempted}",
            "percentunit",
            bad_from=0.5,
        ),
        number(
            "Recomputed",
            "Forward steps that backward passes ran again, for each step of theirs: what checkpoints cost. With more "
            "of them there is less to run again, and they take memory.",
            f"{steps('recomputed', 'backward')} / {steps('accepted', 'backward')}",
            "none",
        ),
    ]


def where() -> Panels:
    """Shares, and a table."""
    solver = "soltrace_solver, soltrace_phase"
    return [
        panel(
            piechart.Panel,
            "Where the time goes",
            "Forward passes, backward passes (what they recompute is part of them), and the stages of compilation.",
            now(grown(SECONDS, "soltrace_phase"), "{{soltrace_phase}}"),
            now(COMPILING, "compilation: {{soltrace_stage}}"),
            unit="s",
            width=8,
        )
        .reduce_options(last())
        .legend(shares()),
        bars(
            "Time by experiment",
            "What the passes of each experiment took.",
            now(grown(SECONDS, "soltrace_experiment_name"), "{{soltrace_experiment_name}}"),
            unit="s",
        ),
        bars(
            "Time of a step",
            "What passes took, divided by the steps of all their lanes, recomputed ones included.",
            now(f"{grown(SECONDS, solver)} / {grown(STEPS, solver)}", "{{soltrace_solver}} {{soltrace_phase}}"),
            unit="s",
        ),
        table_of_metrics(
            "Duration by experiment and solver",
            "Of the passes that ended. Median and 95 % are estimated from buckets. A name leads to the last solve.",
            GROUP,
            {
                "passes": (grown(PASSES, GROUP), "short"),
                "failed": (grown(PASSES, GROUP, where=FAILED), "short"),
                "in all": (grown(SECONDS, GROUP), "s"),
                "mean": (f"{grown(SECONDS, GROUP)} / {grown(PASSES, GROUP)}", "s"),
                "median": (f"histogram_quantile(0.5, {grown(BUCKETS, f'le, {GROUP}')})", "s"),
                "95 %": (f"histogram_quantile(0.95, {grown(BUCKETS, f'le, {GROUP}')})", "s"),
            },
        ),
    ]


def shares() -> piechart.PieChartLegendOptions:
    """Names, times and percentages, beside the pie."""
    legend = piechart.PieChartLegendOptions().show_legend(show_legend=True).placement(common.LegendPlacement.RIGHT)
    legend.display_mode(common.LegendDisplayMode.TABLE)
    return legend.values([PieChartLegendValues.VALUE, PieChartLegendValues.PERCENT])


def with_time() -> Panels:
    """How it changes."""
    ended = grown(BUCKETS, "le, soltrace_phase", within="$__rate_interval")
    return [
        chart(
            "Duration",
            "Median and 95 % of the passes that ended, by phase. A diamond is one pass, and leads to its trace.",
            over_time(f"histogram_quantile(0.5, {ended})", "{{soltrace_phase}} median"),
            over_time(f"histogram_quantile(0.95, {ended})", "{{soltrace_phase}} 95 %", exemplars=True),
            unit="s",
        ),
        panel(
            heatmap.Panel,
            "How durations are spread",
            "Passes that ended, by how long they took. Two bands are two kinds of problems.",
            over_time(grown(BUCKETS, "le", within="$__rate_interval"), "{{le}}").format(PromQueryFormat.HEATMAP),
            unit="short",
        ).y_axis(heatmap.YAxisConfig().unit("s")),
        chart(
            "Steps per second",
            "Of all lanes, by what became of them.",
            over_time(per_second(STEPS, "soltrace_phase, soltrace_outcome"), "{{soltrace_phase}} {{soltrace_outcome}}"),
            unit="cps",
        ).min(0),
        table_of_lines(
            "Compilations",
            "Programs that were compiled. One that comes again is compiled anew for each new shape or constant.",
            f'{EXPERIMENT} event_name:="program.compiled"',
            "experiment.name function trace_s lower_s compile_s",
            width=12,
        ),
    ]
