"""A few lanes of a batch failed, and the others did not."""

from itertools import islice
from typing import Final

from msgspec import UNSET

from soltrace.verdict.evidence import Evidence
from soltrace.verdict.finding import Finding, figure, lane_text, times
from soltrace.wire.records import LaneEnded

_FEW: Final = 0.5
"""Up to this share of the lanes, it is the lanes and not the model."""
_SHOWN: Final = 5


def bad_lanes(evidence: Evidence) -> Finding | None:
    """Tell which lanes failed, and where."""
    lanes = evidence.ended.lanes
    failed = [lane for lane in evidence.lanes if lane.status == "error"]
    if lanes is UNSET or not failed or lanes.failed > _FEW * lanes.total or lanes.failed == lanes.total:
        return None
    shown = "; ".join(_lane(lane) for lane in islice(failed, _SHOWN))
    more = f"; and {lanes.failed - _SHOWN:,} more" if lanes.failed > _SHOWN else ""
    text = f"{lanes.failed:,} of {times(lanes.total, 'lane')} failed, the others did not: {shown}{more}."
    first = failed[0]
    name = ",".join(map(str, first.batch_index))
    advice = f"Look at what lane {name} is given: its parameters and its initial state. Solve it alone to see more."
    return Finding("bad_lanes", text, advice, {"failed": lanes.failed, "lanes": lanes.total, "first": name})


def _lane(lane: LaneEnded) -> str:
    where = "" if lane.t is UNSET else f" at t={figure(lane.t)}"
    return f"{lane_text(lane.batch_index)} with {lane.result}{where} after {times(lane.step, 'step')}"
