"""Most of its steps were rejected, each tried again."""

from typing import Final

from msgspec import UNSET

from soltrace.verdict.evidence import Evidence
from soltrace.verdict.finding import Finding, seconds, share, times

_MOST: Final = 0.6
"""Of a pass in order up to half is rejected: implicit solvers at loose tolerances do that."""
_FEW: Final = 100


def rejections(evidence: Evidence) -> Finding | None:
    """Tell how much time went into steps that were rejected."""
    ended = evidence.ended
    steps = ended.steps
    if steps is UNSET or ended.phase != "forward" or evidence.attempted < _FEW:
        return None
    lost = steps.rejected / evidence.attempted
    if lost < _MOST:
        return None
    text = (
        f"{share(lost)} of its {times(evidence.attempted, 'step')} were rejected. Each costs as much as an accepted "
        f"one, which makes about {seconds(lost * ended.duration_s)} of {seconds(ended.duration_s)}."
    )
    advice = (
        "Tell the controller where the field jumps (ClipStepSizeController with jump_ts), give PIDController smoother "
        "coefficients (pcoeff=0.3, icoeff=0.4), or a smaller dtmax. detail='steps' tells why each was rejected."
    )
    return Finding("rejections", text, advice, {"rejected_share": lost, "lost_s": lost * ended.duration_s})
