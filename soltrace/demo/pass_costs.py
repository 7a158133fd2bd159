"""Reads back from a log what the passes of a run cost, forward against backward."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from msgspec import UNSET

from soltrace.reading.parse import Parsed, parse
from soltrace.wire.records import PassEnded, Phase


@dataclass(frozen=True)
class Cost:
    """All passes of one phase. Steps are summed over passes and lanes."""

    phase: Phase
    passes: int
    failed: int
    accepted: int
    rejected: int
    recomputed: int
    median_s: float
    total_s: float


def read_log(path: Path) -> list[Parsed]:
    """Parse all lines of a log."""
    with path.open("rb") as log:
        return [parse(line) for line in log]


def costs(records: Iterable[Parsed]) -> list[Cost]:
    """Add up the passes that ended, the forward phase first. A phase without passes is left out."""
    ended = [record for record in records if isinstance(record, PassEnded)]
    phases: tuple[Phase, ...] = ("forward", "backward")
    return [_cost(phase, passes) for phase in phases if (passes := [end for end in ended if end.phase == phase])]


def _cost(phase: Phase, ended: list[PassEnded]) -> Cost:
    durations = [end.duration_s for end in ended]
    counted = [end.steps for end in ended if end.steps is not UNSET]
    return Cost(
        phase=phase,
        passes=len(ended),
        failed=sum(end.status == "error" for end in ended),
        accepted=sum(steps.accepted for steps in counted),
        rejected=sum(steps.rejected for steps in counted),
        recomputed=sum(steps.recomputed for steps in counted if steps.recomputed is not UNSET),
        median_s=median(durations),
        total_s=sum(durations),
    )
