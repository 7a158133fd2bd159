import math
from datetime import UTC, datetime

import numpy as np
import pytest

from soltrace.host import Signal
from soltrace.host.signals import NEVER
from soltrace.testing import UNSTEADY, capture
from soltrace.wire.record_parts import Lanes, Steps
from soltrace.wire.records import PassEnded, PassProgress, PassStarted

FORWARD = {
    "level": "info",
    "experiment": None,
    "attributes": {},
    "solve_id": "run.1",
    "pass_id": "run.1.forward",
    "phase": "forward",
}
MADE_OF = {"solver": "Tsit5", "adjoint": "RecursiveCheckpointAdjoint", "controller": "PIDController", "max_steps": 4096}
SUCCESSFUL = {"status": "ok", "result": "successful"}
FAILED = {"status": "error", "result": "max_steps_reached"}


def steps(accepted, rejected=0):
    """Steps as a line counts them."""
    return {"accepted": accepted, "rejected": rejected}


def test_a_solve_is_a_start_its_progress_and_an_end(program):
    """Whole records, with the times of a clock that ticks once a reading."""
    with capture(attributes={"seed": 3}) as told:
        handle = program.start(atol=1e-3)
        program.step(handle, 1, 1, 0.3)
        program.end(handle)
        records = told.records
    moment = lambda millisecond: datetime(2026, 1, 1, 0, 0, 0, millisecond * 1000, UTC)
    common = {"run_id": "run", "experiment": None, "attributes": {"seed": 3}}
    common |= {"solve_id": "run.1", "pass_id": "run.1.forward", "phase": "forward"}
    one_rejected = Steps(accepted=2, rejected=1)
    assert records == [
        PassStarted(timestamp=moment(1), **common, **MADE_OF, rtol=1e-5, atol=1e-3, t0=0.0, t1=1.0, batch_shape=[]),
        PassProgress(timestamp=moment(4), **common, step=1, progress=0.3, t=0.3, steps=Steps(accepted=1, rejected=0)),
        PassEnded(
            timestamp=moment(7),
            **common,
            **SUCCESSFUL,
            duration_s=6e-3,
            progress=1.0,
            t=1.0,
            step=3,
            steps=one_rejected,
        ),
    ]


def test_time_may_run_backwards(program):
    """The solver's time grows; the user's is the other way round, and there is no -0.0."""
    with capture() as told:
        handle = program.start(t0=-2.0, t1=0.0, direction=-1)
        program.step(handle, 1, 1, -1.5)
        program.end(handle, t=0.0)
        started, progress, ended = told.events()
    assert (started["t0"], started["t1"]) == (2.0, 0.0)
    assert (progress["t"], progress["progress"]) == (1.5, 0.25)
    assert str(ended["t"]) == "0.0"


def test_an_event_ends_a_solve_where_it_happened(make_program):
    """The step that found it went beyond: its time is not shown, and the true one is."""
    program = make_program(events_located=True)
    with capture() as told:
        handle = program.start()
        program.step(handle, 1, 1, 0.25)
        program.step(handle, 2, 2, 0.5, result=2)
        program.end(handle, step=2, accepted=2, t=0.3, result=2)
        events = told.events()
    assert events[1:] == [
        {**FORWARD, "event": "pass.progress", "step": 1, "progress": 0.25, "t": 0.25, "steps": steps(1)},
        {**FORWARD, "event": "pass.progress", "step": 2, "progress": 0.25, "t": 0.25, "steps": steps(2)},
        {
            **FORWARD,
            "event": "pass.ended",
            "status": "ok",
            "result": "event_occurred",
            "step": 2,
            "progress": 0.3,
            "t": 0.3,
            "steps": steps(2),
        },
    ]


def test_a_failed_solve_ends_with_its_reason(program):
    """At level error, with the progress that it made."""
    with capture() as told:
        handle = program.start()
        program.end(handle, step=9, accepted=4, t=0.5, result=1)
        ended = told.events()[-1]
    assert ended == {
        **FORWARD,
        "event": "pass.ended",
        "level": "error",
        **FAILED,
        "step": 9,
        "progress": 0.5,
        "t": 0.5,
        "steps": steps(4, 5),
        "verdict": {
            "kind": "max_steps",
            "text": "It stopped at max_steps with 50 % done at t=0.5. Had it gone on at that rate, the whole would "
            "have taken about 18 steps.",
            "advice": "Raise max_steps to 23 steps, loosen the tolerances, or take a solver of higher order. If that "
            "is more than you expect, detail='steps' tells whether the model is stiff or not smooth.",
        },
    }


