import math
from types import SimpleNamespace

import pytest
from msgspec import UNSET, structs
from msgspec.structs import asdict
from opentelemetry import baggage, trace
from opentelemetry import context as otel_context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import StatusCode

from soltrace import experiment, host
from soltrace.host import Signal
from soltrace.host.emission import moment
from soltrace.sinks import spans as spans_module
from soltrace.sinks.propagation import received
from soltrace.sinks.spans import Spans
from soltrace.testing import START_NS, HandClock, capture
from soltrace.wire.records import LaneNonfinite, LogOpened, LogResource, PassEnded, PassStarted
from soltrace.wire.step_fields import ExplodedGradient, Nonfinite
from soltrace.wire.verdicts import Verdict


class Exported:
    """A real provider, and what it exported."""

    def __init__(self, resource=None):
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(resource=resource)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    @property
    def spans(self):
        """By name; a second one of the same name has a number."""
        named = {}
        for span in sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time):
            number = sum(name.split(" #")[0] == span.name for name in named)
            named[span.name if not number else f"{span.name} #{number + 1}"] = span
        return named


@pytest.fixture
def exported():
    """A provider and what it exported."""
    exported = Exported()
    yield exported
    exported.provider.shutdown()


def milliseconds(span):
    """When a span began and ended, in ticks of the clock."""
    return (span.start_time - START_NS) / 1e6, (span.end_time - START_NS) / 1e6


@pytest.mark.parametrize("said", [True, False])
def test_a_pass_says_the_backend_where_its_resource_does_not(said):
    """A resource that was made before jax was up can't be changed. Where it is not known yet, nothing is said."""
    exported = Exported(Resource({"soltrace.jax.backend": "gpu"} if said else {}))
    common = {"timestamp": moment(START_NS), "run_id": "run", "experiment": None, "attributes": {}}
    start = {"solver": "Tsit5", "adjoint": "a", "controller": "c", "batch_shape": []}
    end = {"status": "ok", "result": "successful", "duration_s": 0.0, "progress": 1.0, "step": 1}
    spans = Spans(exported.provider)
    for number, record in enumerate(
        [LogOpened(**common, resource={}), LogResource(**common, resource={"backend": "gpu"})]
    ):
        of_pass = common | {"solve_id": "s", "pass_id": f"s.{number}", "phase": "forward"}
        for told in (record, PassStarted(**of_pass, **start), PassEnded(**of_pass, **end)):
            spans.identify(told, None)
    assert spans.flush(10.0)
    told = [span.attributes.get("soltrace.jax.backend") for span in exported.spans.values()]
    assert told == ([None, None] if said else [None, "gpu"])
    exported.provider.shutdown()


def test_a_pass_is_a_span(program, exported):
    """Its own start and end, what it is made of, and what became of it."""
    with capture(
        tracing=Spans(exported.provider), attributes={"seed": 3, "layers": [2, 3.5], "mixed": [1, "a"], "huge": 2**63}
    ) as told:
        program.solve(rtol=1e-3)
        told.flush()
    span = exported.spans["diffeqsolve forward"]
    assert dict(span.attributes) == {
        "soltrace.run_id": "run",
        "soltrace.solve_id": "run.1",
        "soltrace.pass_id": "run.1.forward",
        "soltrace.phase": "forward",
        "soltrace.solver": "Tsit5",
        "soltrace.adjoint": "RecursiveCheckpointAdjoint",
        "soltrace.controller": "PIDController",
        "soltrace.max_steps": 4096,
        "soltrace.rtol": 1e-3,
        "soltrace.t0": 0.0,
        "soltrace.t1": 1.0,
        "soltrace.batch_shape": (),
        "soltrace.experiment.attributes.seed": 3,
        "soltrace.experiment.attributes.layers": (2.0, 3.5),
        "soltrace.experiment.attributes.mixed": ("1", "a"),
        "soltrace.experiment.attributes.huge": "9223372036854775808",
        "soltrace.status": "ok",
        "soltrace.result": "successful",
        "soltrace.progress": 1.0,
        "soltrace.step": 3,
        "soltrace.t": 1.0,
        "soltrace.steps.accepted": 2,
        "soltrace.steps.rejected": 1,
    }
    assert milliseconds(span) == (1, 7)
    assert (span.status.status_code, span.status.description) == (StatusCode.UNSET, None)
    assert (span.parent, span.links, span.kind) == (None, (), trace.SpanKind.INTERNAL)
    assert (span.instrumentation_scope.name, [event.name for event in span.events]) == ("soltrace", ["pass.progress"])


