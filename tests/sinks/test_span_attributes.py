import math
from datetime import UTC, datetime

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from soltrace import experiment
from soltrace.sinks.span_attributes import chosen_attributes, end_attributes, root_attributes, start_attributes
from soltrace.sinks.spans import Spans
from soltrace.testing import capture
from soltrace.wire.attributes import plain_attributes
from soltrace.wire.record_parts import Lanes, Steps
from soltrace.wire.records import PassEnded, PassProgress, PassStarted
from tests.wire.test_attributes import FORMS

PASS = {
    "timestamp": datetime(2026, 1, 1, tzinfo=UTC),
    "run_id": "run",
    "experiment": "fit",
    "attributes": {"seed": 3, "numbers": [1, 2.5], "mixed": [1, "a"], "flags": [True, 1], "huge": 2**63},
    "process_index": 1,
    "trace_id": "0" * 32,
    "solve_id": "run.1",
    "pass_id": "run.1.forward",
    "phase": "forward",
}
OWN = {
    "soltrace.experiment.name": "fit",
    "soltrace.experiment.attributes.seed": 3,
    "soltrace.experiment.attributes.numbers": [1.0, 2.5],
    "soltrace.experiment.attributes.mixed": ["1", "a"],
    "soltrace.experiment.attributes.flags": ["True", "1"],
    "soltrace.experiment.attributes.huge": "9223372036854775808",
}


def test_an_experiments_root_span():
    """Each attribute of one type, and none too large; outside any experiment without a name."""
    assert root_attributes("fit", PASS["attributes"]) == OWN
    assert root_attributes(None, {}) == {}


def test_the_start_of_a_pass():
    """How the solve is made, and whose it is: what was first is dropped first, so the user's own are in front."""
    record = PassStarted(
        **PASS, solver="Tsit5", adjoint="a", controller="c", rtol=1e-3, t0=0, t1="Infinity", batch_shape=[2, 3]
    )
    known = {
        "soltrace.run_id": "run",
        "soltrace.solve_id": "run.1",
        "soltrace.pass_id": "run.1.forward",
        "soltrace.phase": "forward",
        "soltrace.solver": "Tsit5",
        "soltrace.adjoint": "a",
        "soltrace.controller": "c",
        "soltrace.rtol": 1e-3,
        "soltrace.t0": 0.0,
        "soltrace.t1": math.inf,
        "soltrace.batch_shape": [2, 3],
    }
    assert list(start_attributes(record).items()) == list((OWN | known).items())


def test_the_end_of_a_pass():
    """What became of it, and nothing that the span says already."""
    record = PassEnded(
        **PASS,
        status="error",
        result="max_steps_reached",
        duration_s=1.0,
        progress=0.5,
        t=0.5,
        step=3,
        steps=Steps(accepted=2, rejected=1),
        lanes=Lanes(total=2, finished=2, failed=1, progress_min=0.5, progress_median=0.5, progress_max=1.0),
    )
    assert end_attributes(record) == {
        "soltrace.status": "error",
        "soltrace.result": "max_steps_reached",
        "soltrace.progress": 0.5,
        "soltrace.t": 0.5,
        "soltrace.step": 3,
        "soltrace.steps.accepted": 2,
        "soltrace.steps.rejected": 1,
        "soltrace.lanes.total": 2,
        "soltrace.lanes.finished": 2,
        "soltrace.lanes.failed": 1,
        "soltrace.lanes.progress_min": 0.5,
        "soltrace.lanes.progress_median": 0.5,
        "soltrace.lanes.progress_max": 1.0,
    }


@pytest.mark.parametrize(
    "text, number", [("NaN", math.nan), ("Infinity", math.inf), ("-Infinity", -math.inf), (2, 2.0)]
)
def test_numbers_are_floats(text, number):
    """Whatever JSON makes of them: an attribute has one type, or else a backend takes the first one that it saw."""
    record = PassProgress(**PASS, step=1, progress=0.5, t=text)
    chosen = chosen_attributes(record, "t", "step", "steps.accepted")
    assert chosen == {"soltrace.t": pytest.approx(number, nan_ok=True), "soltrace.step": 1}
    assert [type(value) for value in chosen.values()] == [float, int]


def test_otlp_takes_whatever_an_attribute_may_be():
    """Each form is of one type, and text that can be encoded; ints that are too large are text."""
    forms = [value for value, _ in FORMS.values()]
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with capture(tracing=Spans(provider)):
        for value in forms:
            with experiment("fit", v=value):
                pass
    spans = exporter.get_finished_spans()
    # Fewer where the SDK has refused one.
    kept = [sum("attributes.v" in name for name in span.attributes) for span in spans]
    assert kept == [len(plain_attributes({"v": value})) for value in forms]
    assert encode_spans(spans).SerializeToString()