def test_a_result_without_a_name_is_an_error(program):
    """The table of names and the program disagree: that is said, and breaks nothing."""
    with capture() as told:
        program.end(program.start(), result=17)
        ended = told.events()[-1]
    assert (ended["status"], ended["result"]) == ("error", "unrecognised")


def test_what_is_not_finite_is_evidence(program):
    """A time that is NaN is written so, and is no progress."""
    with capture() as told:
        handle = program.start(t1=math.inf)
        program.step(handle, 1, 1, 0.5)
        program.step(handle, 2, 2, math.nan)
        program.end(handle, t=math.nan, result=1)
        started, *progress, ended = told.events()
    assert started["t1"] == "Infinity"
    assert [(line["t"], line["progress"]) for line in (*progress, ended)] == [(0.5, 0.0), ("NaN", 0.0), ("NaN", 0.0)]


def test_a_float32_is_written_as_its_shortest_decimal(make_program):
    """1e-05 and 0.1, not what their binary digits are in decimal; a float64 keeps its own."""
    for dtype, tenth in ((np.float32, 0.1), (np.float64, 0.1)):
        program = make_program(dtype)
        with capture() as told:
            handle = program.start(rtol=1e-5)
            program.step(handle, 1, 1, 0.1)
            started, progress = told.events()
        assert (started["rtol"], progress["t"], progress["progress"]) == (1e-5, tenth, 0.1)


def lane_lines(events):
    """What a batch's lines say, without what all lines of a pass say."""
    return [{key: value for key, value in event.items() if key not in FORWARD or key == "level"} for event in events]


def test_a_batch_tells_of_every_lane(program):
    """Lanes that ended, once; lanes that run; the whole by its slowest."""
    with capture() as told:
        lanes = lambda *rows: [[handle, *row] for row in rows]
        handle = program.tell(
            Signal.FORWARD_START,
            [[0, 1, 0]] * 3,
            [[0, 1, 1, 1e-05, 0.001], [0, 2, 1, 1e-05, 0.0001], [0, 1, 1, 1e-05, 0.001]],
        )[0]
        program.tell(Signal.FORWARD_STEP, lanes((2, 1, 0), (2, 2, 0), (2, 2, 0)), [[0.5], [0.5], [1.0]])
        program.tell(Signal.FORWARD_STEP, lanes((3, 1, 1), (3, 3, 0), (2, 2, 0)), [[0.5], [1.0], [1.0]])
        program.tell(Signal.FORWARD_END, lanes((3, 1, 1), (4, 4, 0), (2, 2, 0)), [[0.5], [2.0], [1.0]])
        events = told.events(without=(*UNSTEADY, "verdict"))
    whole = {"event": "pass.progress", "level": "info"}
    lane = {"event": "lane.ended", "level": "info", "t0": 0.0}
    assert lane_lines(events) == [
        {**MADE_OF, "event": "pass.started", "level": "info", "rtol": 1e-5, "t0": 0.0, "batch_shape": [3]},
        {**lane, "batch_index": [2], **SUCCESSFUL, "progress": 1.0, "t": 1.0, "t1": 1.0, "step": 2, "steps": steps(2)},
        {**whole, "batch_index": [0], "step": 2, "progress": 0.5, "t": 0.5, "steps": steps(1, 1)},
        {**whole, "batch_index": [1], "step": 2, "progress": 0.25, "t": 0.5, "steps": steps(2)},
        {
            **whole,
            "step": 2,
            "progress": 0.25,
            "t": 0.5,
            "steps": steps(5, 1),
            "lanes": {
                "total": 3,
                "finished": 1,
                "failed": 0,
                "progress_min": 0.25,
                "progress_median": 0.5,
                "progress_max": 1.0,
            },
        },
        {
            **lane,
            "level": "error",
            "batch_index": [0],
            **FAILED,
            "progress": 0.5,
            "t": 0.5,
            "t1": 1.0,
            "step": 3,
            "steps": steps(1, 2),
        },
        {**whole, "batch_index": [1], "step": 3, "progress": 0.5, "t": 1.0, "steps": steps(3)},
        {
            **whole,
            "step": 3,
            "progress": 0.5,
            "t": 0.5,
            "steps": steps(6, 2),
            "lanes": {
                "total": 3,
                "finished": 2,
                "failed": 1,
                "progress_min": 0.5,
                "progress_median": 0.5,
                "progress_max": 1.0,
            },
        },
        {**lane, "batch_index": [1], **SUCCESSFUL, "progress": 1.0, "t": 2.0, "t1": 2.0, "step": 4, "steps": steps(4)},
        {
            "event": "pass.ended",
            "level": "error",
            **FAILED,
            "step": 3,
            "progress": 0.5,
            "t": 0.5,
            "steps": steps(7, 2),
            "lanes": {
                "total": 3,
                "finished": 3,
                "failed": 1,
                "progress_min": 0.5,
                "progress_median": 1.0,
                "progress_max": 1.0,
            },
        },
    ]


