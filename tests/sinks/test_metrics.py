import gc
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import context as otel_context
from opentelemetry import metrics as api
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

from soltrace import configure, experiment, shutdown
from soltrace.host import Signal
from soltrace.sinks import active_passes as active_passes_module
from soltrace.sinks import groups as groups_module
from soltrace.sinks.gauges import GAUGES, start_afresh
from soltrace.sinks.groups import GROUPS
from soltrace.sinks.metrics import BUCKETS_S, Metrics
from soltrace.sinks.spans import Spans
from soltrace.testing import capture
from soltrace.wire.names import METRICS
from soltrace.wire.record_parts import Lanes, Steps
from soltrace.wire.records import (
    ExperimentStarted,
    PassEnded,
    PassHeartbeat,
    PassProgress,
    PassStarted,
    ProgramCompiled,
    TelemetryDropped,
)
from soltrace.wire.verdicts import Verdict

START = datetime(2026, 1, 1, tzinfo=UTC)
FORWARD = (("experiment.name", "fit"), ("phase", "forward"), ("solver", "Tsit5"))
"""The attributes of a pass of the experiment `fit`."""


@pytest.fixture(autouse=True)
def _a_process_that_has_counted_nothing():
    start_afresh()


class Collected:
    """A real provider, and what a reader of it collects."""

    def __init__(self):
        self._reader = InMemoryMetricReader()
        self.provider = MeterProvider([self._reader])

    def metrics(self):
        """By name."""
        data = self._reader.get_metrics_data()
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
        assert {scope.scope.name for scope in scopes} <= {"soltrace"}
        return {metric.name.removeprefix("soltrace."): metric for scope in scopes for metric in scope.metrics}

    def values(self):
        """Of all points but a histogram's: by metric and attributes, without the prefix that all have."""
        return {
            name: {key(point): point.value for point in metric.data.data_points}
            for name, metric in self.metrics().items()
            if name not in {"pass.duration", "compile.duration"}
        }


def key(point):
    """The attributes of a point, sorted."""
    return tuple(sorted((name.removeprefix("soltrace."), value) for name, value in point.attributes.items()))


@pytest.fixture
def collected():
    """A provider and what it collects."""
    collected = Collected()
    yield collected
    collected.provider.shutdown()


STIFF = Verdict(kind="stiff", text="It is stiff.", advice="Take an implicit solver.")
COMMON = {"timestamp": START, "run_id": "run", "experiment": "fit", "attributes": {"seed": 3}}


def of_pass(number=1, **fields):
    """What every line of a pass has."""
    names = {"solve_id": f"run.{number}", "pass_id": f"run.{number}.forward", "phase": "forward"}
    return COMMON | names | fields


def started(number=1, **fields):
    """A pass begins."""
    parts = {"solver": "Tsit5", "adjoint": "a", "controller": "c", "batch_shape": []}
    return PassStarted(**of_pass(number, **parts | fields))


def progressed(progress, number=1, after_s=1.0, **fields):
    """A pass reports."""
    return PassProgress(
        **of_pass(number, timestamp=START + timedelta(seconds=after_s), step=1, progress=progress) | fields
    )


def beat(number=1, **fields):
    """A heartbeat of a pass."""
    known = {"open_s": 10.0, "silent_s": 5.0, "stalled": False, "step": 1, "progress": 0.25, "rate": 0.025}
    return PassHeartbeat(**of_pass(number, **known | fields))


def ended(number=1, **fields):
    """A pass ends."""
    known = {"status": "ok", "result": "successful", "duration_s": 2.0, "progress": 1.0, "step": 3}
    return PassEnded(**of_pass(number, **known | fields))


def told(collected, *records, queue=None):
    """A sink that was told these."""
    sink = Metrics(collected.provider, queue=queue)
    for record in records:
        sink.handle(record)
    return sink


def lanes(total, finished, failed=0):
    """What a batch is doing."""
    return Lanes(total=total, finished=finished, failed=failed, progress_min=0.0, progress_median=0.5, progress_max=1.0)


