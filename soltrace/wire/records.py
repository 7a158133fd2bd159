"""The records: what an emission means, as immutable typed values. One record is one line of the JSON log.

Any side, any thread. The wire format follows from the types: the tag of a class is its `event`, its fields are the
line's keys, and `schema.json` is generated from them (`soltrace.wire.schema`). A record equals what its line decodes
to. An optional field that is not known is `UNSET`, and is left out of the line.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

from msgspec import UNSET, Struct, UnsetType

from soltrace.wire.flat import flattened, line_of
from soltrace.wire.line_values import Attribute, Number, Watched
from soltrace.wire.line_values import Scalar as Scalar  # noqa: PLC0414 - handed on
from soltrace.wire.line_values import json_number as json_number  # noqa: PLC0414 - handed on
from soltrace.wire.record_parts import Lanes, Steps, Usage
from soltrace.wire.step_fields import AttemptedSteps, ExplodedGradient, Nonfinite
from soltrace.wire.verdicts import Verdict

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
SCHEMA_VERSION: Final = 1
"""Version of the wire format. It grows when a field changes its meaning or goes, not when one is added."""

Phase: TypeAlias = Literal["forward", "backward"]
"""The half of a solve that a pass is."""
Status: TypeAlias = Literal["ok", "error"]
"""How something ended."""
Level: TypeAlias = Literal["debug", "info", "warning", "error"]
"""The severity of a line, by structlog's names."""


# `dict=True` is the room in which the cached properties are kept; no field of a record is in it.
class Record(Struct, frozen=True, kw_only=True, tag_field="event", dict=True):
    """What every line carries. Each record is of one of its subclasses."""

    # A datetime, not nanoseconds: msgspec decodes it without a call of Python. A type of our own would need one for
    # each line: 0.7 us where the whole line takes 1.7.
    timestamp: datetime
    """When it happened: UTC, to the microsecond. On the wire RFC 3339 with six digits of a second and `Z`."""
    level: Level = "info"
    """`error` on the last line of what failed; `warning` where a pass stalls or telemetry was lost."""
    schema: int = SCHEMA_VERSION
    """Version of the wire format."""
    run_id: str
    """The run that wrote the line. Its log file is called so, without the ending."""
    experiment: str | None
    """Names of the open experiments, outermost first, joined by `/`. None outside any experiment."""
    attributes: Mapping[str, Attribute]
    """The experiment's attributes. On the lines of a pass the solve's too, which win."""
    process_index: int | UnsetType = UNSET
    """Which of the processes of one multi-process JAX program wrote the line, from 0. Not known of a single process."""
    trace_id: str | UnsetType = UNSET
    """The trace, in 32 hexadecimal digits. Not known where the span is not sampled, or there are to be none."""
    span_id: str | UnsetType = UNSET
    """The span of the pass, of the experiment or of the run, in 16 hexadecimal digits. Known where the trace is.

    Where nobody records spans, it is the one that `soltrace ship` makes of the log.
    """
    context: Mapping[str, Attribute] | UnsetType = UNSET
    """What the caller had bound with `structlog.contextvars`. On a line, each name is a key of its own.

    One that a line has already gets `context.` in front. A record that is read from a line has none of it.
    """

    @cached_property
    def time_ns(self) -> int:
        """The timestamp in nanoseconds since 1970."""
        return (self.timestamp - _EPOCH) // _MICROSECOND * 1000  # not `timestamp()`: a float rounds

    @cached_property
    def line(self) -> Mapping[str, Any]:
        """The object that the record's line holds: plain values, `timestamp`, `level` and `event` first.

        Made at the first use and shared from then on: not to be changed.
        """
        line = line_of(self)
        context: dict[str, Any] = line.pop("context", {})
        return line | {f"context.{name}" if name in TAKEN else name: value for name, value in context.items()}

    @cached_property
    def flat(self) -> Mapping[str, Any]:
        """The same values with nested structs flattened: `steps.accepted` instead of `accepted` within `steps`.

        Made at the first use and shared from then on: not to be changed.
        """
        if self.context is UNSET:
            return flattened(self, self.line)
        own = {name: value for name, value in self.line.items() if name in TAKEN}
        return flattened(self, own) | {f"context.{name}": value for name, value in self.context.items()}