@pytest.mark.parametrize("located", [True, False])
def test_a_lane_stopped_by_an_event(make_program, located):
    """Where a root finder looks for the event, the true time comes with the end; else it is where the step went."""
    program = make_program(events_located=located)
    with capture() as told:
        handle = program.tell(Signal.FORWARD_START, [[0, 1, 0]] * 2, [[0, 1, 1, 0, 0]] * 2)[0]
        program.tell(Signal.FORWARD_STEP, [[handle, 1, 1, 2], [handle, 1, 1, 0]], [[0.5], [0.5]])
        program.tell(Signal.FORWARD_END, [[handle, 1, 1, 2], [handle, 2, 2, 0]], [[0.3], [1.0]])
        lines = [event for event in told.events() if "batch_index" in event]
    stopped = ("lane.ended", [0], "event_occurred", 0.3 if located else 0.5)
    running = ("pass.progress", [1], None, 0.5)
    assert [(line["event"], line["batch_index"], line.get("result"), line["t"]) for line in lines] == [
        *([running, stopped] if located else [stopped, running]),
        ("lane.ended", [1], "successful", 1.0),
    ]


def test_a_loop_may_be_batched_later_than_its_start(program):
    """Only `args` were batched: the start told of one solve, the loop of three lanes."""
    with capture() as told:
        handle = program.start()
        program.tell(Signal.FORWARD_STEP, [[handle, 1, 1, 0]] * 3, [[0.1], [0.2], [0.3]])
        program.tell(Signal.FORWARD_END, [[handle, 2, 2, 0]] * 3, [[1.0]] * 3)
        events = told.events()
    assert [event.get("batch_index", event["event"]) for event in events] == [
        "pass.started",
        [0],
        [1],
        [2],
        "pass.progress",
        [0],
        [1],
        [2],
        "pass.ended",
    ]
    assert events[-1]["lanes"]["total"] == 3


def test_attributes_are_everybodys_the_solves_and_the_traced_ones(make_program):
    """The solve's win. A value that differs between lanes stands on the lines of the lane alone."""
    program = make_program(
        attributes=(("seed", 4), ("layers", (2, 3)), ("bad", math.inf)), traced_attributes=("epoch", "lr", "weights")
    )
    extras = [np.array([7, 7]), np.array([0.1, 0.2], np.float32), np.array([[1.0, math.nan]] * 2)]
    with capture(attributes={"seed": 3, "host": "a"}) as told:
        handle = program.tell(Signal.FORWARD_START, [[0, 1, 0]] * 2, [[0, 1, 1, 0, 0]] * 2, extras)[0]
        program.tell(Signal.FORWARD_STEP, [[handle, 1, 1, 0]] * 2, [[0.5]] * 2)
        events = told.events()
    everywhere = {"seed": 4, "host": "a", "layers": [2, 3], "bad": "Infinity", "epoch": 7, "weights": [1.0, "NaN"]}
    assert [event["attributes"] for event in events] == [
        everywhere,
        everywhere | {"lr": 0.1},
        everywhere | {"lr": 0.2},
        everywhere,
    ]


