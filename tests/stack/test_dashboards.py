"""Every question that a dashboard or an alert asks is asked of the program that will answer it, about real runs.

The runs are made to have everything: a solve that failed, a batch with a lane that failed, backward passes, a pass that
has stalled and is open still, a compilation, a loss, a run that is lost. So nothing that is asked may come back empty.
"""

import json
import re
import threading
import time
import uuid
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from ruamel.yaml import YAML

import soltrace
from soltrace.host import Signal
from soltrace.host.clock import SystemClock
from soltrace.sinks.log_records import OtelLogs
from soltrace.sinks.metrics import Metrics
from soltrace.sinks.spans import Spans
from soltrace.testing import capture
from soltrace.wire.records import (
    ExperimentStarted,
    LaneNonfinite,
    LogOpened,
    PassHeartbeat,
    PassStarted,
    TelemetryDropped,
)
from soltrace.wire.resource import resource
from soltrace.wire.step_fields import Nonfinite
from tests.conftest import Program

DASHBOARDS = Path(__file__).parents[2] / "dashboards"
PAGES = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(DASHBOARDS.glob("grafana/dashboards/*.json"))]
RULES = [rule for group in YAML(typ="safe").load(DASHBOARDS / "alerts.yml")["groups"] for rule in group["rules"]]
HOUR_S = 3600
SILENT_S = 360
"""Longer than Prometheus goes on showing what is told no more."""
QUEUE_SIZE = 64
WITHIN_S = 60
"""The slowest: Prometheus tells of no alert before it has looked three times, every fifteen seconds."""


@pytest.fixture(autouse=True)
def _nothing_is_configured():
    """In place of the one for all tests, which would end the runs of `told` after the first test here."""


class Gate:
    """A sink behind which events pile up while it is shut: a slow disk."""

    def __init__(self):
        self.open = threading.Event()
        self.open.set()

    def handle(self, record):
        self.open.wait()

    def flush(self, timeout_s):
        return True

    def close(self):
        self.open.set()


def wait_for(condition):
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def heartbeats(told):
    """Those so far that say that a pass has stalled."""
    return [record for record in told._sink.records if isinstance(record, PassHeartbeat) and record.stalled]


NOT_FINITE = Nonfinite(step=3, t=0.5, dt=0.1, found_in="vector field", stage=2, path="y[3]", value="NaN", before=1.0)


def of_the_pass(started):
    """What a line of the same pass says, now."""
    common = ("run_id", "experiment", "attributes", "trace_id", "span_id", "solve_id", "pass_id", "phase")
    return {name: getattr(started, name) for name in common} | {"timestamp": datetime.now(UTC), "level": "warning"}


def a_batch(program, told):
    """Three lanes with steps that come quickly; then none for a while; then one lane fails. Gives the pass's handle."""
    handle = program.tell(Signal.FORWARD_START, [[0, 1, 0]] * 3, [[0.0, 1.0, 1, 1e-5, 1e-7]] * 3)[0]
    for step in (1, 2, 3):
        program.tell(Signal.FORWARD_STEP, [[handle, step, step, 0]] * 3, [[step / 10], [0.2], [0.3]])
    wait_for(lambda: heartbeats(told))
    ends = [[handle, 9, 8, 0], [handle, 9, 8, 1], [handle, 7, 7, 0]]
    program.tell(Signal.FORWARD_END, ends, [[1.0], [0.4], [1.0]])
    return handle


def backward(program, forward, *, end):
    """The backward pass of a batch, of which one step is seen. Gives its handle."""
    wanted, handle = program.tell(Signal.BACKWARD_START, [[forward, lane] for lane in range(3)], [[0.0, 0.0]] * 3)
    program.tell(Signal.BACKWARD_STEP, [[2]] * 3, [[left, wanted, handle] for left in (0.75, 0.5, 0.25)])
    if end:
        program.tell(Signal.BACKWARD_END, [[forward]] * 3, [[handle]] * 3)
    return handle


