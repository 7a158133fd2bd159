"""Metrics, asked of the real Prometheus by the names that it gives them."""

import math
import subprocess
import time

import pytest
from msgspec.structs import replace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from soltrace import experiment
from soltrace.host import Signal
from soltrace.host.clock import SystemClock
from soltrace.sinks.gauges import start_afresh
from soltrace.sinks.metrics import BUCKETS_S, Metrics
from soltrace.sinks.spans import Spans
from soltrace.testing import capture
from soltrace.wire.losses import What, Why
from soltrace.wire.records import PassEnded, PassHeartbeat
from soltrace.wire.verdicts import Verdict
from tests.stack.servers import program as server_program

FORWARD = {"soltrace_experiment_name": "fit", "soltrace_phase": "forward", "soltrace_solver": "Tsit5"}
BACKWARD = FORWARD | {"soltrace_phase": "backward"}
NAMES = {
    "soltrace.compile.duration": ("histogram", "soltrace_compile_duration_seconds"),
    "soltrace.events.dropped": ("counter", "soltrace_events_dropped_total"),
    "soltrace.events.emitted": ("counter", "soltrace_events_emitted_total"),
    "soltrace.export.failures": ("counter", "soltrace_export_failures_total"),
    "soltrace.lanes": ("counter", "soltrace_lanes_total"),
    "soltrace.lanes.active": ("gauge", "soltrace_lanes_active"),
    "soltrace.pass.duration": ("histogram", "soltrace_pass_duration_seconds"),
    "soltrace.pass.eta": ("gauge", "soltrace_pass_eta_seconds"),
    "soltrace.pass.progress": ("gauge", "soltrace_pass_progress_ratio"),
    "soltrace.pass.verdicts": ("counter", "soltrace_pass_verdicts_total"),
    "soltrace.passes.active": ("gauge", "soltrace_passes_active"),
    "soltrace.passes.stalled": ("gauge", "soltrace_passes_stalled"),
    "soltrace.queue.capacity": ("gauge", "soltrace_queue_capacity"),
    "soltrace.queue.size": ("gauge", "soltrace_queue_size"),
    "soltrace.steps": ("counter", "soltrace_steps_total"),
}


@pytest.fixture(autouse=True)
def _a_process_that_has_counted_nothing():
    start_afresh()


class Sent:
    """A provider that exports to the collector, and what Prometheus then says."""

    def __init__(self, stack, service):
        self._prometheus, self.service = stack.prometheus, service
        exporter = OTLPMetricExporter(endpoint=f"{stack.otlp_http}/v1/metrics")
        self.memory = InMemoryMetricReader()
        resource = Resource({"service.name": service, "service.instance.id": "one"})
        self.provider = MeterProvider([PeriodicExportingMetricReader(exporter, math.inf), self.memory], resource)

    def series(self, name, **matching):
        """Labels and value of each series of this service, without those that all have."""
        chosen = ",".join(f'{label}="{value}"' for label, value in {"job": self.service, **matching}.items())
        found = self._prometheus.query(f"{name}{{{chosen}}}", 0)
        own = [
            ({key: text for key, text in labels.items() if key.startswith("soltrace")}, value)
            for labels, value in found
        ]
        return in_order(own)

    def buckets(self):
        """The buckets of the durations, with their bounds."""
        question = f'soltrace_pass_duration_seconds_bucket{{job="{self.service}"}}'
        return self._prometheus.query(question)

    def wait_for(self, expected):
        """Collect and export until Prometheus says this, or a deadline; return what it says."""
        self.provider.force_flush()
        deadline = time.monotonic() + 30.0
        said = None
        while said != expected and time.monotonic() < deadline:
            said = {name: self.series(name) for name in expected}
        return said


def in_order(series):
    """By their labels."""
    return sorted(series, key=lambda one: sorted(one[0].items()))


@pytest.fixture
def sent(stack, request):
    """Each test is a service of its own."""
    sent = Sent(stack, request.node.name)
    yield sent
    sent.provider.shutdown()


def test_a_pass_that_is_open(sent, program):
    """How many are, how far they are, whether one has stalled, how full the queue is."""
    sink = Metrics(sent.provider, queue=lambda: (3, 100))
    with capture(sinks=[sink], clock=SystemClock(), heartbeat_s=0.1) as told, experiment("fit"):
        handle = program.start()
        program.step(handle, 1, 1, 0.125)
        program.step(handle, 2, 2, 0.25)
        deadline = time.monotonic() + 30.0
        while not any(isinstance(record, PassHeartbeat) and record.stalled for record in told.records):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        expected = {
            "soltrace_passes_active": [(FORWARD, 1.0)],
            "soltrace_passes_stalled": [(FORWARD, 1.0)],
            "soltrace_lanes_active": [(FORWARD, 1.0)],
            "soltrace_pass_progress_ratio": [(FORWARD, 0.25)],
            "soltrace_queue_size": [({}, 3.0)],
            "soltrace_queue_capacity": [({}, 100.0)],
        }
        assert sent.wait_for(expected) == expected
        ((labels, eta_s),) = sent.series("soltrace_pass_eta_seconds")
        assert (labels, eta_s > 0.0) == (FORWARD, True)
        program.end(handle)
    ended = {name: [(FORWARD, 0.0)] for name in list(expected)[:3]}
    assert sent.wait_for(ended) == ended


