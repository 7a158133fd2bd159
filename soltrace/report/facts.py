"""What a report says, as typed values. `--format json` writes them as they are; the other formats put them into words.

Their number is bounded whatever the size of the log: a `Top` holds the first rows, and says how many there are.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Generic, TypeVar

from msgspec import Struct

from soltrace.report.step_facts import Curve, NotFinite, Rejection, SolveWork, Work
from soltrace.wire.records import Attribute, Number, Phase

FORMAT = 1
"""Version of the JSON form. It grows when a field changes its meaning or goes, not when one is added."""
_RowT = TypeVar("_RowT")


class Top(Struct, Generic[_RowT], frozen=True):
    """The first of many."""

    rows: list[_RowT]
    total: int
    """How many there are, including those that are left out."""

    @property
    def left_out(self) -> int:
        """How many are left out."""
        return self.total - len(self.rows)


class Events(Struct, frozen=True):
    """Records of one kind."""

    event: str
    records: int


class Skipped(Struct, frozen=True):
    """Lines that are no records."""

    why: str
    """Completes "a line that is ..."."""
    lines: int


class Sources(Struct, frozen=True):
    """What was read."""

    paths: Top[str]
    bytes: int
    records: int
    first: datetime
    last: datetime
    events: list[Events]
    skipped: Top[Skipped]
    """Its `total` is the number of lines."""


class Run(Struct, frozen=True):
    """A process: where it ran, and what has become of its passes."""

    run_id: str
    host: str | None
    pid: str | None
    process_index: str | None
    scheduler: str | None
    job: str | None
    array_task: str | None
    backend: str | None
    devices: str | None
    jax: str | None
    diffrax: str | None
    soltrace: str | None
    first: datetime
    last: datetime
    passes: int
    failed: int
    open: int
    memory_bytes: int | None
    """The most that was in memory at a heartbeat; None of a run without any."""
    cpu_utilization: float | None
    """Mean share of the processors between heartbeats, in [0, 1]."""
    device_memory_bytes: int | None
    """The most that was allocated on its devices at a heartbeat."""


class Experiment(Struct, frozen=True):
    """An experiment, with the passes that are directly in it and not in experiments inside it."""

    experiment: str
    run_id: str
    started: datetime
    duration_s: float | None
    """None if it never ended, as far as the log goes."""
    status: str
    """`ok`, `error`, `open`, `lost`, or `replaced` if a retry of its job has begun before it ended."""
    error: str | None
    attributes: Mapping[str, Attribute]
    passes: int
    failed: int
    forward_s: float
    backward_s: float


class PhaseCost(Struct, frozen=True):
    """All passes of one phase. Steps are summed over passes and lanes; durations are those of passes that ended."""

    phase: Phase
    passes: int
    failed: int
    open: int
    lost: int
    """Of runs that have stopped without a word."""
    replaced: int
    """Of runs that a retry of their job has replaced, before they ended."""
    accepted: int
    rejected: int
    recomputed: int
    total_s: float
    median_s: float | None
    p95_s: float | None
    longest_s: float | None


class Compiled(Struct, frozen=True):
    """The compilations of one function."""

    function: str
    experiment: str | None
    times: int
    trace_s: float
    lower_s: float
    compile_s: float


class Bar(Struct, frozen=True):
    """A stretch of the timeline: passes of one run and phase that began soon after one another, or compilations."""

    run_id: str
    what: str
    """`forward`, `backward` or `compile`."""
    started: datetime
    ended: datetime
    count: int
    failed: int
    open: int


class Timeline(Struct, frozen=True):
    """Which runs were busy when."""

    bars: list[Bar]
    runs: int
    """How many there are, including those that are not drawn."""


class Lane(Struct, frozen=True):
    """One lane, over all passes of a run, experiment and phase."""

    run_id: str
    experiment: str | None
    phase: Phase
    batch_index: list[int]
    passes: int
    """Those in which it was reported: of a large batch, a few lanes are."""
    failed: int
    steps: float
    """In a pass, on average over these."""
    most_steps: int
    """In any one pass."""
    relative: float | None
    """Its steps in a pass, divided by those of the median lane."""


class Cause(Struct, frozen=True):
    """What failed first, and made the rest fail."""

    what: str
    """`lane`, `forward pass` or `pass`."""
    name: str
    result: str
    at: datetime
    t: Number | None


class Failure(Struct, frozen=True):
    """A pass or an experiment that failed."""

    what: str
    """`pass` or `experiment`."""
    name: str
    run_id: str
    experiment: str | None
    at: datetime
    result: str
    t: Number | None
    progress: float | None
    step: int | None
    cause: Cause | None
    """None if nothing that was recorded has failed before it."""


class FailureKind(Struct, frozen=True):
    """Passes that failed in the same way."""

    experiment: str | None
    phase: Phase
    solver: str | None
    result: str
    passes: int
    first: datetime


class Trouble(Struct, frozen=True):
    """Passes with which the same is wrong, as the last lines of passes say it."""

    kind: str
    experiment: str | None
    phase: Phase
    passes: int
    took_s: float
    """All of them together."""
    first: datetime
    pass_id: str
    """The first of them, whose words these are."""
    text: str
    advice: str


class UnfinishedPass(Struct, frozen=True):
    """A pass that never ended, as far as the log goes: it was under way, or is lost with its run."""

    run_id: str
    pass_id: str
    experiment: str | None
    phase: Phase
    started: datetime
    seen: datetime
    progress: float
    step: int
    t: Number | None
    stalled: bool
    lost: bool


class LostRunFact(Struct, frozen=True):
    """A run that has stopped without a word."""

    run_id: str
    host: str | None
    job: str | None
    array_task: str | None
    since: datetime
    """Its last line."""
    why: str
    passes: int
    """Those that were open."""
    experiments: int
    """Likewise."""


class Group(Struct, frozen=True):
    """Passes that have the same value of what is compared by."""

    value: str | None
    passes: int
    failed: int
    steps: int
    """Attempted."""
    rejected: int
    forward_s: float
    backward_s: float
    median_forward_s: float | None
    median_backward_s: float | None


class Comparison(Struct, frozen=True):
    """Groups of passes side by side, by an attribute or by something else that tells them apart."""

    by: str
    groups: Top[Group]
    differences: list[str]
    """In words, the largest first."""


class Dropped(Struct, frozen=True):
    """What was lost of one kind, for one reason."""

    what: str
    reason: str
    dropped: int
    runs: int


class LogReport(Struct, frozen=True):
    """All that logs say as a whole."""

    soltrace: str
    """The version that has made the report."""
    format: int
    sources: Sources
    runs: Top[Run]
    experiments: Top[Experiment]
    phases: list[PhaseCost]
    compiled: Top[Compiled]
    work: Top[Work]
    solves: list[SolveWork]
    """Those that have one of the longest passes."""
    rejections: Top[Rejection]
    nonfinite: Top[NotFinite]
    timeline: Timeline
    curves: list[Curve]
    lanes: Top[Lane]
    failures: Top[Failure]
    failure_kinds: Top[FailureKind]
    verdicts: Top[Trouble]
    open: Top[UnfinishedPass]
    lost: Top[LostRunFact]
    comparisons: list[Comparison]
    too_many: dict[str, int]
    """Attributes with too many values to compare by, and about how many those are."""
    dropped: Top[Dropped]
