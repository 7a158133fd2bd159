"""The records: what an emission means, as immutable typed values. One record is one line of the JSON log.

All rooms share this module, and it imports none of them. The wire format follows from the types: the tag of a class is
its ``event``, its fields are the line's keys, and ``schema.json`` is generated from them (`soltrace.wire.schema`).
An optional field that is not known is `UNSET` and is left out of the line.
"""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal, TypeAlias

from msgspec import UNSET, Struct, UnsetType

SCHEMA_VERSION: Final = 1
"""Version of the wire format. It grows when a field changes its meaning or goes, not when one is added."""

Phase: TypeAlias = Literal["forward", "backward"]
Status: TypeAlias = Literal["ok", "error"]
Level: TypeAlias = Literal["debug", "info", "warning", "error"]
Number: TypeAlias = float | Literal["NaN", "Infinity", "-Infinity"]
"""A float as strict JSON can carry it: null would hide the evidence of a non-finite value."""
Scalar: TypeAlias = bool | int | float | str
Attribute: TypeAlias = Scalar | list[Scalar]


def json_number(value: float) -> Number:
    """Turn a float into what strict JSON can carry."""
    if math.isfinite(value):
        return float(value)
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


class Steps(Struct, frozen=True, kw_only=True):
    """Numerical steps by outcome. Of a batch: the sum over its lanes."""

    accepted: int
    rejected: int
    recomputed: int | UnsetType = UNSET
    """Forward steps that a backward pass evaluated again (checkpointing)."""


class Lanes(Struct, frozen=True, kw_only=True):
    """What a batch as a whole is doing. Progress is unitless, in [0, 1]."""

    total: int
    finished: int
    failed: int
    progress_min: float
    progress_median: float
    progress_max: float


class Record(Struct, frozen=True, kw_only=True, tag_field="event"):
    """What every line carries."""

    timestamp: datetime
    """UTC. On the wire RFC 3339 with six digits of a second and `Z`."""
    level: Level = "info"
    schema: int = SCHEMA_VERSION
    run_id: str
    experiment: str | None
    """Names of the open experiments, outermost first, joined by `/`."""
    attributes: Mapping[str, Attribute]
    """The experiment's; on the lines of a pass the solve's too, which win."""
    process_index: int | UnsetType = UNSET
    trace_id: str | UnsetType = UNSET
    """32 hexadecimal digits, where a span is recorded."""
    span_id: str | UnsetType = UNSET
    """16 hexadecimal digits."""


class LogOpened(Record, frozen=True, kw_only=True, tag="log.opened"):
    """First line of a file: where this run lives."""

    resource: Mapping[str, Attribute]


class ExperimentStarted(Record, frozen=True, kw_only=True, tag="experiment.started"):
    """An experiment was entered."""


class ExperimentEnded(Record, frozen=True, kw_only=True, tag="experiment.ended"):
    """An experiment was left, and its passes are over."""

    status: Status
    duration_s: float
    error: str | UnsetType = UNSET
    """Type and message of the exception that left the experiment."""


class ProgramCompiled(Record, frozen=True, kw_only=True, tag="program.compiled"):
    """A program that holds a solve was compiled: until now nothing ran."""

    function: str
    """The name of what was compiled, as jax says it."""
    trace_s: float
    """0 where it had been traced before."""
    lower_s: float
    compile_s: float


class PassRecord(Record, frozen=True, kw_only=True):
    """What every line of a pass carries."""

    solve_id: str
    pass_id: str
    phase: Phase


class PassStarted(PassRecord, frozen=True, kw_only=True, tag="pass.started"):
    """A pass begins; nothing was stepped yet. A value that differs between lanes is left out."""

    solver: str
    adjoint: str
    controller: str
    rtol: Number | UnsetType = UNSET
    atol: Number | UnsetType = UNSET
    t0: Number | UnsetType = UNSET
    t1: Number | UnsetType = UNSET
    max_steps: int | None = None
    batch_shape: list[int]
    """Sizes of the enclosing vmaps, outermost first; empty for a single solve."""
    forward_pass_id: str | UnsetType = UNSET
    """On a backward pass: the forward pass it belongs to."""


class PassProgress(PassRecord, frozen=True, kw_only=True, tag="pass.progress"):
    """Where a pass is. With `batch_index`: one lane of it. With `lanes`: the batch as a whole, by its slowest lane."""

    step: int
    """Steps attempted so far; in a backward pass, steps transposed so far."""
    progress: float
    """Unitless, in [0, 1], never falling within a pass or lane."""
    t: Number | UnsetType = UNSET
    steps: Steps | UnsetType = UNSET
    """Not known of a backward pass under way."""
    batch_index: list[int] | UnsetType = UNSET
    lanes: Lanes | UnsetType = UNSET


class PassHeartbeat(PassRecord, frozen=True, kw_only=True, tag="pass.heartbeat"):
    """A pass that is open for long is alive, or is not: said every few seconds, whether it reports or not."""

    open_s: float
    """Since its start."""
    silent_s: float
    """Since the last sign of life."""
    stalled: bool
    """It has been silent for ten times as long as is usual for it."""
    step: int
    progress: float
    t: Number | UnsetType = UNSET
    rate: float
    """Progress per second, over all the time that it is open."""
    eta_s: float | UnsetType = UNSET
    """Seconds until it is over, if it goes on at that rate. Not known of a pass that has not moved."""


class LaneEnded(PassRecord, frozen=True, kw_only=True, tag="lane.ended"):
    """One lane of a batch is over: said once, and no line about this lane follows."""

    batch_index: list[int]
    status: Status
    result: str
    progress: float
    t: Number | UnsetType = UNSET
    t0: Number | UnsetType = UNSET
    t1: Number | UnsetType = UNSET
    step: int
    steps: Steps | UnsetType = UNSET
    """Not known of a progress meter's."""


class PassEnded(PassRecord, frozen=True, kw_only=True, tag="pass.ended"):
    """A pass is over: exactly one per pass. Of a batch: its slowest lane's `progress`, `t`, `step`; all `steps`."""

    status: Status
    """`error` if any lane failed."""
    result: str
    """diffrax's name of it, of the first failing lane if there is one; `abandoned` of a pass that never ended."""
    duration_s: float
    progress: float
    """The true one: a solve stopped by an event at t = 0.3 of [0, 1] ends at 0.3."""
    t: Number | UnsetType = UNSET
    step: int
    steps: Steps | UnsetType = UNSET
    """Not known of a progress meter's."""
    lanes: Lanes | UnsetType = UNSET


class TelemetryDropped(Record, frozen=True, kw_only=True, tag="telemetry.dropped"):
    """Something was lost: how many, of what, and why."""

    dropped: int
    what: str
    reason: str


AnyRecord: TypeAlias = (
    LogOpened
    | ExperimentStarted
    | ExperimentEnded
    | ProgramCompiled
    | PassStarted
    | PassProgress
    | PassHeartbeat
    | LaneEnded
    | PassEnded
    | TelemetryDropped
)
