"""One lane in plain numbers says what a table of one lane says, whatever a program tells."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soltrace.host.backward import BackwardLanes, OneBackwardLane
from soltrace.host.forward import Memory
from soltrace.host.index import BatchIndex
from soltrace.host.lanes import LaneTable
from soltrace.host.one_lane import OneLane
from soltrace.host.outcomes import outcomes

RESULTS = ("successful", "max_steps_reached", "event_occurred")
TIMES = st.sampled_from([0.0, 0.5, 1.0]) | st.floats(width=32)
CODES = st.sampled_from([0, 1, 2]) | st.integers(-2, 4)
COUNTS = st.integers(0, 1000)
SIGNALS = st.lists(st.tuples(st.booleans(), COUNTS, COUNTS, CODES, TIMES), max_size=6)
FIELDS = ("t", "progress", "step", "accepted", "result", "ended", "stopped")


def state(lanes):
    """All that lines are made of, NaN as text."""
    values = [np.ravel(getattr(lanes, name)).tolist() for name in FIELDS]
    shared = [lanes.first_failed(), lanes.slowest(), lanes.count_steps(None), lanes.count_steps(0)]
    return repr([values, shared, np.ravel(lanes.in_users_time(lanes.t)).tolist(), np.array(lanes.memory()).tolist()])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numpy says what Python does not
@settings(max_examples=500)
@given(t0=TIMES, t1=TIMES, direction=st.sampled_from([1.0, -1.0]), signals=SIGNALS, located=st.booleans())
def test_a_forward_pass(t0, t1, direction, signals, located):
    """After each signal both are the same, and so is the table that the one lane becomes."""
    table = LaneTable((), *map(np.array, ([t0], [t1], [direction])), outcomes(RESULTS))
    one = OneLane(t0, t1, direction, outcomes(RESULTS))
    for last, step, accepted, result, t in signals:
        ints, floats = np.array([1, step, accepted, result], np.int32), np.array([t], np.float32)
        for lanes in (table, one):
            if last:
                lanes.arrive(ints, floats)
            else:
                lanes.go_on(ints, floats, events_located=located)
        assert state(one) == state(table) == state(one.table())


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@given(
    known=st.tuples(TIMES, TIMES, TIMES, st.sampled_from([1.0, -1.0]), COUNTS, COUNTS),
    signals=st.lists(st.tuples(COUNTS, TIMES, st.sampled_from([0.0, 7.0])), max_size=5),
    step_by_step=st.booleans(),
)
def test_a_backward_pass(known, signals, step_by_step):
    """The same on the way back, and at home."""
    memory = Memory((), [[float(x)] for x in known], single=True, index=BatchIndex(), attributes={}, lane_attributes={})
    table, one = BackwardLanes(memory, RESULTS), OneBackwardLane(memory, RESULTS)
    for index, elapsed, handle in signals:
        for lanes in (table, one):
            lanes.go_back(np.array([index], np.int32), np.array([elapsed, 0.0, handle], np.float32))
        assert state(one) == state(table) == state(one.table())
    assert one.return_home(step_by_step=step_by_step) == table.return_home(step_by_step=step_by_step)
    assert state(one) == state(table) == state(one.table())
