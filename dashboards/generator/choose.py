"""What can be chosen at the top of a page, and the page itself."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from grafana_foundation_sdk.builders import dashboard as d
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard
from grafana_foundation_sdk.models.dashboard import DataSourceRef, VariableOption, VariableRefresh, VariableSort

from generator.ask import LOGS, METRICS, PASSES, SOLVE, TRACES

TAG: Final = "soltrace"
"""The pages with this tag link to each other."""

Variable: TypeAlias = Builder[dashboard.VariableModel]
Panels: TypeAlias = Sequence[Builder[dashboard.Panel]]


def source(name: str, label: str, reference: DataSourceRef, uid: str) -> d.DatasourceVariable:
    """Make a data source a choice; first the one that docker-compose.yml sets up, where there is one of that uid."""
    chosen = VariableOption(selected=True, text=label, value=uid)
    return d.DatasourceVariable(name).label(label).type(str(reference.type_val)).current(chosen)


def labels(name: str, label: str, about: str, query: str) -> d.QueryVariable:
    """Choose from the values of a label of Prometheus."""
    asked = d.QueryVariable(name).label(label).description(about).datasource(METRICS)
    return asked.query(query).refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)


def some(variable: d.QueryVariable) -> d.QueryVariable:
    """Allow all of them, or any number."""
    variable.current(VariableOption(selected=True, text="All", value="$__all"))
    return variable.multi(multi=True).include_all(include_all=True).all_value(".*")


def values(name: str, label: str, about: str, query: str, field: str) -> d.QueryVariable:
    """Choose from the values of a field of VictoriaLogs, the last one first."""
    asked = d.QueryVariable(name).label(label).description(about).datasource(LOGS)
    asked.query({"refId": name, "type": "fieldValue", "query": query, "field": field, "limit": 1000})
    return asked.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(VariableSort.NATURAL_DESC)


SERVICE: Final = labels(
    "service",
    "Service",
    "OpenTelemetry's `service.name`. Jaeger finds no trace without one.",
    "label_values(soltrace_events_emitted_total, job)",
)
EXPERIMENTS: Final = some(
    labels(
        "experiment",
        "Experiment",
        "Names of open experiments, outermost first, joined by `/`.",
        "label_values(soltrace_passes_active, soltrace_experiment_name)",
    )
)
PHASES: Final = some(
    labels("phase", "Phase", "Forward or backward passes.", "label_values(soltrace_passes_active, soltrace_phase)")
)
ONE_SOLVE: Final = values(
    "solve", "Solve", "One solve, the last first.", f'{PASSES} event_name:="pass.started"', "soltrace.solve_id"
)
ITS_TRACE: Final = values("trace", "Trace", "The trace that the solve is part of.", SOLVE, "trace_id")
SOURCES: Final = (
    source("prometheus", "Metrics", METRICS, "prometheus"),
    source("logs", "Logs", LOGS, "victorialogs"),
    source("traces", "Traces", TRACES, "jaeger"),
)


def page(
    uid: str, title: str, about: str, variables: Sequence[Variable], sections: Mapping[str, Panels]
) -> dashboard.Dashboard:
    """Put sections below each other, and in each its panels from left to right."""
    made = d.Dashboard(title).uid(uid).description(about).tags([TAG]).editable().time("now-1h", "now").refresh("10s")
    made.timepicker(d.TimePicker().refresh_intervals(["5s", "10s", "30s", "1m", "5m"]))
    made.tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
    others = d.DashboardLink(TAG).type(dashboard.DashboardLinkType.DASHBOARDS).tags([TAG])
    made.link(others.include_vars(include_vars=True).keep_time(keep_time=True))
    for variable in (*variables, *SOURCES):
        made.with_variable(variable)
    for name, panels in sections.items():
        made.with_row(d.Row(name))
        for shown in panels:
            made.with_panel(shown)
    built = made.build()
    for place, shown in enumerate(built.panels or [], 1):
        shown.id_val = place
    return built