def test_no_name_is_both_a_value_and_a_namespace(program, exported):
    """OpenTelemetry's rule: backends that nest attributes would lose one of the two."""
    with (
        capture(tracing=Spans(exported.provider), attributes={"name": "x"}) as told,
        experiment("fit", attributes={"a": 1}),
    ):
        forward = program.tell(Signal.FORWARD_START, [[0, 1, 0]] * 2, [[0, 1, 1, 1e-3, 1e-3]] * 2)[0]
        program.tell(Signal.FORWARD_END, [[forward, 3, 3, 0]] * 2, [[1.0]] * 2)
        _, handle = program.tell(Signal.BACKWARD_START, [[forward, lane] for lane in range(2)], [[0.0, 0.0]] * 2)
        program.tell(Signal.BACKWARD_END, [[forward]] * 2, [[handle]] * 2)
        told.flush()
    names = {name for span in exported.spans.values() for name in span.attributes}
    assert {"soltrace.lanes.total", "soltrace.steps.recomputed", "soltrace.experiment.name"} <= names
    assert [name for name in names if any(other.startswith(f"{name}.") for other in names)] == []


def test_a_backward_span_is_linked_to_its_forward_one(program, exported):
    """Both are children of the experiment's; several backward ones are siblings."""
    with capture(tracing=Spans(exported.provider)) as told, experiment("fit", seed=3):
        forward = program.solve()
        for _ in range(2):
            _, handle = program.backward_start(forward)
            program.backward_end(forward, handle)
        told.flush()
    spans = exported.spans
    root, first = spans["fit"], spans["diffeqsolve forward"]
    assert list(spans) == ["fit", "diffeqsolve forward", "diffeqsolve backward", "diffeqsolve backward #2"]
    assert {span.parent.span_id for name, span in spans.items() if name != "fit"} == {root.context.span_id}
    assert {span.context.trace_id for span in spans.values()} == {root.context.trace_id}
    for name in ("diffeqsolve backward", "diffeqsolve backward #2"):
        assert [link.context for link in spans[name].links] == [first.context]
        assert spans[name].attributes["soltrace.forward_pass_id"] == "run.1.forward"
    assert dict(root.attributes) == {
        "soltrace.experiment.name": "fit",
        "soltrace.experiment.attributes.seed": 3,
    }


def test_a_processor_sees_what_is_current_around_an_experiment(program, exported):
    """Baggage, and whatever else, though no span is current; within another experiment too."""
    seen = []

    class Seeing(SpanProcessor):
        def on_start(self, span, parent_context=None):
            above = trace.get_current_span(parent_context).get_span_context().span_id
            seen.append((span.name, dict(baggage.get_all(parent_context)), parent_context.get("session"), above))

    exported.provider.add_span_processor(Seeing())
    before = otel_context.attach(otel_context.set_value("session", 7, baggage.set_baggage("user", "ada")))
    with capture(tracing=Spans(exported.provider)), experiment("outer"), experiment("inner"):
        program.solve()
    otel_context.detach(before)
    carried = {"user": "ada"}, 7
    outer, inner = (exported.spans[name].context.span_id for name in ("outer", "inner"))
    assert seen == [("outer", *carried, 0), ("inner", *carried, outer), ("diffeqsolve forward", *carried, inner)]


