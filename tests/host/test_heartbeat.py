import time

import pytest

from soltrace.host import Signal
from soltrace.host.emission import moment
from soltrace.testing import START_NS, HandClock, capture
from soltrace.wire.records import LogOpened


@pytest.fixture
def clock():
    return HandClock()


def heartbeats(told):
    """What the heartbeats up to now say that is not on every line of a pass."""
    base = {"timestamp": moment(START_NS), "run_id": "run", "experiment": None, "attributes": {}}
    told.recorder.announce(LogOpened(**base, resource={}))  # a hand that moves a clock wakes no worker
    common = {"attributes", "event", "experiment", "phase", "solve_id"}
    beats = [event for event in told.events() if event["event"] == "pass.heartbeat"]
    return [{key: value for key, value in beat.items() if key not in common} for beat in beats]


def test_a_pass_that_is_open_for_long_is_heard_of(program, clock):
    """Every five seconds: for how long it is open, where it is, how fast it went by then and how long it will take."""
    with capture(heartbeat_s=5.0, clock=clock) as told:
        handle = program.start()
        clock.now = 4.0
        program.step(handle, 10, 8, 0.5)
        clock.now = 4.9
        assert heartbeats(told) == []
        clock.now = 5.0
        assert heartbeats(told) == [
            {
                "level": "info",
                "pass_id": "run.1.forward",
                "open_s": 5.0,
                "silent_s": 1.0,
                "stalled": False,
                "step": 10,
                "progress": 0.5,
                "t": 0.5,
                "rate": 0.125,
                "eta_s": 4.0,
            }
        ]
        program.end(handle)
        clock.now = 60.0
        assert len(heartbeats(told)) == 1


def test_a_pass_that_has_not_moved_has_no_end_in_sight(program, clock):
    """Its rate is zero, and nothing is said of when it will be over; nor has it stalled, for nothing is usual yet."""
    with capture(heartbeat_s=5.0, clock=clock) as told:
        program.start()
        clock.now = 500.0
        (beat,) = heartbeats(told)
        assert (beat["rate"], beat["stalled"], "eta_s" in beat) == (0.0, False, False)


def test_a_pass_has_stalled_after_ten_times_its_usual_gap(program, clock):
    """A gap of one second is usual here, so ten are not too long, eleven are, and a step mends it."""
    with capture(heartbeat_s=1.0, clock=clock) as told:
        handle = program.start()
        clock.now = 1.0
        program.step(handle, 1, 1, 0.1)
        for clock.now in (1.0, 11.0, 12.0):
            heartbeats(told)
        program.step(handle, 2, 2, 0.2)
        clock.now = 13.0
        beats = heartbeats(told)
    assert [(beat["open_s"], beat["silent_s"], beat["stalled"], beat["level"]) for beat in beats] == [
        (1.0, 0.0, False, "info"),
        (11.0, 10.0, False, "info"),
        (12.0, 11.0, True, "warning"),
        (13.0, 1.0, False, "info"),
    ]


def test_missed_beats_are_not_made_up_for(program, clock):
    """A worker that was busy for a minute says it once."""
    with capture(heartbeat_s=5.0, clock=clock) as told:
        program.start()
        told.flush()
        clock.now = 61.0
        assert [beat["open_s"] for beat in heartbeats(told)] == [61.0]
        clock.now = 64.9
        assert [beat["open_s"] for beat in heartbeats(told)] == [61.0]
        clock.now = 65.0
        assert [beat["open_s"] for beat in heartbeats(told)] == [61.0, 65.0]


def test_both_passes_of_a_solve_have_hearts(program, clock):
    """A backward pass too, by its own start."""
    with capture(heartbeat_s=5.0, clock=clock) as told:
        forward = program.solve()
        clock.now = 2.0
        program.backward_start(forward)
        clock.now = 6.9
        assert heartbeats(told) == []
        clock.now = 7.0
        assert [(beat["pass_id"], beat["open_s"]) for beat in heartbeats(told)] == [("run.1.backward", 5.0)]


def test_a_batch_is_as_far_as_its_slowest_lane(program, clock):
    """As everywhere."""
    with capture(heartbeat_s=5.0, clock=clock) as told:
        handle = program.tell(Signal.FORWARD_START, [[0, 1, 0]] * 2, [[0, 1, 1, 1e-3, 1e-3]] * 2)[0]
        clock.now = 2.0
        program.tell(Signal.FORWARD_STEP, [[handle, 3, 3, 0], [handle, 3, 2, 0]], [[0.75], [0.25]])
        clock.now = 5.0
        (beat,) = heartbeats(told)
        assert (beat["progress"], beat["eta_s"]) == (0.25, 6.0)


@pytest.mark.once
def test_the_worker_wakes_by_itself(program):
    """With nothing to do, and nobody who waits, a heart beats in real time."""
    with capture(heartbeat_s=0.2) as told:
        program.start()
        told.flush()
        deadline = time.monotonic() + 20
        while not any(record.event == "pass.heartbeat" for record in _seen(told)):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def _seen(told):
    """What has reached the sink, without waking the worker."""
    return [type("Seen", (), {"event": record.__struct_config__.tag}) for record in list(told._sink.records)]


def test_passes_that_are_over_are_not_watched(program, clock):
    """A thousand short ones leave nothing behind."""
    with capture(heartbeat_s=5.0, clock=clock) as told:
        for _ in range(1000):
            program.solve()
        told.flush()
        program.solve()
        told.flush()
        assert len(told.recorder._worker._watch._due) <= 1
