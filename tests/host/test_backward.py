import math

import numpy as np
import pytest

from soltrace.host import NEVER, NEVER_ELAPSED, Signal
from soltrace.testing import UNSTEADY, capture

BACKWARD = {
    "level": "info",
    "experiment": None,
    "attributes": {},
    "solve_id": "run.1",
    "pass_id": "run.1.backward",
    "phase": "backward",
}
MADE_OF = {"solver": "Tsit5", "adjoint": "RecursiveCheckpointAdjoint", "controller": "PIDController", "max_steps": 4096}


def ended(accepted, rejected, recomputed, **more):
    """The last line of a backward pass that went well."""
    counted = {"accepted": accepted, "rejected": rejected, "recomputed": recomputed}
    line = {"event": "pass.ended", "status": "ok", "result": "successful", "step": accepted + rejected}
    return {**BACKWARD, **line, "progress": 1.0, "t": 0.0, "steps": counted} | more


def backward(events):
    """What is said of backward passes."""
    return [event for event in events if event["phase"] == "backward"]


def test_a_backward_pass_runs_from_nothing_to_all(program):
    """Each transposed step tells where it began; the forward pass's steps are its steps."""
    with capture() as told:
        forward = program.solve()
        wanted, handle = program.backward_start(forward)
        assert (wanted, handle) == (1.0, 2.0)
        assert program.backward_step(2, 0.75, wanted, handle) == [0.75, 2.0]
        assert program.backward_step(0, 0.0, 0.75, handle) == [0.0, 2.0]
        assert program.backward_end(forward, handle) == [0.0, 0.0]
        events = backward(told.events())
    assert events == [
        {
            **BACKWARD,
            **MADE_OF,
            "event": "pass.started",
            "t0": 0.0,
            "t1": 1.0,
            "batch_shape": [],
            "forward_pass_id": "run.1.forward",
        },
        {**BACKWARD, "event": "pass.progress", "step": 1, "progress": 0.25, "t": 0.75},
        {**BACKWARD, "event": "pass.progress", "step": 3, "progress": 1.0, "t": 0.0},
        ended(2, 1, 6),
    ]


def test_it_may_be_reported_every_such_fraction(program):
    """The answer is the elapsed time at which the next report is wanted; below 0, none is."""
    with capture(fraction=0.4) as told:
        forward = program.start(t0=2.0, t1=4.0)
        program.end(forward, t=4.0)
        wanted, handle = program.backward_start(forward)
        assert wanted == pytest.approx(1.2)
        assert program.backward_step(1, 1.0, wanted, handle)[0] == pytest.approx(0.4)
        assert program.backward_step(1, 0.1, 0.4, handle) == [NEVER_ELAPSED, handle]
        progress = [(event["t"], event["progress"]) for event in backward(told.events())[1:]]
    assert progress == [(3.0, 0.5), (2.1, 0.95)]


def test_it_begins_where_the_forward_pass_ended(program):
    """After an event at t = 0.4 there is nothing to transpose beyond: half of that is half of the way."""
    with capture() as told:
        forward = program.start()
        program.end(forward, step=2, accepted=2, t=0.4, result=2)
        wanted, handle = program.backward_start(forward)
        program.backward_step(1, 0.2, wanted, handle)
        started, progress = backward(told.events())
    assert (started["t0"], started["t1"]) == (0.0, 1.0)
    assert (progress["progress"], progress["t"]) == (0.5, 0.2)


def test_time_may_run_backwards(program):
    """Then it runs forwards here."""
    with capture() as told:
        forward = program.start(t0=-2.0, t1=0.0, direction=-1)
        program.end(forward, t=0.0)
        wanted, handle = program.backward_start(forward)
        program.backward_step(2, 1.5, wanted, handle)
        program.backward_end(forward, handle)
        _, progress, end = backward(told.events())
    assert [(line["t"], line["progress"]) for line in (progress, end)] == [(0.5, 0.25), (2.0, 1.0)]