class LogOpened(Record, frozen=True, kw_only=True, tag="log.opened"):
    """The first line of a log, and of each part of one: where this run lives."""

    resource: Mapping[str, Attribute]
    """Host, process, versions, devices where they are known, and the scheduler's job where there is one."""
    parent_span_id: str | UnsetType = UNSET
    """The span of another process that this run is under, in 16 hexadecimal digits.

    Known where `TRACEPARENT` or the process that has started this one says so. With a `span_id` it is the parent of the
    run's span, or else of its experiments' and of the passes outside of them.
    """
    continues: str | UnsetType = UNSET
    """The run of the same task that the scheduler had ended before it ran the task again, if its log is there."""
    part: int | UnsetType = UNSET
    """Which part of the run's log begins with this line, from 2. Not there at the beginning of the run."""


class LogResource(Record, frozen=True, kw_only=True, tag="log.resource"):
    """Where this run lives, as far as it was not known when the log was opened: said once, with the first pass."""

    resource: Mapping[str, Attribute]
    """What `log.opened` told, and what jax computes on."""


class RunEnded(Record, frozen=True, kw_only=True, tag="run.ended"):
    """A run is over that has a span of its own, which is where a scheduler has started its process.

    It is missing where the process had no time for it: after SIGKILL, for instance.
    """

    status: Status
    """`error` if something has ended the process that should not have, as far as the process can know."""
    duration_s: float
    """Seconds since the run was opened."""
    error: str | UnsetType = UNSET
    """What has ended it: type and message of an exception that nobody caught, or the name of a signal."""


class ExperimentStarted(Record, frozen=True, kw_only=True, tag="experiment.started"):
    """An experiment was entered."""


class ExperimentEnded(Record, frozen=True, kw_only=True, tag="experiment.ended"):
    """An experiment was left, and its passes are over."""

    status: Status
    """`error` if an exception left the experiment."""
    duration_s: float
    """Seconds since it was entered, passes that were waited for included."""
    error: str | UnsetType = UNSET
    """Type and message of the exception that left the experiment."""


class ProgramCompiled(Record, frozen=True, kw_only=True, tag="program.compiled"):
    """A program that holds a solve was compiled: until now nothing ran."""

    function: str
    """The name of what was compiled, as JAX reports it."""
    trace_s: float
    """Seconds spent tracing; 0 where it had been traced before."""
    lower_s: float
    """Seconds spent lowering to StableHLO."""
    compile_s: float
    """Seconds spent in the backend's compiler; short where the persistent compilation cache had the program."""
    arguments: list[str] | UnsetType = UNSET
    """The types of what it takes, such as `float32[3]`, the first 64: what changes between two compilations of one."""


class RunHeartbeat(Record, frozen=True, kw_only=True, tag="run.heartbeat"):
    """A run is alive of which no pass is open: said every half minute while an experiment is, or a program compiles.

    A run that has a span of its own says so at any time, for it is not over before its last line, `run.ended`.
    """

    silent_s: float
    """Seconds since its last line of another kind."""
    doing: str
    """`compiling` or `tracing` where a thread is in jax's compiler or tracer, `elsewhere` in anything else."""
    usage: Usage | UnsetType = UNSET
    """What the process takes meanwhile."""


class PassRecord(Record, frozen=True, kw_only=True):
    """What every line of a pass carries."""

    solve_id: str
    """The solve, unique among all runs. Its forward and its backward passes share it."""
    pass_id: str
    """The pass, unique among all runs."""
    phase: Phase
    """Whether it is the forward or a backward pass."""