def test_the_lines_of_a_pass_carry_its_ids(program, exported):
    """And those of an experiment carry the root span's."""
    with capture(tracing=Spans(exported.provider)) as told, experiment("fit"):
        forward = program.solve()
        _, handle = program.backward_start(forward)
        program.backward_end(forward, handle)
        records = told.records
    ids = lambda name: (
        trace.format_trace_id(exported.spans[name].context.trace_id),
        trace.format_span_id(exported.spans[name].context.span_id),
    )
    told = [(record.trace_id, record.span_id) for record in records]
    assert told[:4] == [ids("fit"), *[ids("diffeqsolve forward")] * 3]
    assert told[4][0] == ids("fit")[0]
    assert told[4][1] not in {ids("fit")[1], ids("diffeqsolve forward")[1]}


def test_a_failed_pass_is_an_error_with_its_reason(program, exported):
    """And one that was given up too."""
    with capture(tracing=Spans(exported.provider)) as told:
        program.end(program.start(), result=1, t=math.nan)
        program.start()
        told.recorder.close(10.0)
    failed, abandoned = exported.spans.values()
    assert (failed.status.status_code, failed.status.description) == (StatusCode.ERROR, "max_steps_reached")
    assert math.isnan(failed.attributes["soltrace.t"])
    assert (abandoned.status.status_code, abandoned.status.description) == (StatusCode.ERROR, "abandoned")


def test_an_event_is_no_error(program, exported):
    """It ends the pass at its true progress."""
    with capture(tracing=Spans(exported.provider)) as told:
        program.end(program.start(), result=2, t=0.3)
        told.flush()
    (span,) = exported.spans.values()
    assert span.status.status_code is StatusCode.UNSET
    assert (span.attributes["soltrace.progress"], span.attributes["soltrace.result"]) == (0.3, "event_occurred")


def test_a_pass_is_a_child_of_the_callers_span(program, exported):
    """Where the program carries the context of the call that it belongs to."""
    tracer = exported.provider.get_tracer("mine")
    with capture(tracing=Spans(exported.provider)) as told:
        assert host.callers_place() is None
        with tracer.start_as_current_span("mine"):
            place = host.callers_place()
        program.solve(place=place)
        program.solve()
        told.flush()
    spans = exported.spans
    assert spans["diffeqsolve forward"].parent.span_id == spans["mine"].context.span_id
    assert spans["diffeqsolve forward #2"].parent is None


def test_a_span_inside_an_experiment_is_the_parent_and_the_experiment_stays(program, exported):
    """Its name and attributes are those of the experiment. An experiment that is chosen is the parent itself."""
    tracer = exported.provider.get_tracer("mine")
    with capture(tracing=Spans(exported.provider)) as told, experiment("fit", seed=3) as fit:
        with tracer.start_as_current_span("mine"):
            program.solve(place=host.callers_place())
        with tracer.start_as_current_span("mine"):
            program.solve(token=fit.token)
        told.flush()
        assert {record.experiment for record in told.records} == {"fit"}
    spans = exported.spans
    parents = {"mine": "fit", "diffeqsolve forward": "mine", "mine #2": "fit", "diffeqsolve forward #2": "fit"}
    assert {name: span.parent.span_id for name, span in spans.items() if name != "fit"} == {
        name: spans[parent].context.span_id for name, parent in parents.items()
    }
    for name in ("diffeqsolve forward", "diffeqsolve forward #2"):
        assert spans[name].attributes["soltrace.experiment.attributes.seed"] == 3


def test_a_no_op_provider_makes_no_ids(program, capsys):
    """Who has set one up wants no spans. Nothing is printed."""
    with capture(tracing=Spans(trace.NoOpTracerProvider())) as told, experiment("fit"):
        program.solve()
        events = told.events()
    assert [event for event in events if "trace_id" in event or "span_id" in event] == []
    assert capsys.readouterr() == ("", "")


