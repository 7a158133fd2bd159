"""How to ask: PromQL of Prometheus, LogsQL of VictoriaLogs, a search of Jaeger.

The names of metrics and fields are those of `soltrace/wire/names.py`, as these servers write them.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias

from grafana_foundation_sdk.builders import prometheus as prom
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import prometheus
from grafana_foundation_sdk.models.dashboard import DataSourceRef

# Each data source is a variable of the dashboards, so that they work in a Grafana that calls its own otherwise: it
# takes the first of that type, and another can be chosen.
METRICS: Final = DataSourceRef("prometheus", "${prometheus}")
LOGS: Final = DataSourceRef("victoriametrics-logs-datasource", "${logs}")
TRACES: Final = DataSourceRef("jaeger", "${traces}")

# What is chosen at the top of the page: of metrics; of lines of an experiment, of its passes, of one solve.
CHOSEN: Final = 'soltrace_experiment_name=~"$experiment", soltrace_phase=~"$phase"'
FAILED: Final = f'{CHOSEN}, soltrace_status="error"'
EXPERIMENT: Final = '"soltrace.experiment.name":in($experiment)'
PASSES: Final = f'{EXPERIMENT} "soltrace.phase":in($phase)'
SOLVE: Final = '"soltrace.solve_id":in($solve) "soltrace.phase":in($phase)'

EDGES: Final = ("min", "max")
GROUP: Final = "soltrace_experiment_name, soltrace_phase, soltrace_solver"


class Query(Dataquery, Builder[Dataquery]):
    """A query to a data source for which the SDK has no class."""

    def __init__(self, source: DataSourceRef, **fields: object) -> None:
        """Keep it as Grafana does."""
        self.datasource = source
        self._fields: dict[str, object] = {"datasource": source, **fields}

    def ref_id(self, letter: str) -> "Query":
        """Name it within its panel."""
        self._fields["refId"] = letter
        return self

    def build(self) -> "Query":
        """Give itself."""
        return self

    def to_json(self) -> Mapping[str, object]:
        """Give what is written."""
        return self._fields


Target: TypeAlias = prom.Dataquery | Query


def over_time(expression: str, legend: str = "", *, exemplars: bool = False) -> prom.Dataquery:
    """Ask Prometheus for numbers over time."""
    query = prom.Dataquery().expr(expression).range().datasource(METRICS)
    return query.legend_format(legend).exemplar(exemplars)


def now(expression: str, legend: str = "") -> prom.Dataquery:
    """Ask Prometheus for the numbers at the end of the time range."""
    return prom.Dataquery().expr(expression).instant().datasource(METRICS).legend_format(legend)


def rows(expression: str) -> prom.Dataquery:
    """Ask Prometheus for the same, as rows of a table."""
    return now(expression).format(prometheus.PromQueryFormat.TABLE)


def grown(metric: str, by: str = "", *, where: str = CHOSEN, within: str = "$__range") -> str:
    """Say how much a counter grew in the time range.

    Not `increase`: to it, what a series begins with was there before, so a run that exports once did nothing. A process
    is a series of its own (its `instance`), and so none falls back to zero.
    """
    series = f"{metric}{{{where}}}" if where else metric
    last = f"last_over_time({series}[{within}])"
    return f"sum{f' by ({by}) ' if by else ''}({last} - ({series} offset {within} or {last} * 0))"


def per_second(metric: str, by: str = "", *, where: str = CHOSEN) -> str:
    """Say how fast a counter grows. Not `rate`, as above."""
    return f"{grown(metric, by, where=where, within='$__rate_interval')} / ($__rate_interval_ms / 1000)"


def of_open(metric: str) -> str:
    """Take a gauge only while a pass is open: Prometheus shows the last value of one that has gone for five minutes."""
    return f"{metric}{{{CHOSEN}}} and soltrace_passes_active > 0"


def lines(query: str) -> Query:
    """Ask VictoriaLogs for lines."""
    return Query(LOGS, queryType="instant", editorMode="code", expr=query, maxLines=500)


def counted(query: str, statistics: str, by: str, legend: str) -> Query:
    """Ask VictoriaLogs for numbers over time, from what lines say: `statistics` as LogsQL's `stats` pipe takes them."""
    expression = f"{query} | stats by ({by}) {statistics}"
    return Query(LOGS, queryType="statsRange", editorMode="code", expr=expression, legendFormat=legend)


def largest(query: str, fields: Mapping[str, str], *, by: str = "pass_id") -> Query:
    """Ask for the largest value of some fields in each interval, `{name: field}`, pass by pass (or finer).

    Not by phase: a solve may have several backward passes, and each begins at 0.
    """
    groups = by.split()
    statistics = ", ".join(f'max("soltrace.{field}") as {name}' for name, field in fields.items())
    legend = [f"{{{{soltrace.{group}}}}}" for group in groups] + ["{{__name__}}"] * (len(fields) > 1)
    return counted(query, statistics, ", ".join(f'"soltrace.{group}"' for group in groups), " ".join(legend))


def step_sizes(query: str) -> Query:
    """Ask how far a step got on average in each interval, pass by pass: by its first and its last report there."""
    statistics = ", ".join(f'{edge}("soltrace.{field}") as {field}_{edge}' for field in ("t", "step") for edge in EDGES)
    pipes = (
        f'{query} | stats by ("soltrace.pass_id") {statistics}',
        "math (t_max - t_min) / (step_max - step_min) as dt",
        'fields _time, "soltrace.pass_id", dt',
    )
    expression, legend = " | ".join(pipes), "{{soltrace.pass_id}}"
    return Query(LOGS, queryType="statsRange", editorMode="code", expr=expression, legendFormat=legend)


def traces() -> Query:
    """Ask Jaeger for the last traces of the chosen service."""
    return Query(TRACES, queryType="search", service="$service", limit=20)


def trace() -> Query:
    """Ask Jaeger for the chosen trace."""
    return Query(TRACES, query="$trace")