def test_all_that_is_told_of_a_pass(program, collected):
    """Each metric with its values, of a forward and a backward pass that are over."""
    sink = Metrics(collected.provider, queue=lambda: (3, 100))
    with capture(sinks=[sink], attributes={"seed": 3}) as recorded, experiment("fit", lr=1e-3):
        forward = program.solve()
        _, handle = program.backward_start(forward)
        program.backward_end(forward, handle)
        recorded.flush()
        values = collected.values()
    backward = (FORWARD[0], ("phase", "backward"), FORWARD[2])
    of = lambda group, name, value: tuple(sorted((*group, (name, value))))
    assert values == {
        "events.emitted": {
            (("event", "experiment.started"),): 1,
            (("event", "pass.started"),): 2,
            (("event", "pass.progress"),): 1,
            (("event", "pass.ended"),): 2,
        },
        "steps": {
            of(FORWARD, "outcome", "accepted"): 2,
            of(FORWARD, "outcome", "rejected"): 1,
            of(backward, "outcome", "accepted"): 2,
            of(backward, "outcome", "rejected"): 1,
            of(backward, "outcome", "recomputed"): 6,
        },
        "lanes": {
            of(FORWARD, "status", "ok"): 1,
            of(FORWARD, "status", "error"): 0,
            of(backward, "status", "ok"): 1,
            of(backward, "status", "error"): 0,
        },
        "passes.active": {FORWARD: 0, backward: 0},
        "passes.stalled": {FORWARD: 0, backward: 0},
        "lanes.active": {FORWARD: 0, backward: 0},
        "queue.size": {(): 3},
        "queue.capacity": {(): 100},
    }


def test_units_kinds_attributes_and_descriptions(collected):
    """As `soltrace.wire.names` lists them; `promtool check metrics` refuses a metric without a description."""
    lost = [
        TelemetryDropped(**COMMON, dropped=1, what="progress", reason="queue full"),
        TelemetryDropped(**COMMON, dropped=1, what="span", reason="export failed"),
    ]
    compiled = ProgramCompiled(**COMMON, function="f", trace_s=1.0, lower_s=1.0, compile_s=1.0)
    passes = [started(2), ended(2, steps=Steps(accepted=1, rejected=0), verdict=STIFF), started(), progressed(0.5)]
    told(collected, compiled, *passes, *lost, queue=lambda: (3, 100))
    metrics = collected.metrics()
    kinds = {name: (type(metric.data).__name__, metric.unit) for name, metric in metrics.items()}
    assert kinds == {
        "compile.duration": ("Histogram", "s"),
        "events.dropped": ("Sum", "{event}"),
        "events.emitted": ("Sum", "{event}"),
        "export.failures": ("Sum", "{item}"),
        "lanes": ("Sum", "{lane}"),
        "lanes.active": ("Gauge", "{lane}"),
        "pass.duration": ("Histogram", "s"),
        "pass.eta": ("Gauge", "s"),
        "pass.progress": ("Gauge", "1"),
        "pass.verdicts": ("Sum", "{pass}"),
        "passes.active": ("Sum", "{pass}"),
        "passes.stalled": ("Gauge", "{pass}"),
        "queue.capacity": ("Gauge", "{event}"),
        "queue.size": ("Gauge", "{event}"),
        "steps": ("Sum", "{step}"),
    }
    monotonic = {name for name, metric in metrics.items() if getattr(metric.data, "is_monotonic", False)}
    assert monotonic == {"events.dropped", "events.emitted", "export.failures", "lanes", "pass.verdicts", "steps"}
    assert [name for name, metric in metrics.items() if not metric.description.endswith(".")] == []
    attributes = {
        metric.name: {frozenset(point.attributes) for point in metric.data.data_points} for metric in metrics.values()
    }
    assert attributes == {name: {frozenset(told_apart_by)} for name, told_apart_by in METRICS.items()}


def test_what_is_wrong_is_counted_by_what_it_is(collected):
    """Of the passes that end so; those that are in order are not."""
    told(collected, started(1), ended(1, verdict=STIFF), started(2), ended(2, verdict=STIFF), started(3), ended(3))

    stiff = tuple(sorted((*FORWARD, ("verdict.kind", "stiff"))))
    assert collected.values()["pass.verdicts"] == {stiff: 2}


