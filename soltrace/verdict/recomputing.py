"""A backward pass computes the forward steps again and again, because it may keep few of them."""

from typing import Final

from msgspec import UNSET

from soltrace.verdict.evidence import Evidence
from soltrace.verdict.finding import Finding, seconds, share, times

AGAIN: Final = 3.0
"""How often each step is computed again. With as many checkpoints as diffrax takes by itself, it is less than 2."""
_FEW_STEPS: Final = 50


def recomputation(evidence: Evidence) -> Finding | None:
    """Tell how often each forward step was computed again, and what that took."""
    ended, forward = evidence.ended, evidence.forward
    if ended.phase != "backward" or ended.steps is UNSET or ended.steps.recomputed is UNSET:
        return None
    own, again = evidence.attempted, ended.steps.recomputed
    if own < _FEW_STEPS or again < AGAIN * own:
        return None
    text = f"Each of {times(own, 'forward step')} was computed again {again / own:.1f} times on the way back"
    numbers: dict[str, float | str] = {"recomputed": again, "steps": own}
    if forward is not None and forward.steps:
        spent = min(again * forward.duration_s / forward.steps, ended.duration_s)
        part = spent / ended.duration_s if ended.duration_s else 0.0
        text += f": about {seconds(spent)} of {seconds(ended.duration_s)} ({share(part)}), as the forward pass went"
        numbers |= {"spent_s": spent, "spent_share": part}
    advice = (
        "Give RecursiveCheckpointAdjoint more checkpoints (checkpoints=...), as many as memory allows: about the "
        "square root of twice the steps computes each again once or twice."
    )
    return Finding("recomputation", f"{text}.", advice, numbers)
