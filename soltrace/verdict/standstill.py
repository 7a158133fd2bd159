"""It stands still: it takes step after step, and does not get past one time."""

from typing import Final

from soltrace.verdict.evidence import Evidence
from soltrace.verdict.finding import Finding, figure, share, times
from soltrace.wire.records import Number

_RESULTS: Final = frozenset({"max_steps_reached", "dt_min_reached"})
_HOPELESS: Final = 0.75
"""Where more than this share of all steps is rejected, most follow one another: the step shrinks to nothing."""
_TAIL: Final = 20
"""Steps at the end that are looked at, at least."""
_SLOWER: Final = 1e-4
"""How much slower it has become, measured in t per step, at least."""


def stuck(evidence: Evidence) -> Finding | None:
    """Tell at which time it stood still."""
    failing = evidence.failing
    if failing.result not in _RESULTS or evidence.ended.phase != "forward" or not isinstance(failing.t, float):
        return None
    tail = _tail(evidence)
    if tail is None and (evidence.rejected_share < _HOPELESS or failing.step < _TAIL):
        return None
    rejected = evidence.rejected_share
    at = "its start" if failing.progress == 0.0 else f"t={figure(failing.t)}"
    what = (
        f"its last {times(tail, 'step')} did not move it" if tail else f"{share(rejected)} of its steps were rejected"
    )
    text = (
        f"{evidence.whose} did not get past {at}: {what}, and smaller ones would not have helped. The state or the "
        f"vector field is not finite beyond it, the solution ends there (it blows up), or the field jumps."
    )
    advice = (
        "Look at the state just before that time (SaveAt(steps=True), or t1 a little smaller); watch='nonfinite' names "
        "the first value that is not finite. More steps do not help."
    )
    numbers: dict[str, Number | str] = {"t": failing.t, "rejected_share": rejected}
    return Finding("stuck", text, advice, numbers)


def _tail(evidence: Evidence) -> int | None:
    """Count the steps at the end that went nowhere; None where there are too few, or it is not known."""
    failing, started = evidence.failing, evidence.started
    if not isinstance(failing.t, float) or not failing.step:
        return None
    places = [(failing.step - i, attempt.t) for i, attempt in enumerate(reversed(evidence.telling))]
    places = places or list(reversed(evidence.points))
    if not places or started is None or not isinstance(started.t0, float):
        return None
    usual = abs(failing.t - started.t0) / failing.step
    tail = 0
    for step, t in places:
        taken = failing.step - step
        if abs(failing.t - t) > _SLOWER * usual * taken:
            break
        tail = taken
    return tail if tail >= _TAIL else None