class PassStarted(PassRecord, frozen=True, kw_only=True, tag="pass.started"):
    """A pass begins; no step has been taken yet. A value that differs between lanes is left out."""

    solver: str
    """The solver's class, such as `Tsit5`."""
    adjoint: str
    """The adjoint's class, such as `RecursiveCheckpointAdjoint`."""
    controller: str
    """The step size controller's class, such as `PIDController`."""
    rtol: Number | UnsetType = UNSET
    """Relative tolerance, unitless. Not known of a controller that has none."""
    atol: Number | UnsetType = UNSET
    """Absolute tolerance, in the units of the state. Not known of a controller that has none."""
    t0: Number | UnsetType = UNSET
    """Where the integration starts, in the user's time: above `t1` if it runs backwards in time."""
    t1: Number | UnsetType = UNSET
    """Where it is to end, in the user's time."""
    max_steps: int | None = None
    """The most steps that the solver may attempt; None without a limit."""
    dtype: str | UnsetType = UNSET
    """The type of the state's numbers, such as `float32`. Not known of a backward pass, nor to a progress meter."""
    batch_shape: list[int]
    """Sizes of the enclosing vmaps, outermost first; empty for a single solve."""
    forward_pass_id: str | UnsetType = UNSET
    """On a backward pass: the forward pass that it belongs to."""


class PassProgress(PassRecord, frozen=True, kw_only=True, tag="pass.progress"):
    """How far a pass is.

    With `batch_index` the line is about one lane. With `lanes` it is about the batch as a whole, of which `step`,
    `progress` and `t` are those of the slowest lane.
    """

    step: int
    """Steps attempted so far; in a backward pass, steps transposed so far."""
    progress: float
    """Unitless, in [0, 1], never falling within a pass or lane."""
    t: Number | UnsetType = UNSET
    """The solver's present time, in the user's time. Not known to a progress meter."""
    steps: Steps | UnsetType = UNSET
    """The steps so far, by outcome. Not known of a backward pass under way, nor to a progress meter."""
    batch_index: list[int] | UnsetType = UNSET
    """The lane, by its index in each enclosing vmap, outermost first."""
    lanes: Lanes | UnsetType = UNSET
    """The batch as a whole."""
    watched: Watched | UnsetType = UNSET
    """The quantities that the user watches, there. With `lanes`, those of the slowest lane."""


class PassSteps(PassRecord, frozen=True, kw_only=True, tag="pass.steps"):
    """Every step of a stretch of a pass, of all lanes: with `detail="steps"`, or the last ones of lanes that failed."""

    attempts: AttemptedSteps
    """The steps."""


class LaneNonfinite(PassRecord, frozen=True, kw_only=True, tag="lane.nonfinite"):
    """A lane, or a single solve, has a value that is not finite: said once, of the first, with `watch="nonfinite"`."""

    batch_index: list[int] | UnsetType = UNSET
    """The lane, by its index in each enclosing vmap, outermost first. Not known of a single solve."""
    nonfinite: Nonfinite
    """What, and where."""


class PassHeartbeat(PassRecord, frozen=True, kw_only=True, tag="pass.heartbeat"):
    """A pass that has been open for long is alive, or is not: said every few seconds, whether it reports or not."""

    open_s: float
    """Seconds since its start."""
    silent_s: float
    """Seconds since its last sign of life."""
    stalled: bool
    """Whether it has been silent for ten times as long as is usual for it."""
    step: int
    """Steps at the last report."""
    progress: float
    """Progress at the last report: unitless, in [0, 1]."""
    t: Number | UnsetType = UNSET
    """The solver's time at the last report."""
    rate: float
    """Progress per second over the last ten seconds, counted back from the last report."""
    eta_s: float | UnsetType = UNSET
    """Seconds from the last report to its end, if it goes on at that rate. Not known of a pass that has not moved."""
    doing: str | UnsetType = UNSET
    """Of one that has stalled, what it is in: `step`, `step or other processes` (of one program), or `compiling`."""
    usage: Usage | UnsetType = UNSET
    """What the process takes meanwhile."""