def test_each_device_has_a_pass_whose_lanes_are_numbered_globally(make_program):
    """Two devices, one lane each of their own, the second one tells."""
    program = make_program(sharded="offset")
    with capture() as told:
        handle = program.tell(Signal.FORWARD_START, [[1, 2, 0]], [[0, 1, 1, 0, 0]])[0]
        program.tell(Signal.FORWARD_END, [[handle, 2, 2, 0]], [[1.0]])
        started, lane, ended = told.events()
    assert (started["batch_shape"], lane["batch_index"], ended["lanes"]["total"]) == ([2], [1], 1)


def test_a_thousand_lanes_are_ten_lines(program):
    """The eight slowest and the whole; in the end the eight slowest of all, but for the failing one, which was told."""
    count = 1000
    with capture() as told:
        handle = program.tell(Signal.FORWARD_START, [[0, 1, 0]] * count, [[0, 1, 1, 0, 0]] * count)[0]
        told.clear()
        times = [[1.0 - n / 2000] for n in range(count)]
        program.tell(Signal.FORWARD_STEP, [[handle, 1, 1, int(n == 500)] for n in range(count)], times)
        program.tell(
            Signal.FORWARD_END, [[handle, 2 + (n < 8), 2, int(n == 500)] for n in range(count)], [[1.0]] * count
        )
        records = told.records
    slowest = [[n] for n in range(992, 1000)]
    assert [getattr(record, "batch_index", None) for record in records[:9]] == [[500], *slowest]
    assert records[9].lanes == Lanes(
        total=count,
        finished=2,
        failed=1,
        progress_min=0.5005,
        progress_median=0.75025,
        progress_max=1.0,
    )
    assert [record.batch_index for record in records[10:-1]] == [[n] for n in range(1, 8)]
    assert records[-1].lanes.finished == count


def test_the_user_chooses_lanes(program):
    """`all` of a large batch, or some of them."""
    for lanes, shown in (("all", 20), ([(3,), (17,)], 2)):
        with capture(lanes=lanes) as told:
            handle = program.tell(Signal.FORWARD_START, [[0, 1, 0]] * 20, [[0, 1, 1, 0, 0]] * 20)[0]
            program.tell(Signal.FORWARD_STEP, [[handle, 1, 1, 0]] * 20, [[0.5]] * 20)
            program.tell(Signal.FORWARD_END, [[handle, 2, 2, 0]] * 20, [[1.0]] * 20)
            names = [event["event"] for event in told.events()]
        assert names == (["pass.started", *["pass.progress"] * (shown + 1), *["lane.ended"] * shown, "pass.ended"])


def test_steps_after_the_end_are_recomputed_and_no_progress(program):
    """Checkpointing runs them again: nothing is written, and no more of them are asked for."""
    with capture() as told:
        handle = program.solve()
        assert program.step(handle, 1, 1, 0.5) == NEVER
        assert program.end(handle) == handle
        assert [event["event"] for event in told.events()] == ["pass.started", "pass.progress", "pass.ended"]


def test_never_goes_through_a_float32_and_back():
    """A loop carries the step that is wanted as a float32."""
    assert int(np.float32(NEVER)) == NEVER
    assert int(np.nextafter(np.float32(NEVER), np.float32(np.inf))) > np.iinfo(np.int32).max


def test_a_meter_knows_progress_alone(program):
    """Neither times nor how it ended; steps are counted, and not told apart."""
    with capture(every=2) as told:
        handle, wanted = program.tell(Signal.METER_START, [])
        assert (handle, wanted) == (1, 2)
        assert program.tell(Signal.METER_STEP, [handle, 2, 2, 0], [0.5]) == 4
        assert program.tell(Signal.METER_END, [handle, 3], [0.75]) == 0
        assert program.tell(Signal.METER_STEP, [handle, 2, 2, 0], [0.5]) == NEVER
        events = told.events()
    assert events == [
        {**FORWARD, **MADE_OF, "event": "pass.started", "batch_shape": []},
        {**FORWARD, "event": "pass.progress", "step": 2, "progress": 0.5},
        {
            **FORWARD,
            "event": "pass.ended",
            "status": "ok",
            "result": "unknown",
            "step": 3,
            "progress": 0.75,
        },
    ]
