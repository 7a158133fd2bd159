"""What passes cost, from the lines of a log."""

from datetime import UTC, datetime

from soltrace.demo.pass_costs import Cost, costs
from soltrace.wire.record_parts import Lanes, Steps
from soltrace.wire.records import ExperimentStarted, PassEnded

COMMON = {"timestamp": datetime(2026, 1, 1, tzinfo=UTC), "run_id": "r", "experiment": None, "attributes": {}}
LANES = Lanes(total=2, finished=2, failed=0, progress_min=1.0, progress_median=1.0, progress_max=1.0)


def ended(phase, duration_s, steps, *, status="ok", **more):
    """The end of a pass."""
    ids = {"solve_id": "r.1", "pass_id": f"r.1.{phase}", "phase": phase}
    rest = {"status": status, "result": "successful", "progress": 1.0, "t": 1.0, "step": 4}
    return PassEnded(**COMMON, **ids, **rest, duration_s=duration_s, steps=steps, **more)


def test_costs():
    """Steps are summed; the median is that of all passes of a phase."""
    records = [
        ExperimentStarted(**COMMON),
        ended("backward", 4.0, Steps(accepted=6, rejected=2, recomputed=5), lanes=LANES),
        ended("forward", 1.0, Steps(accepted=3, rejected=1)),
        ended("forward", 2.0, Steps(accepted=3, rejected=0), status="error"),
        ended("forward", 9.0, Steps(accepted=1, rejected=0)),
        ended("backward", 6.0, Steps(accepted=3, rejected=1, recomputed=4)),
    ]
    assert costs(records) == [
        Cost("forward", passes=3, failed=1, accepted=7, rejected=1, recomputed=0, median_s=2.0, total_s=12.0),
        Cost("backward", passes=2, failed=0, accepted=9, rejected=3, recomputed=9, median_s=5.0, total_s=10.0),
    ]


def test_a_phase_without_passes_is_left_out():
    """A program that only solves forwards has no backward row."""
    assert [cost.phase for cost in costs([ended("forward", 1.0, Steps(accepted=1, rejected=0))])] == ["forward"]
    assert costs([]) == []