def lose_something(program, gate):
    """A slow disk: reports of progress are dropped."""
    handle = program.start()
    gate.open.clear()
    for step in range(1, 2 * QUEUE_SIZE):
        program.step(handle, step, step, step / 1000)
    gate.open.set()
    program.end(handle)


def lose_a_run(told, experiment):
    """One of a job's, of which nothing has been heard for long."""
    then, job = datetime.now(UTC) - timedelta(minutes=10), {"scheduler": "slurm", "job": "17", "array_task": "3"}
    common = {"timestamp": then, "run_id": f"{experiment}-lost", "attributes": {}}
    where = resource() | job | {"rank": "1", "restart": "2"}
    told.recorder.announce(LogOpened(**common, experiment=None, resource=where))
    told.recorder.announce(ExperimentStarted(**common, experiment=experiment))


@contextmanager
def recording(stack, service):
    """Records that go to the servers as they happen, and metrics each second."""
    named = Resource({"service.name": service, "service.instance.id": f"{service}-1"})
    tracers, loggers = TracerProvider(resource=named), LoggerProvider(resource=named)
    tracers.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{stack.otlp_http}/v1/traces")))
    loggers.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter(f"{stack.otlp_http}/v1/logs")))
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{stack.otlp_http}/v1/metrics"), 1000)
    meters = MeterProvider([reader], named)
    gate = Gate()
    sinks = [Metrics(meters, queue=lambda: (90, 100)), OtelLogs(loggers), gate]
    try:
        with capture(
            sinks=sinks,
            tracing=Spans(tracers),
            clock=SystemClock(),
            heartbeat_s=0.5,
            usage=True,
            queue_size=QUEUE_SIZE,
            run_id=service,
        ) as told:
            yield told, gate
    finally:
        for provider in (meters, loggers, tracers):
            provider.shutdown()


@pytest.fixture(scope="module")
def told(stack):
    """Runs of an experiment that no other test knows; the last one is in the middle of two passes."""
    name, program = f"fit-{uuid.uuid4()}", Program()
    with recording(stack, f"dashboards-{name}") as (told, gate):
        common = {"timestamp": datetime.now(UTC), "run_id": name, "experiment": None, "attributes": {}}
        told.recorder.announce(LogOpened(**common, resource=resource()))
        lost = {"dropped": 512, "what": "span", "reason": "export failed", "level": "warning"}
        told.recorder.announce(TelemetryDropped(**common, **lost))
        lose_a_run(told, name)
        lose_something(program, gate)
        with suppress(ZeroDivisionError), soltrace.experiment(name, seed=3):
            told.recorder.compiled("step", trace_s=0.1, lower_s=0.2, compile_s=0.3)
            program.end(program.start(atol=1e-7), result=1, t=0.4)
            raise ZeroDivisionError
        with soltrace.experiment(name, seed=4):
            batch = a_batch(program, told)
            backward(program, batch, end=True)
            open_pass = backward(program, batch, end=False)
            young = program.start()
            program.step(young, 1, 1, 0.5)  # not stalled, and so it has an estimate of its end: nothing is usual yet
            seen = len(heartbeats(told))
            wait_for(lambda: len(heartbeats(told)) > seen)
            (started, *_) = (r for r in told._sink.records if isinstance(r, PassStarted) and r.batch_shape == [3])
            ids = {"solve": started.solve_id, "trace": started.trace_id}
            beat = next(beat for beat in heartbeats(told) if beat.solve_id == started.solve_id)
            gpu = {"device_memory_bytes": 60 << 30, "device_memory_limit_bytes": 80 << 30, "device_utilization": 0.75}
            on_a_gpu = replace(beat.usage, **gpu)
            told.recorder.announce(replace(beat, timestamp=datetime.now(UTC), usage=on_a_gpu))
            told.recorder.announce(LaneNonfinite(**of_the_pass(started), batch_index=[1], nonfinite=NOT_FINITE))
            yield {"experiment": name, "service": f"dashboards-{name}", **ids}
            program.end(young)
            program.tell(Signal.BACKWARD_END, [[batch]] * 3, [[open_pass]] * 3)


