"""A gradient exploded: from what to what, where it was first so, and in how many lanes."""

from typing import Final

from msgspec import UNSET

from soltrace.verdict.evidence import Evidence
from soltrace.verdict.finding import Finding, figure, lane_text

_ADVICE: Final = (
    "No learning rate suits such a gradient. Shorten the interval, or cut it into pieces (multiple shooting). Chaos "
    "makes it so, and any state that a small change takes far away; if none is meant, look for a wrong sign or a rate "
    "that is too large."
)


def exploding_gradient(evidence: Evidence) -> Finding | None:
    """Tell of a gradient that has grown beyond what rounding leaves of it: the backward pass says so at its end."""
    found = evidence.ended.exploded
    if found is UNSET:
        return None
    whose = "" if found.batch_index is UNSET else f" of {lane_text(found.batch_index)}"
    others = f", as in {found.lanes:,} lanes" if found.lanes is not UNSET and found.lanes > 1 else ""
    step = "" if found.step is UNSET else f", in step {found.step:,}"
    since = "At the beginning" if found.t is UNSET else f"From t={figure(found.t)} on back{step}"
    text = (
        f"The gradient{whose} exploded{others}: its cotangents grew from {figure(found.arrived)}, where the backward "
        f"pass begins, to {figure(found.largest)}. {since}, what rounding does to {found.path} changes the result by "
        f"more than its own size: the cotangent of {found.path}, which is {figure(found.primal)}, is "
        f"{figure(found.value)} there."
    )
    numbers = {"from": found.arrived, "to": found.largest, "path": found.path}
    numbers |= {name: value for name in ("t", "step") if (value := getattr(found, name)) is not UNSET}
    return Finding("exploding_gradient", text, _ADVICE, numbers)
