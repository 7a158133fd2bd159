"""A batch waits for its slowest lane: all lanes take part in every step until the last one is done."""

from typing import Final

from msgspec import UNSET

from soltrace.verdict.evidence import Evidence
from soltrace.verdict.finding import Finding, lane_text, seconds, share, times

_LEAST_LANES: Final = 4
_FEW_STEPS: Final = 200
_IDLE: Final = 0.7
"""The share of the work that is done for lanes which are over. Half is usual where lanes differ at all."""


def slow_lanes(evidence: Evidence) -> Finding | None:
    """Tell how long the others waited, and for which lane."""
    ended = evidence.ended
    if ended.status == "error":
        return None  # a lane that fails takes all the steps there are: that is its trouble
    if ended.lanes is UNSET or ended.lanes.total < _LEAST_LANES or ended.phase != "forward" or ended.steps is UNSET:
        return None
    slowest = max(evidence.lanes, key=lambda lane: lane.step, default=None)
    if slowest is None or slowest.step < _FEW_STEPS:
        return None
    mean = evidence.attempted / ended.lanes.total
    idle = 1.0 - mean / slowest.step
    if idle < _IDLE:
        return None
    text = (
        f"The batch waited for {lane_text(slowest.batch_index)}: it took {times(slowest.step, 'step')}, a lane "
        f"on average {mean:,.0f}. A batch takes as many steps as its slowest lane, so {share(idle)} of the work "
        f"({seconds(idle * ended.duration_s)} of {seconds(ended.duration_s)}) was done for lanes that were over."
    )
    advice = (
        "Solve lanes that take about as many steps together (sort them by what makes them slow), or the slow ones "
        "alone; jax.lax.map with batch_size does not wait across its batches."
    )
    numbers = {"slowest": ",".join(map(str, slowest.batch_index)), "steps": slowest.step, "mean_steps": mean}
    return Finding("slow_lanes", text, advice, {**numbers, "idle_share": idle, "lost_s": idle * ended.duration_s})