def test_durations_fall_into_buckets_made_for_solves(collected):
    """From a tenth of a millisecond to ten hours; a failed pass is another series."""
    told(
        collected,
        *(started(number) for number in (1, 2, 3)),
        ended(1, duration_s=0.003),
        ended(2, duration_s=7000.0),
        ended(3, duration_s=50_000.0, status="error", result="max_steps_reached"),
    )
    points = {dict(key(point))["status"]: point for point in collected.metrics()["pass.duration"].data.data_points}
    assert {status: point.explicit_bounds for status, point in points.items()} == {
        "ok": BUCKETS_S,
        "error": BUCKETS_S,
    }
    full = lambda point: {
        (*BUCKETS_S, "more")[index]: count for index, count in enumerate(point.bucket_counts) if count
    }
    assert {status: (full(point), point.count, point.sum) for status, point in points.items()} == {
        "ok": ({0.005: 1, 7200.0: 1}, 2, 7000.003),
        "error": ({"more": 1}, 1, 50_000.0),
    }
    assert list(BUCKETS_S) == sorted(set(BUCKETS_S))


def test_compiling_is_told_by_stage(collected):
    """A program that had been traced before is not traced in no time: it is not traced."""
    told(
        collected,
        ProgramCompiled(**COMMON, function="f", trace_s=0.5, lower_s=0.25, compile_s=40.0),
        ProgramCompiled(**COMMON, function="g", trace_s=0.0, lower_s=0.25, compile_s=2.0),
    )
    points = collected.metrics()["compile.duration"].data.data_points
    assert {key(point): (point.count, point.sum) for point in points} == {
        (("stage", "trace"),): (1, 0.5),
        (("stage", "lower"),): (2, 0.5),
        (("stage", "compile"),): (2, 42.0),
    }


class BrokenTracer(trace.NoOpTracerProvider):
    """A provider whose tracer makes no spans."""

    def get_tracer(self, *_, **__):
        return self

    def start_span(self, *_, **__):
        raise RuntimeError("no spans today")


def test_a_span_that_could_not_be_made_is_no_failed_export(tmp_path, collected):
    """Of an experiment, from `configure` to the metrics: a span was lost, and nothing on its way to a backend."""
    configure(directory=tmp_path, tracer_provider=BrokenTracer(), meter_provider=collected.provider, logs=False)
    with experiment("fit"):
        pass
    shutdown()
    values = collected.values()
    assert values["events.dropped"] == {(("what", "span"),): 1}
    assert "export.failures" not in values


def test_the_exemplar_of_a_duration_leads_to_the_span(program, collected):
    """It carries the ids of the pass's own span, whatever is current elsewhere."""
    tracer_provider = TracerProvider()
    with (
        capture(sinks=[Metrics(collected.provider)], tracing=Spans(tracer_provider)) as recorded,
        tracer_provider.get_tracer("mine").start_as_current_span("mine"),
    ):
        program.solve()
        (end,) = [record for record in recorded.records if isinstance(record, PassEnded)]
        metrics = collected.metrics()
    ids = lambda exemplar: (trace.format_trace_id(exemplar.trace_id), trace.format_span_id(exemplar.span_id))
    exemplars = {
        name: [(ids(exemplar), exemplar.value) for point in metric.data.data_points for exemplar in point.exemplars]
        for name, metric in metrics.items()
    }
    assert {name: found for name, found in exemplars.items() if found} == {
        "pass.duration": [((end.trace_id, end.span_id), end.duration_s)]
    }


def test_without_a_span_there_is_no_exemplar(collected):
    """What is current on the thread that counts is nobody's."""
    span = TracerProvider().get_tracer("mine").start_span("mine")
    token = otel_context.attach(trace.set_span_in_context(span))
    told(collected, started(), ended())
    metrics = collected.metrics()
    otel_context.detach(token)
    assert [
        point.exemplars for metric in metrics.values() for point in metric.data.data_points if point.exemplars
    ] == []