def test_what_is_over(sent, program):
    """Steps, lanes, durations, events and losses, with all their labels."""
    with capture(sinks=[Metrics(sent.provider)], clock=SystemClock()) as told:
        with experiment("fit"):
            forward = program.tell(Signal.FORWARD_START, [[0, 1, 0]] * 3, [[0, 1, 1, 1e-3, 1e-3]] * 3)[0]
            program.tell(Signal.FORWARD_END, [[forward, 3, 2, 0]] * 2 + [[forward, 3, 2, 1]], [[1.0]] * 3)
            _, handle = program.tell(Signal.BACKWARD_START, [[forward, lane] for lane in range(3)], [[0.0, 0.0]] * 3)
            program.tell(Signal.BACKWARD_END, [[forward]] * 3, [[handle]] * 3)
        told.recorder.compiled("f", trace_s=0.0, lower_s=0.5, compile_s=2.0)
        told.recorder.losses.add(What.PROGRESS, Why.QUEUE_FULL, 7)
        told.recorder.losses.add(What.SPAN, Why.EXPORT_FAILED, 5)
    status = lambda group, value: group | {"soltrace_status": value}
    outcome = lambda group, value: group | {"soltrace_outcome": value}
    events = {"experiment.started": 1, "experiment.ended": 1, "pass.started": 2, "pass.ended": 2, "lane.ended": 6}
    events |= {"telemetry.dropped": 2, "program.compiled": 1}
    expected = {
        "soltrace_steps_total": [
            (outcome(BACKWARD, "accepted"), 6.0),
            (outcome(BACKWARD, "recomputed"), 18.0),
            (outcome(BACKWARD, "rejected"), 3.0),
            (outcome(FORWARD, "accepted"), 6.0),
            (outcome(FORWARD, "rejected"), 3.0),
        ],
        "soltrace_lanes_total": [
            (status(BACKWARD, "error"), 0.0),
            (status(BACKWARD, "ok"), 3.0),
            (status(FORWARD, "error"), 1.0),
            (status(FORWARD, "ok"), 2.0),
        ],
        "soltrace_pass_duration_seconds_count": [(status(BACKWARD, "ok"), 1.0), (status(FORWARD, "error"), 1.0)],
        "soltrace_compile_duration_seconds_sum": [
            ({"soltrace_stage": "compile"}, 2.0),
            ({"soltrace_stage": "lower"}, 0.5),
        ],
        "soltrace_events_emitted_total": [({"soltrace_event": event}, float(count)) for event, count in events.items()],
        "soltrace_events_dropped_total": [({"soltrace_what": "progress"}, 7.0)],
        "soltrace_export_failures_total": [({"soltrace_signal": "traces"}, 5.0)],
    }
    expected = {name: in_order(series) for name, series in expected.items()}
    assert sent.wait_for(expected) == expected
    buckets = {labels["le"] for labels, _ in sent.buckets()}
    assert {float(bound) for bound in buckets} == {*BUCKETS_S, math.inf}


def test_a_slow_pass_leads_to_its_trace(sent, stack, program):
    """The exemplar of its duration carries the ids of its span."""
    with (
        capture(sinks=[Metrics(sent.provider)], tracing=Spans(TracerProvider()), clock=SystemClock()) as told,
        experiment("fit"),
    ):
        program.solve()
        (end,) = [record for record in told.records if isinstance(record, PassEnded)]
    sent.provider.force_flush()
    (series,) = stack.prometheus.exemplars(f'soltrace_pass_duration_seconds_bucket{{job="{sent.service}"}}')
    (exemplar,) = series["exemplars"]
    assert exemplar["labels"] == {"trace_id": end.trace_id, "span_id": end.span_id}
    assert float(exemplar["value"]) == pytest.approx(end.duration_s)


def test_names_are_as_prometheus_likes_them(sent, program):
    """`promtool check metrics` has nothing to say against names, units and descriptions."""
    sink = Metrics(sent.provider, queue=lambda: (0, 1))
    with capture(sinks=[sink], clock=SystemClock()) as told:
        program.solve()
        handle = program.start()
        program.step(handle, 1, 1, 0.5)
        told.recorder.compiled("f", trace_s=0.0, lower_s=0.5, compile_s=2.0)
        told.recorder.losses.add(What.PROGRESS, Why.QUEUE_FULL)
        told.recorder.losses.add(What.SPAN, Why.EXPORT_FAILED)
        program.step(handle, 2, 2, 0.75)
        told.flush()
        (end,) = [record for record in told.records if isinstance(record, PassEnded)]
        sink.handle(replace(end, verdict=Verdict(kind="stiff", text="It is stiff.", advice="Take another solver.")))
        data = sent.memory.get_metrics_data()
        program.end(handle)
    metrics = {metric.name: metric for metric in data.resource_metrics[0].scope_metrics[0].metrics}
    assert sorted(metrics) == sorted(NAMES)
    lines = []
    for name, (kind, theirs) in NAMES.items():
        lines += [f"# HELP {theirs} {metrics[name].description}", f"# TYPE {theirs} {kind}"]
        samples = {"histogram": [f'{theirs}_bucket{{le="+Inf"}} 1', f"{theirs}_sum 1", f"{theirs}_count 1"]}
        lines += samples.get(kind, [f"{theirs} 1"])
    checked = subprocess.run(
        [str(server_program("promtool")), "check", "metrics"],
        input="\n".join([*lines, ""]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
