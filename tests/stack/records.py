"""One record of every kind, with every field that it can have, and values that are easily changed on the way."""

from datetime import UTC, datetime, timedelta
from itertools import count

from soltrace.wire import records
from soltrace.wire.record_parts import Lanes, Steps, Usage
from soltrace.wire.records import AnyRecord
from soltrace.wire.step_fields import AttemptedSteps, ExplodedGradient, Nonfinite

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
SPAN_ID = "b7ad6b7169203331"
STARTED = datetime.now(UTC).replace(microsecond=120)
"""With zeros at the end of the second's fraction, which some writers leave out."""


def every_record(run_id: str) -> list[AnyRecord]:
    """A millisecond apart, in the order of the union `AnyRecord`."""
    number = count()

    def line(**changed):
        common = {
            "timestamp": STARTED + next(number) * timedelta(milliseconds=1),
            "run_id": run_id,
            "experiment": "sweep/fit",
            "attributes": {"seed": 3, "lr": 1e-3, "whole": 2.0, "name": "x.y", "dry": False, "mixed": [1, 2.5]},
            "process_index": 0,
            "trace_id": TRACE_ID,
            "span_id": SPAN_ID,
        }
        return common | changed

    def of_pass(**changed):
        named = {"solve_id": f"{run_id}.1", "pass_id": f"{run_id}.1.backward", "phase": "backward"}
        return line(**named | changed)

    steps = Steps(accepted=11, rejected=0, recomputed=22)
    lanes = Lanes(total=3, finished=2, failed=1, progress_min=0.0, progress_median=0.5, progress_max=1.0)
    nonfinite = Nonfinite(
        step=3, t=0.5, dt=0.25, found_in="vector field", stage=2, path="y['m'][3]", value="NaN", before=1.0, primal=2.0
    )
    return [
        records.LogOpened(
            **line(experiment=None, attributes={}),
            resource={"host": "node7", "pid": 4228, "devices": ["cpu", "cpu"], "jax.version": "0.10.2"},
            parent_span_id=SPAN_ID,
            continues="20260101T000000Z-node6-11",
        ),
        records.LogResource(**line(experiment=None, attributes={}), resource={"host": "node7", "backend": "cpu"}),
        records.ExperimentStarted(**line(), context={"request": "r-17", "n": 2, "event": "theirs", "t": [0.5]}),
        records.ExperimentEnded(**line(level="error"), status="error", duration_s=2.0, error="ValueError: no\nway"),
        records.ProgramCompiled(**line(), function="<lambda>", trace_s=0, lower_s=0.25, compile_s=1e-9),
        records.PassStarted(
            **of_pass(level="debug"),
            solver="Tsit5",
            adjoint="RecursiveCheckpointAdjoint",
            controller="PIDController",
            rtol=1e-05,
            atol="NaN",
            t0=0.0,
            t1="Infinity",
            max_steps=None,
            batch_shape=[],
            forward_pass_id=f"{run_id}.1.forward",
        ),
        records.PassProgress(
            **of_pass(),
            step=7,
            progress=1 / 3,
            t=2.0,
            steps=steps,
            batch_index=[0, 2],
            lanes=lanes,
            watched={"energy": 0.5, "mass": "NaN"},
        ),
        records.PassSteps(
            **of_pass(), attempts=AttemptedSteps(step=[1], t=[0.0], dt=[0.5], accepted=[True], reason=[""])
        ),
        records.LaneNonfinite(**of_pass(level="warning"), batch_index=[2], nonfinite=nonfinite),
        records.PassHeartbeat(
            **of_pass(level="warning"),
            open_s=30.0,
            silent_s=1.5,
            stalled=True,
            step=7,
            progress=0.1,
            t=1e22,
            rate=0.0,
            eta_s=9.0,
            doing="step",
            usage=Usage(
                memory_bytes=2**31,
                cpu_utilization=0.125,
                device_memory_bytes=2**33,
                device_memory_limit_bytes=2**36,
                device_utilization=0.75,
            ),
        ),
        records.RunHeartbeat(**line(), silent_s=30.0, doing="compiling", usage=Usage(memory_bytes=2**31)),
        records.LaneEnded(
            **of_pass(),
            batch_index=[2],
            status="ok",
            result="successful",
            progress=1.0,
            t=1.0,
            t0=0.0,
            t1=1.0,
            step=11,
            steps=Steps(accepted=11, rejected=0),
        ),
        records.PassEnded(
            **of_pass(level="error"),
            status="error",
            result="max_steps_reached",
            duration_s=0.0015292629996110918,
            progress=0.3,
            t=-0.0,
            step=4096,
            steps=steps,
            lanes=lanes,
            watched={"energy": 0.5},
            nonfinite=nonfinite,
            exploded=ExplodedGradient(
                batch_index=[2],
                lanes=3,
                step=3,
                t=0.5,
                dt=0.25,
                path="y['m'][3]",
                value=2e7,
                primal=0.5,
                arrived=1.0,
                largest=1e30,
            ),
        ),
        records.TelemetryDropped(**line(level="warning"), dropped=2**53 + 1, what="event", reason="the queue was full"),
        records.RunEnded(
            **line(experiment=None, attributes={}, level="error"), status="error", duration_s=9.5, error="SIGTERM"
        ),
    ]