def test_gauges_show_what_is_open(collected):
    """Of several passes of one kind: how many, the least progress, the longest time left, the lanes that run."""
    sink = told(collected, started(1), started(2, batch_shape=[2, 4]), started(3, solver="Dopri5"))
    dopri = (*FORWARD[:2], ("solver", "Dopri5"))
    assert collected.values()["lanes.active"] == {FORWARD: 9, dopri: 1}
    sink.handle(progressed(0.5, 1, after_s=3.0))
    sink.handle(progressed(0.75, 2, lanes=lanes(8, 3), after_s=6.0))
    sink.handle(progressed(0.9, 2, batch_index=[0, 1]))
    gauges = lambda: {
        name: points for name, points in collected.values().items() if name not in {"events.emitted", "steps", "lanes"}
    }
    assert gauges() == {
        "passes.active": {FORWARD: 2, dopri: 1},
        "passes.stalled": {FORWARD: 0, dopri: 0},
        "lanes.active": {FORWARD: 6, dopri: 1},
        "pass.progress": {FORWARD: 0.5, dopri: 0.0},
        "pass.eta": {FORWARD: 3.0},
    }
    for number in (1, 2, 3):
        sink.handle(ended(number))
    assert gauges() == {
        "passes.active": {FORWARD: 0, dopri: 0},
        "passes.stalled": {FORWARD: 0, dopri: 0},
        "lanes.active": {FORWARD: 0, dopri: 0},
    }


def test_a_stalled_pass_is_seen_until_it_goes_on(collected):
    """A heartbeat says so; a report takes it back, and be it one lane's."""
    sink = told(collected, started(1), started(2))
    seen = lambda: [collected.values()[name].get(FORWARD) for name in ("passes.stalled", "pass.progress", "pass.eta")]
    sink.handle(progressed(0.25, 1, after_s=2.0))
    sink.handle(progressed(0.2, 2, after_s=4.0))
    sink.handle(beat(1, stalled=True))
    sink.handle(beat(2, stalled=True, progress=0.2))
    assert seen() == [2, 0.2, 16.0]
    sink.handle(progressed(0.6, 1, batch_index=[0]))
    assert seen() == [1, 0.2, 16.0]
    sink.handle(beat(2, stalled=False, progress=0.3))
    assert seen() == [0, 0.25, 16.0]
    sink.handle(ended(2))
    assert seen() == [0, 0.25, 6.0]


def test_steps_are_counted_while_they_are_made(collected):
    """By the reports about the whole, and the rest at the end; nothing twice, and never less."""
    sink = told(collected, started())
    steps = lambda: [count for _, count in sorted(collected.values()["steps"].items())]
    sink.handle(progressed(0.1, steps=Steps(accepted=10, rejected=1)))
    assert steps() == [10, 1]
    sink.handle(progressed(0.1, steps=Steps(accepted=99, rejected=99), batch_index=[0]))
    sink.handle(progressed(0.2, steps=Steps(accepted=8, rejected=2)))
    assert steps() == [10, 2]
    sink.handle(ended(steps=Steps(accepted=15, rejected=2, recomputed=30)))
    assert steps() == [15, 30, 2]


def test_lanes_are_counted_by_how_they_ended(program, collected):
    """One that runs out of steps is an error among others that are fine; a single solve is a lane too."""
    with capture(sinks=[Metrics(collected.provider)]) as recorded:
        forward = program.tell(Signal.FORWARD_START, [[0, 1, 0]] * 5, [[0, 1, 1, 1e-3, 1e-3]] * 5)[0]
        program.tell(Signal.FORWARD_END, [[forward, 3, 3, 0]] * 3 + [[forward, 3, 3, 1]] * 2, [[1.0]] * 5)
        program.solve()
        program.end(program.start(), result=1)
        program.start()
        recorded.recorder.close(10.0)
        counted = collected.values()["lanes"]
    assert counted == {
        (("phase", "forward"), ("solver", "Tsit5"), ("status", "ok")): 4,
        (("phase", "forward"), ("solver", "Tsit5"), ("status", "error")): 4,
    }