def test_without_an_sdk_there_are_ids_all_the_same(program, capsys):
    """Of one trace, each span with one of its own; the backward pass outside of all is in its forward pass's trace."""
    with capture(tracing=Spans(None, "a run")) as told:
        with experiment("fit"), experiment("inner"):
            program.solve()
        handle = program.solve()
        pair = program.backward_start(handle)
        program.backward_end(handle, pair[0])
        events = told.events()
    ids = {}
    for event in events:
        ids.setdefault((event["experiment"], event.get("pass_id")), set()).add((event["trace_id"], event["span_id"]))
    assert [len(found) for found in ids.values()] == [1] * 5
    traces = [trace_id for ((trace_id, _),) in ids.values()]
    assert traces[:3] == [traces[0]] * 3
    assert traces[3:] == [traces[3]] * 2
    assert len(set(traces)) == 2
    assert len({span_id for ((_, span_id),) in ids.values()}) == 5
    assert capsys.readouterr() == ("", "")


def test_under_a_span_that_is_not_sampled_there_are_no_ids(program):
    """Nobody would find anything under them. A backward pass is in the trace of its forward one all the same."""
    unsampled, _ = received({"TRACEPARENT": f"00-{'a' * 32}-{'b' * 16}-00"})
    spans = Spans(None, "a run")
    with capture(tracing=Spans(None, "a run")) as told:
        with experiment("fit"):
            handle = program.solve()
        program.backward_end(handle, program.backward_start(handle)[0])
        records = told.records
    started = [record for record in records if isinstance(record, PassStarted)]
    assert started[0].trace_id == started[1].trace_id
    bare = structs.replace(started[0], trace_id=UNSET, span_id=UNSET)
    assert spans.identify(bare, unsampled) == bare


class Foreign(trace.TracerProvider):
    """A provider whose tracers say nothing of how they make ids."""

    def __init__(self, inner):
        self._inner = inner

    def get_tracer(self, *args, **kwargs):
        tracer = self._inner.get_tracer(*args, **kwargs)
        return SimpleNamespace(start_span=tracer.start_span)


def test_the_span_of_a_run_begins_the_trace_that_is_chosen(exported):
    """A root in it, once: the next trace is another one. Where that can't be had, it is at least in it."""
    spans = Spans(exported.provider)
    spans.run(None, 17, {"run_id": "a", "continues": "b"}, 5).end(9, "SIGTERM")
    fit = spans.experiment("fit", "fit", {}, 6, None)
    fit.leave()
    fit.end(7, None)
    Spans(Foreign(exported.provider)).run(None, 17, {}, 5).end(9, None)
    run, fit, foreign = (exported.spans[name] for name in ("run", "fit", "run #2"))
    assert (run.context.trace_id, run.parent, run.start_time, run.end_time) == (17, None, 5, 9)
    assert dict(run.attributes) == {"soltrace.run_id": "a", "soltrace.continues": "b"}
    assert (run.status.is_ok, run.status.description) == (False, "SIGTERM")
    assert (fit.parent, fit.context.trace_id == 17) == (None, False)
    assert (foreign.context.trace_id, foreign.parent.trace_id, foreign.parent.is_remote) == (17, 17, True)


def test_ended_passes_leave_little_behind(program, exported, monkeypatch):
    """The spans that can still be linked to are bounded."""
    monkeypatch.setattr(spans_module, "LINKABLE_AT_MOST", 2)
    spans = Spans(exported.provider)
    with capture(tracing=spans) as told:
        handles = [program.solve() for _ in range(3)]
        for handle in handles:
            program.backward_start(handle)
        told.flush()
        told.recorder.close(10.0)
    assert (list(spans._linkable), spans._open) == (["run.2.forward", "run.3.forward"], {})
    assert [len(span.links) for span in exported.spans.values() if span.name == "diffeqsolve backward"] == [0, 1, 1]


