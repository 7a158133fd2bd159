"""All rules on the evidence of one pass, the most telling first."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from msgspec import UNSET

from soltrace.verdict.bad_lanes import bad_lanes
from soltrace.verdict.dominance import dominant
from soltrace.verdict.events_at_start import event_at_start
from soltrace.verdict.evidence import Evidence
from soltrace.verdict.exploding_gradient import exploding_gradient
from soltrace.verdict.finding import Finding
from soltrace.verdict.first_nonfinite import nonfinite
from soltrace.verdict.grain import tolerance_below_grain
from soltrace.verdict.implicit_stage import linear_failed, nonlinear_failed
from soltrace.verdict.least_step import dtmin
from soltrace.verdict.recomputing import AGAIN, recomputation
from soltrace.verdict.smoothness import not_smooth
from soltrace.verdict.standstill import stuck
from soltrace.verdict.step_limit import max_steps_reached
from soltrace.verdict.stiffness import stiff
from soltrace.verdict.waiting_lanes import slow_lanes
from soltrace.verdict.wasted_attempts import rejections

RULES: Final[Sequence[Callable[[Evidence], Finding | None]]] = (
    nonfinite,
    exploding_gradient,
    nonlinear_failed,
    linear_failed,
    bad_lanes,
    tolerance_below_grain,
    stiff,
    not_smooth,
    stuck,
    dtmin,
    max_steps_reached,
    rejections,
    slow_lanes,
    recomputation,
    event_at_start,
)
"""In this order: what says why comes before what says that."""


_OF_STEPS: Final = frozenset(
    {"tolerance_below_grain", "stiff", "not_smooth", "stuck", "dtmin", "max_steps", "rejections"}
)
"""Trouble with steps that are small, many or rejected, for which the error of some number of the state may be why."""
_INSTEAD: Final = "More steps would only take longer: see what is said before."


def findings(evidence: Evidence) -> list[Finding]:
    """Ask every rule.

    Args:
        evidence: Of a pass that is over.

    Returns:
        What is wrong with it, the most telling first; nothing where nothing is.
    """
    if evidence.ended.result == "abandoned":
        return []  # its end never came: what its numbers say is where it was seen last
    if _in_order(evidence):
        return []
    found = [finding for rule in RULES if (finding := rule(evidence)) is not None]
    return _with_dominant(evidence, _without_consequences(found))


def _in_order(evidence: Evidence) -> bool:
    """Say whether no rule has anything to look at: of most passes, thousands in a loop, this is all that is asked."""
    ended = evidence.ended
    if ended.result != "successful" or ended.lanes is not UNSET or evidence.recorded or evidence.nonfinite:
        return False
    if ended.exploded is not UNSET:
        return False
    steps = ended.steps
    if steps is UNSET:
        return True
    if steps.recomputed is not UNSET:
        return steps.recomputed < AGAIN * (steps.accepted + steps.rejected)
    return steps.rejected * 4 <= steps.accepted


def _with_dominant(evidence: Evidence, found: list[Finding]) -> list[Finding]:
    """Add to the first trouble with steps which number of the state their error is of."""
    place = next((i for i, finding in enumerate(found) if finding.kind in _OF_STEPS), None)
    known = None if place is None or evidence.ended.phase == "backward" else dominant(evidence.telling)
    if place is None or known is None:
        return found
    numbers = {"error_in": known.path, "steps_share": known.steps_share, "error_share": known.error_share}
    told = found[place]
    told = replace(told, text=f"{told.text} {known.text}", numbers={**told.numbers, **numbers})
    return [*found[:place], told, *found[place + 1 :]]


def _without_consequences(found: list[Finding]) -> list[Finding]:
    """Leave out what follows from what was found before: more steps do not help one that cannot go on."""
    kinds = {finding.kind for finding in found}
    idle = {"max_steps", "rejections"} if kinds & {"stuck", "nonfinite"} else set[str]()
    if kinds & {"not_smooth", "tolerance_below_grain"}:
        idle |= {"rejections"}
    if "tolerance_below_grain" in kinds:
        idle |= {"not_smooth", "stuck"}
    if "nonfinite" in kinds:
        idle |= {"stuck", "not_smooth"}
    causes = kinds & {"stiff", "not_smooth", "tolerance_below_grain"}
    return [
        replace(finding, advice=_INSTEAD) if causes and finding.kind == "max_steps" else finding
        for finding in found
        if finding.kind not in idle
    ]