def test_losses_are_counted_by_what_was_lost(collected):
    """Those of an export by their signal, each in one metric only. A span that could not be made was never exported."""
    raised = [("progress", 7), ("record", 1), ("progress", 2), ("span", 8)]
    failed = [("span", 5), ("log record", 4), ("metric point", 3)]
    lost = [(*of, "OSError: no") for of in raised] + [(*of, "export failed") for of in failed]
    told(
        collected,
        *(TelemetryDropped(**COMMON, dropped=dropped, what=what, reason=reason) for what, dropped, reason in lost),
    )
    assert collected.values() == {
        "events.emitted": {(("event", "telemetry.dropped"),): 7},
        "events.dropped": {(("what", "progress"),): 9, (("what", "record"),): 1, (("what", "span"),): 8},
        "export.failures": {(("signal", "traces"),): 5, (("signal", "logs"),): 4, (("signal", "metrics"),): 3},
    }


names = st.one_of(st.none(), st.text(max_size=5), st.integers(0, 1000).map(str))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(names, st.text(max_size=3), st.dictionaries(st.text(), st.text()))))
def test_there_are_few_series_whatever_a_user_calls_things(passes):
    """Experiments and solvers beyond so many are one; a user's own attributes are nowhere."""
    experiments, solvers = groups_module.EXPERIMENTS_AT_MOST, groups_module.SOLVERS_AT_MOST
    start_afresh()
    collected = Collected()
    many = [(f"e{number}", f"s{number}", {}) for number in range(150)] + passes
    records = [
        record
        for number, (name, solver, own) in enumerate(many)
        for record in (
            started(number, experiment=name, solver=solver, attributes=own),
            ended(number, experiment=name, attributes=own, steps=Steps(accepted=1, rejected=0)),
        )
    ]
    told(collected, *records)
    points = [point for metric in collected.metrics().values() for point in metric.data.data_points]
    collected.provider.shutdown()
    allowed = {"experiment.name", "phase", "solver", "status", "outcome", "event"}
    assert {name for point in points for name, _ in key(point)} <= allowed
    assert len({dict(key(point)).get("experiment.name") for point in points} - {None, "_OTHER"}) == experiments
    assert len({dict(key(point)).get("solver") for point in points} - {None, "_OTHER"}) == solvers
    assert sum(point.value for point in points if ("outcome", "accepted") in key(point)) == len(many)


def test_a_pass_whose_start_was_not_seen_is_counted(collected):
    """Where the provider is set in the middle: without its solver, and its other lines change nothing."""
    told(collected, progressed(0.5), beat(), ended(steps=Steps(accepted=3, rejected=1)))
    group = FORWARD[:2]
    assert collected.values() == {
        "events.emitted": {(("event", f"pass.{name}"),): 1 for name in ("progress", "heartbeat", "ended")},
        "steps": {
            (*group[:1], ("outcome", "accepted"), group[1]): 3,
            (*group[:1], ("outcome", "rejected"), group[1]): 1,
        },
        "lanes": {(*group, ("status", "ok")): 1, (*group, ("status", "error")): 0},
        "passes.active": {group: 0},
        "passes.stalled": {group: 0},
        "lanes.active": {group: 0},
    }


def test_open_passes_are_bounded(collected, monkeypatch):
    """Should ends get lost, the oldest are forgotten; each end that does come is still counted."""
    monkeypatch.setattr(active_passes_module, "ACTIVE_AT_MOST", 2)
    sink = told(collected, *(started(number) for number in range(4)))
    assert collected.values()["passes.active"] == {FORWARD: 2}
    for number in range(4):
        sink.handle(ended(number))
    assert collected.values()["passes.active"] == {FORWARD: 0, FORWARD[:2]: 0}
    assert sum(point.count for point in collected.metrics()["pass.duration"].data.data_points) == 4