def test_several_backward_passes_never_mix(program):
    """Each has its number and its handle, also while another is open; an end without a handle is nobody's."""
    with capture() as told:
        forward = program.solve()
        (_, first), (_, second), (_, third) = (program.backward_start(forward) for _ in range(3))
        program.backward_step(2, 0.75, 1.0, second)
        program.backward_step(1, 0.5, 1.0, first)
        program.backward_end(forward, second)
        program.backward_end(forward, 0)
        program.backward_end(forward, first)
        program.backward_end(forward, third)
        events = backward(told.events())
    assert [(event["pass_id"], event["event"], event.get("progress")) for event in events] == [
        ("run.1.backward", "pass.started", None),
        ("run.1.backward.2", "pass.started", None),
        ("run.1.backward.3", "pass.started", None),
        ("run.1.backward.2", "pass.progress", 0.25),
        ("run.1.backward", "pass.progress", 0.5),
        ("run.1.backward.2", "pass.ended", 1.0),
        ("run.1.backward", "pass.ended", 1.0),
        ("run.1.backward.3", "pass.ended", 1.0),
    ]


def test_padding_is_no_step(program):
    """A bounded loop is as long as its longest lane: where the handle is 0, the others have not begun."""
    with capture() as told:
        forward = program.tell(Signal.FORWARD_START, [[0, 1, 0]] * 2, [[0, 1, 1, 0, 0]] * 2)[0]
        program.tell(Signal.FORWARD_END, [[forward, 3, 3, 0], [forward, 1, 1, 0]], [[1.0], [1.0]])
        wanted, handle = program.tell(Signal.BACKWARD_START, [[forward, lane] for lane in range(2)], [[0.0, 0.0]] * 2)
        answer = program.tell(Signal.BACKWARD_STEP, [[2], [2]], [[0.5, wanted, handle], [0.0, 0.0, 0.0]])
        assert answer == [0.5, handle]
        program.tell(Signal.BACKWARD_END, [[forward]] * 2, [[handle]] * 2)
        events = backward(told.events())
    assert [(e["event"], e.get("batch_index"), e.get("step"), e.get("progress"), e.get("t")) for e in events] == [
        ("pass.started", None, None, None, None),
        ("pass.progress", [0], 1, 0.5, 0.5),
        ("pass.progress", [1], 0, 0.0, 1.0),
        ("pass.progress", None, 0, 0.0, 1.0),
        ("lane.ended", [0], 3, 1.0, 0.0),
        ("lane.ended", [1], 1, 1.0, 0.0),
        ("pass.ended", None, 3, 1.0, 0.0),
    ]
    assert [e["steps"] for e in events if "steps" in e] == [
        {"accepted": 3, "rejected": 0, "recomputed": 6},
        {"accepted": 1, "rejected": 0, "recomputed": 6},
        {"accepted": 4, "rejected": 0, "recomputed": 12},
    ]


def test_a_backward_pass_may_be_batched_where_its_forward_pass_was_not(program):
    """`jacrev` sends a batch of cotangents back."""
    with capture() as told:
        forward = program.solve()
        wanted, handle = program.tell(Signal.BACKWARD_START, [[forward, 0]] * 2, [[0.0, 0.0]] * 2)
        program.tell(Signal.BACKWARD_STEP, [[2]] * 2, [[0.75, wanted, handle]] * 2)
        program.tell(Signal.BACKWARD_END, [[forward]] * 2, [[handle]] * 2)
        started, *lines = backward(told.events())
    assert started["batch_shape"] == [2]
    assert [(e["event"], e.get("batch_index"), e["progress"]) for e in lines] == [
        ("pass.progress", [0], 0.25),
        ("pass.progress", [1], 0.25),
        ("pass.progress", None, 0.25),
        ("lane.ended", [0], 1.0),
        ("lane.ended", [1], 1.0),
        ("pass.ended", None, 1.0),
    ]


@pytest.mark.parametrize(("lanes", "steps"), [([[0, 0], [1, 1]], [3, 3, 1, 1]), ([[0, 1], [0, 1]], [3, 1, 3, 1])])
def test_lanes_and_outputs_are_told_apart(program, lanes, steps):
    """As many of the ones as of the others: which axis is which, the start says."""
    with capture() as told:
        forward = program.tell(Signal.FORWARD_START, [[0, 1, 0]] * 2, [[0, 1, 1, 0, 0]] * 2)[0]
        program.tell(Signal.FORWARD_END, [[forward, 3, 3, 0], [forward, 1, 1, 0]], [[1.0], [1.0]])
        start = [[[forward, lane] for lane in row] for row in lanes]
        _, handle = program.tell(Signal.BACKWARD_START, start, [[[0.0, 0.0]] * 2] * 2)
        program.tell(Signal.BACKWARD_END, [[[forward]] * 2] * 2, [[[handle]] * 2] * 2)
        events = backward(told.events())
    assert events[0]["batch_shape"] == [2, 2]
    assert [(e["batch_index"], e["step"]) for e in events if e["event"] == "lane.ended"] == list(
        zip([[0, 0], [0, 1], [1, 0], [1, 1]], steps, strict=True)
    )


