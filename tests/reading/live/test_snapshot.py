"""What there is to be shown at one moment."""

from datetime import timedelta

from soltrace.reading.live.controls import Query
from soltrace.reading.live.snapshot import Tracker
from soltrace.reading.live.state import Runs


def test_what_a_retry_has_replaced_is_not_open(logs):
    """Its scheduler has killed it, and its passes never end."""
    first, second = logs("a"), logs("b")
    job = {"scheduler": "slurm", "job": "77", "array_task": "3"}
    tracker = Tracker(Runs())
    tracker.feed([first.opened(**job), first.started(0)], 0.0)
    now = first.start + timedelta(seconds=10)
    assert [shown.first.run_id for shown in tracker.snapshot(now, Query()).passes] == ["a"]
    tracker.feed([second.opened(5, **job, restart="1"), second.started(6)], 6.0)
    snapshot = tracker.snapshot(now, Query())
    assert [shown.first.run_id for shown in snapshot.passes] == ["b"]
    assert (snapshot.open, snapshot.forgotten) == (1, 0)