def test_what_is_told_after_a_new_configuration_is_seen(collected):
    """The SDK asks only the first callbacks of an instrument; what was counted before stays counted."""
    first = told(collected, started(1), queue=lambda: (1, 10))
    first.handle(ended(1))
    second = told(collected, started(2), queue=lambda: (2, 20))
    assert collected.values()["queue.size"] == {(): 2}
    first.close()
    values = collected.values()
    assert values["passes.active"] == {FORWARD: 1}
    assert (values["queue.size"], values["queue.capacity"]) == ({(): 2}, {(): 20})
    assert values["events.emitted"] == {(("event", "pass.started"),): 2, (("event", "pass.ended"),): 1}
    second.close()
    values = collected.values()
    assert (values["passes.active"], "queue.size" in values) == ({FORWARD: 0}, False)


def test_the_child_of_a_fork_begins_at_nothing():
    """It tells its own passes, not its parent's again; and the parent goes on."""
    program = """
import os
from datetime import UTC, datetime

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from soltrace.wire.records import PassStarted
from soltrace.sinks.metrics import Metrics

reader = InMemoryMetricReader()
provider = MeterProvider([reader])


def start(sink, number):
    names = {"solve_id": f"{number}", "pass_id": f"{number}.forward", "phase": "forward", "solver": f"solver{number}"}
    common = {"timestamp": datetime.now(UTC), "run_id": "run", "experiment": None, "attributes": {}}
    sink.handle(PassStarted(**common, **names, adjoint="a", controller="c", batch_shape=[]))


def tell(who):
    data = reader.get_metrics_data()
    metrics = [metric for resource in data.resource_metrics for metric in resource.scope_metrics[0].metrics]
    points = [
        f"{who} {metric.name} {point.attributes['soltrace.solver']} {point.value}"
        for metric in metrics
        for point in metric.data.data_points
        if metric.name == "soltrace.passes.active"
    ]
    print(*points, sep="\\n", flush=True)


sink = Metrics(provider)
start(sink, 1)
child = os.fork()
if child:
    assert os.waitpid(child, 0)[1] == 0
    tell("parent")
else:
    start(Metrics(provider), 2)
    tell("child")
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "child soltrace.passes.active solver2 1",
        "parent soltrace.passes.active solver1 1",
    ]


@pytest.mark.parametrize("provider", [None, api.NoOpMeterProvider()], ids=["none", "no-op"])
def test_without_an_sdk_nothing_is_kept(provider, program, capsys):
    """The API's no-op: no table fills, nothing is printed."""
    sink = Metrics(provider)
    with capture(sinks=[sink]) as recorded:
        program.solve()
        program.start()
        recorded.flush()
        assert (sink._active.all(), GROUPS.known()) == ([], [])
        assert recorded.recorder.losses.total() == []
    assert sink.flush(1.0) is True
    assert capsys.readouterr() == ("", "")


def test_collecting_while_passes_come_and_go(collected):
    """The thread that collects and the one that counts don't trip over each other."""
    sink, over = Metrics(collected.provider), threading.Event()
    seen, failed = [], []

    def collect():
        try:
            while not over.is_set():
                seen.append(sum(collected.values().get("passes.active", {}).values()))
        except Exception as error:  # noqa: BLE001 - shown below
            failed.append(error)

    thread = threading.Thread(target=collect)
    thread.start()
    for number in range(3000):
        sink.handle(started(number, experiment=f"e{number % 50}"))
        sink.handle(ended(number))
    over.set()
    thread.join()
    assert (failed, set(seen) <= {0, 1}, sum(collected.values()["lanes"].values())) == ([], True, 3000)


def test_flush_reaches_the_reader(collected):
    """The provider's own, if it has one."""
    assert Metrics(collected.provider).flush(1.0) is True


def test_a_closed_sink_leaves_nothing_behind(collected):
    """Its table goes; a pass that was open in it is open no more."""
    sink = told(collected, started(), ExperimentStarted(**COMMON))
    table = sink._active
    sink.close()
    assert collected.values()["passes.active"] == {FORWARD: 0}
    del sink
    gc.collect()
    assert [referrer for referrer in gc.get_referrers(table) if referrer is GAUGES._tables] == []