def filled(query, values):
    """A query as Grafana sends it: first what is meant for LogsQL, where a variable stands in `in(...)`."""
    times = {"__rate_interval_ms": "60000", "__rate_interval": "1m", "__range": f"{HOUR_S}s"}
    for variable, value in (times | {"experiment": ".*", "phase": ".*"} | values).items():
        listed = "*" if value == ".*" else json.dumps(value)
        query = query.replace(f"in(${variable})", f"in({listed})").replace(f"${variable}", value)
    assert "$" not in query
    return query


def numbers(result):
    """What Prometheus or VictoriaLogs found: names, and all values that are numbers."""
    for series in json.loads(result)["data"]["result"]:
        for _, value in series.get("values") or [series["value"]]:
            if value not in {"", "NaN"}:
                yield series["metric"], float(value)


def unanswered_by_prometheus(stack, target, values):
    # `or vector(0)` has an answer whatever stands before it: it is the rest that is tried.
    query, end = filled(target["expr"], values).removesuffix(" or vector(0)"), time.time()
    if target["instant"]:
        found = numbers(stack.prometheus.get("/api/v1/query", query=query, time=end))
    else:
        window = {"start": end - HOUR_S, "end": end, "step": 15}
        found = numbers(stack.prometheus.get("/api/v1/query_range", query=query, **window))
    if not list(found):
        return [query]
    return [f"exemplars of {query}"] if target.get("exemplar") and not stack.prometheus.exemplars(query, 0) else []


def unanswered_by_victoria_logs(stack, target, values):
    """Each column and each statistic of a query, for itself."""
    query, end = filled(target["expr"], values), time.time()
    window = {"query": query, "start": int(end - HOUR_S), "end": int(end + 1)}
    if target["queryType"] == "statsRange":
        asked = re.findall(r" as (\w+)", query.rpartition("| math")[2])  # what the others are reckoned into
        result = stack.logs.get("/select/logsql/stats_query_range", **window, step="5s")
        found = {metric["__name__"] for metric, _ in numbers(result)}
    else:
        asked = re.findall('"([^"]+)"', query.partition("| fields _time, ")[2]) or ["_msg"]
        lines = [json.loads(line) for line in stack.logs.get("/select/logsql/query", **window, limit=500).splitlines()]
        found = {name for line in lines for name, value in line.items() if value}
    return [f"{name} of {query}" for name in asked if name not in found]


def unanswered_by_jaeger(stack, target, values):
    if target.get("queryType") == "search":
        return [] if stack.jaeger.traces(values["service"], 0, limit=target["limit"]) else ["the traces of a service"]
    path = f"/api/traces/{filled(target['query'], values)}"
    return [] if json.loads(stack.jaeger.get(path))["data"] else [path]


ASK = {
    "prometheus": unanswered_by_prometheus,
    "victoriametrics-logs-datasource": unanswered_by_victoria_logs,
    "jaeger": unanswered_by_jaeger,
}


def still_unanswered(ask, questions):
    """Those questions that have no answer at the deadline."""
    deadline = time.monotonic() + WITHIN_S
    while True:
        open_questions = {question: missing for question in questions if (missing := ask(*question))}
        if not open_questions or time.monotonic() > deadline:
            return open_questions
        questions = list(open_questions)
        time.sleep(0.5)


@pytest.mark.parametrize("chosen", ["all", "one"])
@pytest.mark.parametrize("page", PAGES, ids=[page["uid"] for page in PAGES])
def test_every_panel_shows_something(stack, told, page, chosen):
    """Each query, column and statistic; of all experiments, and of the one that is chosen."""
    values = told if chosen == "one" else {name: value for name, value in told.items() if name != "experiment"}
    targets = {
        (panel["title"], target["refId"]): target for panel in page["panels"] for target in panel.get("targets", [])
    }
    ask = lambda *question: ASK[targets[question]["datasource"]["type"]](stack, targets[question], values)
    assert still_unanswered(ask, list(targets)) == {}