class Broken:
    """A provider whose tracer always fails."""

    def get_tracer(self, *_, **__):
        return self

    def start_span(self, *_, **__):
        raise RuntimeError("no spans today")


def test_a_broken_tracer_costs_the_spans_and_nothing_else(program):
    """The records go on without ids, and what was lost is counted."""
    with capture(tracing=Spans(Broken())) as told:
        with experiment("fit"):
            program.solve()
        events = [event["event"] for event in told.events() if event["event"] != "telemetry.dropped"]
        lost = {(loss.what, loss.reason): loss.dropped for loss in told.recorder.losses.total()}
    assert events == ["experiment.started", "pass.started", "pass.progress", "pass.ended", "experiment.ended"]
    assert lost == {("span", "RuntimeError: no spans today"): 1, ("record", "Spans: RuntimeError: no spans today"): 1}


def test_flush_reaches_the_exporter(exported):
    """The provider's own, if it has one."""
    assert Spans(exported.provider).flush(1.0) is True
    assert Spans(trace.NoOpTracerProvider()).flush(1.0) is True


def at(program, told, clock, now):
    """Move the clock, and have the worker look at it."""
    clock.now = now
    told.recorder.announce(
        LogOpened(timestamp=moment(START_NS), run_id="run", experiment=None, attributes={}, resource={})
    )
    told.flush()


def test_a_pass_that_is_open_for_long_is_visible(program, exported):
    """By one span of no duration, a child of its own with an id of its own: its own span comes when it ends."""
    clock = HandClock()
    with capture(tracing=Spans(exported.provider), heartbeat_s=5.0, clock=clock, attributes={"seed": 3}) as told:
        handle = program.start()
        for now in (4.0, 5.0, 10.0):
            at(program, told, clock, now)
        (marker,) = exported.spans.values()
        program.end(handle)
        told.flush()
    span = exported.spans["diffeqsolve forward"]
    assert (marker.name, milliseconds(marker)) == ("diffeqsolve forward started", (0.0, 0.0))
    assert marker.parent == span.context
    assert marker.context.span_id != span.context.span_id
    assert marker.attributes["soltrace.marker"] is True
    began = {key: value for key, value in marker.attributes.items() if key != "soltrace.marker"}
    assert began.items() <= span.attributes.items()
    assert (began["soltrace.phase"], began["soltrace.experiment.attributes.seed"]) == ("forward", 3)
    assert "soltrace.marker" not in span.attributes
    assert sorted(exported.spans) == ["diffeqsolve forward", "diffeqsolve forward started"]


def test_milestones_are_events_of_the_span(program, exported):
    """The reports that pass a quarter, a half, three quarters, and a stall: a few, whatever the number of reports."""
    clock = HandClock()
    with capture(tracing=Spans(exported.provider), heartbeat_s=1.0, clock=clock) as told:
        handle = program.start()
        for step in range(1, 10):
            clock.now = step / 10
            program.step(handle, step, step, step / 10)
        for now in (1.5, 3.0, 4.0):
            at(program, told, clock, now)
        program.end(handle)
        told.flush()
    events = exported.spans["diffeqsolve forward"].events
    assert [(event.name, (event.timestamp - START_NS) / 1e9, dict(event.attributes)) for event in events] == [
        ("pass.progress", 0.3, {"soltrace.progress": 0.3, "soltrace.step": 3, "soltrace.t": pytest.approx(0.3)}),
        ("pass.progress", 0.5, {"soltrace.progress": 0.5, "soltrace.step": 5, "soltrace.t": 0.5}),
        ("pass.progress", 0.8, {"soltrace.progress": 0.8, "soltrace.step": 8, "soltrace.t": pytest.approx(0.8)}),
        (
            "pass.heartbeat",
            3.0,
            {
                "soltrace.stalled": True,
                "soltrace.silent_s": pytest.approx(2.1),
                "soltrace.progress": 0.9,
                "soltrace.step": 9,
            },
        ),
    ]


