"""What a report says of steps, as typed values: how large they were, what they were for, where values were lost."""

from datetime import datetime

from msgspec import Struct

from soltrace.wire.records import Number, Phase


class ProgressAt(Struct, frozen=True):
    """Where a pass was at some time after its start."""

    elapsed_s: float
    progress: float


class StepSize(Struct, frozen=True):
    """How large steps were on average between two points of solver time."""

    t: float
    """The end of the stretch, which begins where the one before ends."""
    dt: float
    """Solver time per accepted step; in a backward pass, per transposed step."""
    rejected: float | None
    """The share of attempted steps that were rejected, in [0, 1], where it was recorded."""


class StepsDrawn(Struct, frozen=True):
    """Steps of a pass that were attempted one after the other: one alone, or where there are many, several."""

    t: float
    """Where the first of them begins."""
    dt: float
    """How far each goes, on average."""
    scaled_error: float | None
    """The error estimate over the tolerance: the greatest of them. None where it was not told, or was not finite."""
    steps: int
    rejected: str | None
    """Why they were rejected; None if they were accepted."""


class NonfinitePoint(Struct, frozen=True):
    """Where on its curve the first value stands that is not finite."""

    t: float
    dt: float
    path: str
    value: str


class WatchedAt(Struct, frozen=True):
    """A quantity that the user watches, at a report."""

    name: str
    t: float
    value: float


class Curve(Struct, frozen=True):
    """How a pass went: one of the longest, or one in which a value was not finite."""

    run_id: str
    pass_id: str
    experiment: str | None
    phase: Phase
    started: datetime
    took_s: float
    batch_index: list[int] | None
    """Of a batch, the lane whose steps are shown: the one that had such a value, or else that took most."""
    progress: list[ProgressAt]
    sizes: list[StepSize]
    """Between reports."""
    attempts: list[StepsDrawn]
    """The steps themselves, as far as they were recorded one by one."""
    every_step: bool
    """Whether all of them were."""
    nonfinite: NonfinitePoint | None
    watched: list[WatchedAt]
    """Name by name, each in the order of time."""


class Work(Struct, frozen=True):
    """What steps of an experiment were taken for, of all lanes."""

    experiment: str | None
    solves: int
    accepted: int
    """In forward passes."""
    rejected: int
    """Likewise."""
    recomputed: int
    """Forward steps that backward passes took again."""
    backward: int
    """Steps of backward passes."""


class SolveWork(Struct, frozen=True):
    """The same of one solve."""

    run_id: str
    solve_id: str
    experiment: str | None
    took_s: float | None
    """All its passes that have ended."""
    accepted: int
    rejected: int
    recomputed: int
    backward: int


class Rejection(Struct, frozen=True):
    """Steps that were rejected for the same reason, where steps were recorded one by one."""

    experiment: str | None
    phase: Phase
    reason: str
    steps: int
    passes: int
    """Those in which there were any."""
    recorded: int
    """Steps of this experiment and phase that were recorded, accepted ones too."""


class NotFinite(Struct, frozen=True):
    """The first value of a lane, or of a single solve, that was not finite."""

    run_id: str
    pass_id: str
    experiment: str | None
    phase: Phase
    batch_index: list[int] | None
    at: datetime
    step: int | None
    t: Number | None
    dt: Number | None
    found_in: str
    stage: int | None
    path: str
    value: Number
    before: Number | None
