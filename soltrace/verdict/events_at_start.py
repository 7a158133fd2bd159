"""An event stopped it at once: it was true where the solve began."""

from typing import Final

from msgspec import UNSET

from soltrace.verdict.evidence import Evidence
from soltrace.verdict.finding import Finding, figure

_NOWHERE: Final = 1e-5
"""The share of the interval that it got, at most."""


def event_at_start(evidence: Evidence) -> Finding | None:
    """Tell that it ended in its first step."""
    ended, started = evidence.ended, evidence.started
    if ended.result != "event_occurred" or started is None or ended.lanes is not UNSET or ended.step > 1:
        return None
    t0, t1, t = started.t0, started.t1, ended.t
    if not (isinstance(t0, float) and isinstance(t1, float) and isinstance(t, float)):
        return None
    if abs(t - t0) > _NOWHERE * abs(t1 - t0):
        return None
    text = f"An event stopped it in its first step, at t={figure(t)} of {figure(t0)} to {figure(t1)}."
    advice = (
        "Start beyond the surface of the event: a solve that goes on from where an event stopped it meets the same one "
        "again. Event(..., direction=True or False) takes crossings of one direction only."
    )
    return Finding("event_at_start", text, advice, {"t": t})