def test_the_first_value_that_is_not_finite_is_an_event_of_the_span(exported):
    """Of a few lanes, where in the pytree and in which step; the end of the pass says the first as attributes."""
    common = {"timestamp": moment(START_NS), "run_id": "run", "experiment": None, "attributes": {}}
    common |= {"solve_id": "1", "pass_id": "1.forward", "phase": "forward"}
    start = {"solver": "Tsit5", "adjoint": "a", "controller": "c", "batch_shape": [40]}
    found = Nonfinite(step=3, t=0.5, dt=0.25, found_in="vector field", stage=2, path="y[3]", value="NaN", before=1.0)
    end = {"status": "error", "result": "nonfinite", "duration_s": 1.0, "progress": 0.5, "step": 3}
    spans = Spans(exported.provider)
    spans.identify(PassStarted(**common, **start), None)
    for lane in range(40):
        spans.identify(LaneNonfinite(**common, batch_index=[lane], nonfinite=found), None)
    verdict = Verdict(kind="nonfinite", text="NaN in y[3].", advice="Look at it.")
    spans.identify(PassEnded(**common, **end, nonfinite=found, verdict=verdict), None)
    assert spans.flush(10.0)

    span = exported.spans["diffeqsolve forward"]
    told = {
        "soltrace.nonfinite.step": 3,
        "soltrace.nonfinite.t": 0.5,
        "soltrace.nonfinite.dt": 0.25,
        "soltrace.nonfinite.found_in": "vector field",
        "soltrace.nonfinite.stage": 2,
        "soltrace.nonfinite.path": "y[3]",
        "soltrace.nonfinite.value": "NaN",
        "soltrace.nonfinite.before": 1.0,
    }
    assert [(event.name, dict(event.attributes)) for event in span.events] == [
        ("lane.nonfinite", {"soltrace.batch_index": (lane,), **told}) for lane in range(16)
    ]
    judged = {f"soltrace.verdict.{name}": value for name, value in asdict(verdict).items()}
    assert (told | judged).items() <= span.attributes.items()


def test_where_a_gradient_exploded_is_on_its_span(exported):
    """All that is known of it."""
    common = {"timestamp": moment(START_NS), "run_id": "run", "experiment": None, "attributes": {}}
    common |= {"solve_id": "1", "pass_id": "1.backward", "phase": "backward"}
    start = {"solver": "Tsit5", "adjoint": "a", "controller": "c", "batch_shape": [40]}
    end = {"status": "ok", "result": "successful", "duration_s": 1.0, "progress": 1.0, "step": 3}
    numbers = {"step": 3, "t": 0.5, "dt": 0.25, "path": "y[3]", "value": 2e7, "primal": 1.0, "arrived": 1.0}
    found = ExplodedGradient(batch_index=[7], lanes=2, largest=1e30, **numbers)
    spans = Spans(exported.provider)
    spans.identify(PassStarted(**common, **start), None)
    spans.identify(PassEnded(**common, **end, exploded=found), None)
    assert spans.flush(10.0)

    attributes = exported.spans["diffeqsolve backward"].attributes
    told = {name: value for name, value in attributes.items() if name.startswith("soltrace.exploded.")}
    expected = numbers | {"batch_index": (7,), "lanes": 2, "largest": 1e30}
    assert told == {f"soltrace.exploded.{name}": value for name, value in expected.items()}


def test_what_is_not_sampled_is_not_marked(program):
    """A sampler that says no is obeyed: not one span is exported, and no id is on any line."""
    exporter, clock = InMemorySpanExporter(), HandClock()
    provider = TracerProvider(sampler=ALWAYS_OFF)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with capture(tracing=Spans(provider), heartbeat_s=1.0, clock=clock) as told:
        handle = program.start()
        at(program, told, clock, 2.0)
        program.end(handle)
        assert [event for event in told.events() if {"trace_id", "span_id"} & set(event)] == []
    assert exporter.get_finished_spans() == ()
    provider.shutdown()
