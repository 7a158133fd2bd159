from datetime import UTC, datetime

import pytest

from soltrace.sinks.otel import fields_of
from soltrace.wire.record_parts import Lanes, Steps
from soltrace.wire.records import (
    ExperimentEnded,
    LaneEnded,
    LogOpened,
    PassEnded,
    PassHeartbeat,
    PassProgress,
    PassStarted,
    ProgramCompiled,
    TelemetryDropped,
)

COMMON = {
    "timestamp": datetime(2026, 1, 1, 12, 30, tzinfo=UTC),
    "run_id": "run",
    "experiment": "fit",
    "attributes": {"seed": 3},
}
BOUND = {"request": "a", "huge": 2**64, "several": [1, "b", 2**63]}
PASS = COMMON | {"solve_id": "run.1", "pass_id": "run.1.forward", "phase": "forward"}
LANES = Lanes(total=2, finished=1, failed=0, progress_min=0.25, progress_median=0.5, progress_max=1.0)
RECORDS = [
    LogOpened(**COMMON, resource={"host.name": "a", "ids": [1, 2**70], "jax": "0.12"}),
    ExperimentEnded(**COMMON, status="error", duration_s=1.5, error="ValueError: no", context=BOUND),
    ProgramCompiled(**COMMON, function="f", trace_s=0.5, lower_s=0.0, compile_s=2.0),
    PassStarted(
        **PASS, solver="a", adjoint="b", controller="c", t0="NaN", max_steps=None, batch_shape=[], trace_id="1"
    ),
    PassStarted(
        **PASS, solver="a", adjoint="b", controller="c", rtol=1e-3, max_steps=9, batch_shape=[2], context=BOUND
    ),
    PassProgress(
        **PASS, step=2**63, progress=0.5, steps=Steps(accepted=2**63, rejected=1), batch_index=[1], lanes=LANES
    ),
    PassHeartbeat(**PASS, open_s=1.0, silent_s=2, stalled=True, step=3, progress=0.5, rate=0.1),
    LaneEnded(**PASS, batch_index=[0], status="ok", result="successful", progress=1.0, step=3),
    PassEnded(
        **PASS | {"phase": "backward", "process_index": 0},
        status="ok",
        result="successful",
        duration_s=1.0,
        progress=1.0,
        step=3,
        steps=Steps(accepted=1, rejected=0, recomputed=2),
        lanes=LANES,
    ),
    TelemetryDropped(**COMMON, dropped=1, what="span", reason="queue full"),
]


SAID_FIRST = frozenset({"timestamp", "level", "event"})


@pytest.mark.parametrize(
    "record", RECORDS, ids=[f"{type(record).__name__}{number}" for number, record in enumerate(RECORDS)]
)
@pytest.mark.parametrize("without", [SAID_FIRST, SAID_FIRST | {"run_id", "steps", "resource"}])
def test_attributes_are_the_fields_of_the_flat_form(record, without):
    """A field at a time, in the same order: nothing is added, left out or written otherwise than on a line."""
    expected = {}
    for name, value in record.flat.items():
        if name.partition(".")[0] in without or value is None:
            continue
        inner = value.items() if isinstance(value, dict) else [("", value)]
        expected |= {f"soltrace.{name}.{key}".rstrip("."): otlp(item) for key, item in inner}
    assert list(fields_of(record, without=without).items()) == list(expected.items())


def otlp(value):
    """The protocol has no larger ints."""
    if isinstance(value, list):
        return [otlp(item) for item in value]
    return str(value) if isinstance(value, int) and value >= 2**63 else value