@pytest.mark.parametrize("t1", [100.0, math.inf])
def test_it_is_paced_by_the_time_that_was_reached(program, t1):
    """An event ends the solve long before its `t1`: that is the whole way back."""
    with capture(fraction=0.25) as told:
        forward = program.start(t1=t1)
        program.end(forward, step=2, accepted=2, t=4.0, result=2)
        wanted, handle = program.backward_start(forward)
        assert wanted == 3.0
        assert program.backward_step(1, 2.0, wanted, handle) == [1.0, handle]
        progress = [(event["t"], event["progress"]) for event in backward(told.events())[1:]]
    assert progress == [(2.0, 0.5)]


def test_each_lane_has_reached_another_time(make_program):
    """The longest way of a lane counts, wherever it began."""
    program = make_program()
    with capture(fraction=0.5):
        floats = [[t0, 100, 1, 0, 0] for t0 in (0.0, 50.0)]
        forward = program.tell(Signal.FORWARD_START, [[0, 1, 0]] * 2, floats)[0]
        program.tell(Signal.FORWARD_END, [[forward, 1, 1, 0]] * 2, [[2.0], [54.0]])
        wanted, _ = program.tell(Signal.BACKWARD_START, [[forward, 0], [forward, 1]], [[0.0, 0.0]] * 2)
    assert wanted == 2.0


def test_an_adjoint_without_steps_has_a_start_and_an_end(make_program):
    """`ImplicitAdjoint` solves an equation instead."""
    program = make_program(backward="whole", recomputed=None)
    with capture() as told:
        forward = program.solve()
        _, handle = program.backward_start(forward)
        program.backward_end(forward, handle)
        assert backward(told.events())[1:] == [ended(0, 0, 0)]


def stretch_start(program, forward, t0, t1):
    """A solve inside a backward pass: its time was turned round."""
    return program.tell(Signal.STRETCH_START, [forward], [t0, t1, -1])


def test_solves_inside_a_backward_pass_are_parts_of_it(program):
    """`BacksolveAdjoint`, back over two saved times: one pass, whose steps are the sum."""
    with capture() as told:
        forward = program.solve()
        _, handle = program.backward_start(forward)
        first, wanted = stretch_start(program, forward, -1.0, -0.5)
        assert wanted == 1
        assert program.tell(Signal.STRETCH_STEP, [first, 1, 1, 0], [-0.75]) == 2
        assert program.tell(Signal.STRETCH_END, [first, 2, 1, 0], [-0.5]) == first
        second, wanted = stretch_start(program, forward, -0.5, 0.0)
        assert wanted == 1
        program.tell(Signal.STRETCH_STEP, [second, 1, 1, 0], [-0.25])
        program.tell(Signal.STRETCH_END, [second, 1, 1, 0], [0.0])
        program.backward_end(forward, handle)
        events = backward(told.events())[1:]
    progress = lambda step, done, t: {**BACKWARD, "event": "pass.progress", "step": step, "progress": done, "t": t}
    assert events == [progress(1, 0.25, 0.75), progress(2, 0.5, 0.5), progress(3, 0.75, 0.25), ended(2, 1, 0)]


def test_short_solves_inside_a_backward_pass_are_reported_together(program):
    """Every third step over all of them, though none has three."""
    with capture(every=3) as told:
        forward = program.start()
        program.end(forward)
        _, handle = program.backward_start(forward)
        wanted = []
        for t in (-0.75, -0.5, -0.25, 0.0):
            stretch, first = stretch_start(program, forward, t - 0.25, t)
            wanted.append(first)
            program.tell(Signal.STRETCH_END, [stretch, 2, 2, 0], [t])
        program.backward_end(forward, handle)
        events = backward(told.events())
    assert wanted == [3, 1, 2, 3]
    assert [(event["step"], event["progress"]) for event in events[1:]] == [(4, 0.5), (6, 0.75), (8, 1.0)]