class LaneEnded(PassRecord, frozen=True, kw_only=True, tag="lane.ended"):
    """One lane of a batch is over: said once, and no progress of this lane follows."""

    batch_index: list[int]
    """The lane, by its index in each enclosing vmap, outermost first."""
    status: Status
    """`error` if the solver failed in this lane."""
    result: str
    """The name of its `diffrax.RESULTS` member, such as `successful` or `max_steps_reached`."""
    progress: float
    """Where it ended in truth: unitless, in [0, 1]."""
    t: Number | UnsetType = UNSET
    """The time at which it ended, in the user's time."""
    t0: Number | UnsetType = UNSET
    """Where this lane started."""
    t1: Number | UnsetType = UNSET
    """Where this lane was to end."""
    step: int
    """Steps attempted in this lane; in a backward pass, steps transposed."""
    steps: Steps | UnsetType = UNSET
    """The same by outcome. Not known to a progress meter."""
    watched: Watched | UnsetType = UNSET
    """The quantities that the user watches, where it ended."""
    nonfinite: Nonfinite | UnsetType = UNSET
    """The first value that was not finite, with `watch="nonfinite"`."""


class PassEnded(PassRecord, frozen=True, kw_only=True, tag="pass.ended"):
    """A pass is over: exactly one line per pass.

    Of a batch, `progress`, `t` and `step` are those of its slowest lane, and `steps` are those of all lanes.
    """

    status: Status
    """`error` if any lane failed."""
    result: str
    """The name of its `diffrax.RESULTS` member, of the first failing lane if there is one.

    `abandoned` where the end itself never came; `interrupted` where a signal is why.
    """
    duration_s: float
    """Seconds since its start."""
    progress: float
    """Where it ended in truth, in [0, 1]: a solve over [0, 1] that an event stops at t = 0.3 ends at 0.3."""
    t: Number | UnsetType = UNSET
    """The time at which it ended, in the user's time. Not known to a progress meter."""
    step: int
    """Steps attempted; in a backward pass, steps transposed."""
    steps: Steps | UnsetType = UNSET
    """Steps of all lanes, by outcome. Not known to a progress meter."""
    lanes: Lanes | UnsetType = UNSET
    """The batch as a whole."""
    watched: Watched | UnsetType = UNSET
    """The quantities that the user watches, where it ended. Of a batch, those of the slowest lane."""
    verdict: Verdict | UnsetType = UNSET
    """Why it ended so, or took so long, where that can be told. Not known of one that is in order."""
    nonfinite: Nonfinite | UnsetType = UNSET
    """The first value that was not finite, with `watch="nonfinite"`. Of a batch, that of its first such lane."""
    exploded: ExplodedGradient | UnsetType = UNSET
    """Of a backward pass whose gradient exploded, with `watch="nonfinite"`: where, and how large it became."""


class TelemetryDropped(Record, frozen=True, kw_only=True, tag="telemetry.dropped"):
    """Some telemetry was lost; the solves it was about were not affected."""

    dropped: int
    """How many, at least 1."""
    what: str
    """Of what: one of `soltrace.wire.losses.What`, such as `progress` or `span`."""
    reason: str
    """Why: one of `soltrace.wire.losses.Why`, or the type and message of an exception."""


AnyRecord: TypeAlias = (
    LogOpened
    | LogResource
    | ExperimentStarted
    | ExperimentEnded
    | ProgramCompiled
    | PassStarted
    | PassProgress
    | PassSteps
    | LaneNonfinite
    | PassHeartbeat
    | RunHeartbeat
    | LaneEnded
    | PassEnded
    | TelemetryDropped
    | RunEnded
)
"""Every kind of record: what a sink is handed, and what a line is decoded into."""

TAKEN: Final = frozenset(
    {"event", "self", *(name for kind in AnyRecord.__args__ for name in kind.__struct_fields__)}  # self: of a method
)
"""Keys of a line that are not the user's."""
