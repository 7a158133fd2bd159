import json
from datetime import UTC, datetime

import jsonschema
import msgspec
import pytest

from soltrace.wire.json_line import json_line
from soltrace.wire.record_parts import Lanes, Steps, Usage
from soltrace.wire.records import (
    AnyRecord,
    ExperimentEnded,
    ExperimentStarted,
    LaneEnded,
    LaneNonfinite,
    LogOpened,
    LogResource,
    PassEnded,
    PassHeartbeat,
    PassProgress,
    PassStarted,
    PassSteps,
    ProgramCompiled,
    RunEnded,
    RunHeartbeat,
    TelemetryDropped,
)
from soltrace.wire.schema import FILE, schema, text
from soltrace.wire.step_fields import AttemptedSteps, ExplodedGradient, Nonfinite
from soltrace.wire.verdicts import Verdict

COMMON = {
    "timestamp": datetime(2026, 1, 1, tzinfo=UTC),
    "run_id": "run",
    "experiment": None,
    "attributes": {"a": [1, "b"]},
}
PASS = COMMON | {"solve_id": "run.1", "pass_id": "run.1.forward", "phase": "forward"}
STEPS = Steps(accepted=1, rejected=0, recomputed=2)
ENDED = {"status": "ok", "result": "successful", "progress": 1.0, "t": 1.0, "step": 1, "steps": STEPS}
LANES = Lanes(total=2, finished=1, failed=0, progress_min=0.0, progress_median=0.5, progress_max=1.0)
NONFINITE = Nonfinite(
    step=3, t=0.5, dt=0.1, found_in="vector field", stage=2, path="y['m'][3]", value="NaN", before=1.0
)
EXPLODED = ExplodedGradient(
    batch_index=[1], lanes=2, step=3, t=0.5, dt=0.1, path="y[3]", value=2e7, primal=1.0, arrived=1.0, largest=1e30
)
RECORDS = [
    LogOpened(**COMMON, resource={"pid": 1}, parent_span_id="0" * 16, continues="former", part=2),
    ExperimentStarted(**COMMON, trace_id="0" * 32, span_id="0" * 16),
    ExperimentEnded(**COMMON, status="error", duration_s=1.0, error="ValueError: no"),
    PassStarted(
        **PASS,
        solver="a",
        adjoint="b",
        controller="c",
        rtol="NaN",
        t0=0,
        t1=1.0,
        max_steps=None,
        batch_shape=[2],
        dtype="float32",
    ),
    PassProgress(**PASS, step=1, progress=0.5, t="Infinity", steps=STEPS, lanes=LANES),
    ProgramCompiled(**COMMON, function="fit", trace_s=0.8, lower_s=0.1, compile_s=1.2, arguments=["float32[3]"]),
    RunHeartbeat(**COMMON, silent_s=30.0, doing="compiling", usage=Usage(memory_bytes=2**30)),
    PassHeartbeat(
        **PASS,
        open_s=9.0,
        silent_s=1.0,
        stalled=False,
        step=1,
        progress=0.5,
        t=0.5,
        rate=0.1,
        eta_s=5.0,
        doing="step",
        usage=Usage(
            memory_bytes=2**30,
            cpu_utilization=0.5,
            device_memory_bytes=1,
            device_memory_limit_bytes=2,
            device_utilization=1,
        ),
    ),
    PassSteps(
        **PASS,
        attempts=AttemptedSteps(
            step=[1, 1],
            t=[0.0, 0.0],
            dt=[0.5, "NaN"],
            accepted=[True, False],
            reason=["", "error"],
            scaled_error=[0.5, "Infinity"],
            error_in=["y[1]", ""],
            error_share=[0.75, "NaN"],
            batch_index=[[0], [1]],
        ),
    ),
    LaneNonfinite(**PASS, level="warning", batch_index=[1], nonfinite=NONFINITE),
    LaneEnded(**PASS, **ENDED, batch_index=[1], t0=0.0, t1=1.0),
    PassEnded(
        **PASS,
        **ENDED,
        duration_s=1.0,
        process_index=3,
        watched={"energy": 2.0},
        nonfinite=NONFINITE,
        exploded=EXPLODED,
        verdict=Verdict(kind="stiff", text="it is", advice="do not"),
    ),
    TelemetryDropped(**COMMON, level="warning", dropped=1, what="progress", reason="queue full"),
    LogResource(**COMMON, resource={"pid": 1, "backend": "cpu"}),
    RunEnded(**COMMON, level="error", status="error", duration_s=1.0, error="SIGTERM"),
]


def written(record):
    """A record as the log has it."""
    return json.loads(json_line(record))


def test_the_shipped_schema_is_the_generated_one():
    """`python -m soltrace.wire.schema` writes it anew."""
    assert FILE.read_text(encoding="utf-8") == text()


def test_the_schema_is_one():
    """By its own rules."""
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_every_record_is_written_as_the_schema_says_and_read_as_it_was(record):
    """All kinds, with what they carry only sometimes."""
    line = written(record)
    jsonschema.Draft202012Validator(schema()).validate(line)
    assert msgspec.convert(line, AnyRecord) == record


def test_all_kinds_are_tested():
    """A new kind of record is written and read here too."""
    assert {type(record).__name__ for record in RECORDS} == set(schema()["$defs"]) - {
        "Steps",
        "Lanes",
        "Usage",
        "AttemptedSteps",
        "Nonfinite",
        "ExplodedGradient",
        "Verdict",
    }


@pytest.mark.parametrize(
    "change",
    [
        {"timestamp": "2026-01-01T00:00:00Z"},
        {"timestamp": "2026-01-01T00:00:00.000000+00:00"},
        {"schema": 2},
        {"event": "pass.paused"},
        {"steps": None},
        {"attributes": {"a": {"b": 1}}},
        {"progress": "NaN"},
    ],
    ids=lambda change: "-".join(f"{key}={value}" for key, value in change.items()),
)
def test_other_lines_are_not_valid(change):
    """The schema is as strict as the writer."""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema()).validate(written(RECORDS[4]) | change)