def test_a_failed_solve_inside_a_backward_pass_ends_it(program):
    """diffrax's error then ends the program, and nothing else would be told of it."""
    with capture() as told:
        forward = program.solve()
        _, handle = program.backward_start(forward)
        stretch, _ = stretch_start(program, forward, -1.0, 0.0)
        program.tell(Signal.STRETCH_END, [stretch, 5, 4, 1], [-0.5])
        program.backward_end(forward, handle)
        events = backward(told.events(without=(*UNSTEADY, "verdict")))[1:]
    reached = {"level": "error", "status": "error", "result": "max_steps_reached", "progress": 0.5, "t": 0.5, "step": 5}
    assert events == [ended(4, 1, 0, **reached)]


@pytest.mark.parametrize(("t", "result", "progress"), [(-0.25, "abandoned", 0.75), (0.0, "successful", 1.0)])
def test_lanes_beside_a_failed_one_are_abandoned(program, t, result, progress):
    """They were on their way, and what they came to is not known; unless they had arrived."""
    with capture() as told:
        forward = program.tell(Signal.FORWARD_START, [[0, 1, 0]] * 2, [[0, 1, 1, 0, 0]] * 2)[0]
        program.tell(Signal.FORWARD_END, [[forward, 3, 3, 0]] * 2, [[1.0]] * 2)
        program.tell(Signal.BACKWARD_START, [[forward, lane] for lane in range(2)], [[0.0, 0.0]] * 2)
        stretch, _ = program.tell(Signal.STRETCH_START, [[forward]] * 2, [[-1.0, 0.0, -1]] * 2)
        program.tell(Signal.STRETCH_END, [[stretch, 5, 4, 0], [stretch, 5, 4, 1]], [[t], [-0.5]])
        events = backward(told.events())[1:]
    assert [(event.get("batch_index"), event["result"], event["progress"]) for event in events] == [
        ([0], result, progress),
        ([1], "max_steps_reached", 0.5),
        (None, result if result == "abandoned" else "max_steps_reached", 0.5),
    ]


def test_a_forgotten_forward_pass_has_a_backward_one_of_its_own(program):
    """Its times are not known, and it is not reported in between; it starts and it ends."""
    with capture() as told:
        wanted, handle = program.backward_start(77)
        assert wanted == NEVER_ELAPSED
        program.backward_end(77, handle)
        events = told.events()
    line = {**BACKWARD, "pass_id": "run.1.backward"}
    started = {**line, **MADE_OF, "event": "pass.started", "batch_shape": []}
    end = ended(0, 0, 0)
    del end["t"]
    assert events == [started, end]


@pytest.mark.parametrize(
    "signal,ints,floats,answer",
    [
        (Signal.FORWARD_STEP, [9, 1, 1, 0], [0.5], NEVER),
        (Signal.FORWARD_END, [9, 1, 1, 0], [0.5], 0),
        (Signal.BACKWARD_START, [0, 0], [0.0, 0.0], [NEVER_ELAPSED, 0.0]),
        (Signal.BACKWARD_STEP, [1], [0.5, 1.0, 9.0], [NEVER_ELAPSED, 0.0]),
        (Signal.BACKWARD_END, [9], [0.0], [0.0, 0.0]),
        (Signal.BACKWARD_END, [9], [9.0], [0.0, 0.0]),
        (Signal.STRETCH_START, [9], [0.0, 1.0, -1.0], [0, NEVER]),
        (Signal.STRETCH_STEP, [9, 1, 1, 0], [0.5], NEVER),
        (Signal.STRETCH_END, [9, 1, 1, 0], [0.5], 0),
        (Signal.METER_STEP, [9, 1, 1, 0], [0.5], NEVER),
        (Signal.METER_END, [9, 1], [0.5], 0),
    ],
    ids=lambda value: value.value if isinstance(value, Signal) else None,
)
def test_an_unknown_handle_is_ignored(program, signal, ints, floats, answer):
    """Answered so that the program calls no more, and nothing is written."""
    with capture() as told:
        assert program.tell(signal, ints, floats) == answer
        assert told.events() == []


def test_a_float64_time_keeps_its_digits(make_program):
    """What elapsed is a float32; the beginning to which it is added is not."""
    program = make_program(np.float64)
    with capture() as told:
        forward = program.start(t0=1e9, t1=1e9 + 1)
        program.end(forward, t=1e9 + 1)
        wanted, handle = program.backward_start(forward)
        program.backward_step(2, float(np.float32(0.3)), wanted, handle)
        progress = backward(told.events())[-1]
    assert math.isclose(progress["t"], 1e9 + 0.3, rel_tol=0, abs_tol=1e-6)
    assert progress["progress"] == 0.7