def test_every_variable_has_values(stack, told):
    """What can be chosen at the top of the pages is what there is."""

    def ask(query):
        if query.startswith("label_values("):
            metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", query).groups()
            asked = {"match[]": metric, "start": time.time() - HOUR_S, "end": time.time()}
            return set(json.loads(stack.prometheus.get(f"/api/v1/label/{label}/values", **asked))["data"])
        asked = json.loads(query)
        window = {"start": int(time.time() - HOUR_S), "end": int(time.time() + 1)}
        question = {"query": filled(asked["query"], told), "field": asked["field"], "limit": asked["limit"]}
        found = json.loads(stack.logs.get("/select/logsql/field_values", **question, **window))["values"]
        return {value["value"] for value in found}

    queries = {
        variable["name"]: variable["query"] if isinstance(variable["query"], str) else json.dumps(variable["query"])
        for page in PAGES
        for variable in page["templating"]["list"]
        if variable["type"] == "query"
    }
    wanted = told | {"phase": "backward"}
    missing = lambda name: wanted[name] not in ask(queries[name])
    assert still_unanswered(missing, [(name,) for name in queries]) == {}
    assert set(queries) == set(wanted)


def test_a_span_leads_to_metrics(stack, told):
    """Each query that stands beside a span, with the labels that Grafana makes of the span's attributes."""
    (file,) = DASHBOARDS.glob("grafana/provisioning/datasources/*.yaml")
    (jaeger,) = [source for source in YAML(typ="safe").load(file)["datasources"] if source["uid"] == "jaeger"]
    links = jaeger["jsonData"]["tracesToMetrics"]
    span = {"soltrace.phase": "forward", "soltrace.solver": "Tsit5"}
    labels = ", ".join(f'{tag["value"]}="{span[tag["key"]]}"' for tag in links["tags"])
    queries = [query["query"].replace("$$__tags", labels) for query in links["queries"]]
    missing = lambda query: not stack.prometheus.query(query, 0)
    assert still_unanswered(missing, [(query,) for query in queries]) == {}


def expressions():
    """What each alert asks; that of lost runs also as it answers of one without an open pass."""
    asked = {rule["alert"]: rule["expr"] for rule in RULES}
    between_passes = asked["SoltraceRunLost"].replace("last_over_time(soltrace_passes_active[1h]) > 0", "vector(0) > 1")
    assert between_passes != asked["SoltraceRunLost"]
    return asked | {"SoltraceRunLost between two passes": between_passes}


def test_every_alert_can_fire(stack, told):
    """Each expression finds what it is about; of what is silent, as it will be asked some minutes after its death."""
    asked = expressions()

    def missing(alert):
        silent = re.search("Silent|RunLost", alert)
        at = time.time() + (SILENT_S if silent else 0)
        return not list(numbers(stack.prometheus.get("/api/v1/query", query=asked[alert], time=at)))

    assert still_unanswered(missing, [(alert,) for alert in asked]) == {}


def test_prometheus_has_the_alerts(stack, told):
    """The configuration that is shipped loads them, and a pass that has failed is told of."""
    groups = json.loads(stack.prometheus.get("/api/v1/rules"))["data"]["groups"]
    assert [rule["name"] for group in groups for rule in group["rules"]] == [rule["alert"] for rule in RULES]
    fires = f'alertname="SoltracePassFailed", alertstate="firing", soltrace_experiment_name="{told["experiment"]}"'
    missing = lambda query: not stack.prometheus.query(query, 0)
    assert still_unanswered(missing, [(f"ALERTS{{{fires}}}",)]) == {}
