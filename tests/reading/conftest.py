"""Sample logs, written from the record types themselves."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from msgspec import UNSET

from soltrace.wire.record_parts import Lanes, Steps
from soltrace.wire.records import (
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
    Record,
    RunEnded,
    RunHeartbeat,
    TelemetryDropped,
)
from soltrace.wire.step_fields import AttemptedSteps, Nonfinite

START = datetime(2026, 11, 25, 3, 24, 29, 123_456, tzinfo=UTC)


class Log:
    """Make the records of one run. `at` is seconds after its beginning."""

    def __init__(self, run_id: str = "r1", experiment: str | None = "fit", start: datetime = START, **attributes):
        self.run_id = run_id
        self.experiment = experiment
        self.start = start
        self.attributes = attributes

    def _common(self, at: float, **more) -> dict:
        moment = self.start + timedelta(seconds=at)
        attributes = self.attributes
        return {
            "timestamp": moment,
            "run_id": self.run_id,
            "experiment": self.experiment,
            "attributes": attributes,
        } | more

    def _pass(self, at: float, solve: int, phase: str, **more) -> dict:
        solve_id = f"{self.run_id}.{solve}"
        return self._common(at, solve_id=solve_id, pass_id=f"{solve_id}.{phase}", phase=phase) | more

    def resource(self, at: float = 0, **resource) -> LogResource:
        return LogResource(**self._common(at, experiment=None, attributes={}), resource=resource)

    def opened(self, at: float = 0, **resource) -> LogOpened:
        return LogOpened(**self._common(at, experiment=None, attributes={}), resource=resource)

    def experiment_started(self, at: float) -> ExperimentStarted:
        return ExperimentStarted(**self._common(at))

    def experiment_ended(self, at: float, *, error: str | None = None) -> ExperimentEnded:
        status = "ok" if error is None else "error"
        error = UNSET if error is None else error
        return ExperimentEnded(**self._common(at), status=status, duration_s=at, error=error)

    def run_heartbeat(self, at: float) -> RunHeartbeat:
        return RunHeartbeat(**self._common(at, experiment=None, attributes={}), silent_s=30.0, doing="elsewhere")

    def run_ended(self, at: float, *, error: str | None = None) -> RunEnded:
        status = "ok" if error is None else "error"
        error = UNSET if error is None else error
        return RunEnded(**self._common(at, experiment=None, attributes={}), status=status, duration_s=at, error=error)

    def compiled(self, at: float, function: str = "fit", **more) -> ProgramCompiled:
        return ProgramCompiled(
            **self._common(at) | {"function": function, "trace_s": 0.8, "lower_s": 0.1, "compile_s": 1.1} | more
        )

    def started(self, at: float, solve: int = 1, phase: str = "forward", *, lanes: Sequence[int] = (), **more):
        values = {
            "solver": "Tsit5",
            "adjoint": "RecursiveCheckpointAdjoint",
            "controller": "PIDController",
            "t0": 0.0,
            "t1": 100.0,
            "max_steps": 4096,
            "batch_shape": list(lanes),
        }
        return PassStarted(**self._pass(at, solve, phase) | values | more)

    def progress(self, at: float, solve: int = 1, phase: str = "forward", *, progress: float, step: int, **more):
        return PassProgress(
            **self._pass(at, solve, phase) | {"step": step, "progress": progress, "t": 100 * progress} | more
        )

    def heartbeat(self, at: float, solve: int = 1, phase: str = "forward", **more):
        values = {
            "open_s": 12.0,
            "silent_s": 2.0,
            "stalled": False,
            "step": 50,
            "progress": 0.25,
            "t": 25.0,
            "rate": 0.02,
            "eta_s": 36.0,
        }
        return PassHeartbeat(**self._pass(at, solve, phase) | values | more)

    def steps(self, at: float, solve: int = 1, phase: str = "forward", *, lane: Sequence[int] | None = None, **columns):
        """Attempted steps, as columns, of one lane."""
        lanes = UNSET if lane is None else [list(lane)] * len(columns["step"])
        return PassSteps(**self._pass(at, solve, phase), attempts=AttemptedSteps(**{"batch_index": lanes, **columns}))

    def nonfinite(
        self, at: float, solve: int = 1, phase: str = "forward", *, lane: Sequence[int] | None = None, **found
    ):
        values = {"step": 60, "t": 10.0, "dt": 0.5, "found_in": "vector field", "stage": 2, "path": "y['gate'][0]"}
        whose = UNSET if lane is None else list(lane)
        return LaneNonfinite(
            **self._pass(at, solve, phase),
            batch_index=whose,
            nonfinite=Nonfinite(**values | {"value": "NaN", "before": 0.25} | found),
        )

    def lane_ended(self, at: float, solve: int = 1, phase: str = "forward", *, lane: Sequence[int], **more):
        values = {
            "batch_index": list(lane),
            "status": "ok",
            "result": "successful",
            "progress": 1.0,
            "t": 100.0,
            "t0": 0.0,
            "t1": 100.0,
            "step": 120,
            "steps": Steps(accepted=117, rejected=3),
        }
        return LaneEnded(**self._pass(at, solve, phase) | values | more)

    def ended(self, at: float, solve: int = 1, phase: str = "forward", **more):
        values = {
            "status": "ok",
            "result": "successful",
            "duration_s": 1.24,
            "progress": 1.0,
            "t": 100.0,
            "step": 4602,
            "steps": Steps(accepted=4585, rejected=17),
        }
        return PassEnded(**self._pass(at, solve, phase) | values | more)

    def dropped(self, at: float, count: int) -> TelemetryDropped:
        return TelemetryDropped(**self._common(at), dropped=count, what="pass.progress", reason="queue full")

    @staticmethod
    def lanes(total: int, finished: int, failed: int = 0) -> Lanes:
        return Lanes(
            total=total, finished=finished, failed=failed, progress_min=0.1, progress_median=0.5, progress_max=1.0
        )

    @staticmethod
    def line(record: Record, **more) -> bytes:
        """Write a record as it stands in a log; `more` are fields beside its own."""
        values = msgspec.to_builtins(record) | {"timestamp": f"{record.timestamp:%Y-%m-%dT%H:%M:%S.%fZ}"} | more
        return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def append(cls, path: Path, *records: Record | bytes) -> None:
        """Write lines at the end of a file."""
        with path.open("ab") as file:
            file.write(b"".join(r if isinstance(r, bytes) else cls.line(r) for r in records))


@pytest.fixture
def log() -> Log:
    """The records of a run `r1` in an experiment `fit`."""
    return Log()


@pytest.fixture(scope="session")
def logs() -> type[Log]:
    """To make the records of several runs or experiments."""
    return Log


class Heard(list):
    """What a follower said."""

    def __call__(self, message: str) -> None:
        self.append(message)


@pytest.fixture
def say() -> Heard:
    """To look at what a follower said."""
    return Heard()
