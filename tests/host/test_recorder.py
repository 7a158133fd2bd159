import gc
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

from soltrace import host
from soltrace.host import Signal, table
from soltrace.host.context import Context
from soltrace.host.forward import Memory
from soltrace.host.process import PROCESS
from soltrace.host.signals import Kind
from soltrace.testing import MemorySink, capture
from soltrace.wire.losses import Loss, What, Why
from soltrace.wire.records import TelemetryDropped


def passes(events):
    """What is said of passes; what was lost is said beside it."""
    return [event for event in events if event["event"].startswith("pass.")]


def names(events):
    """Which passes started and ended."""
    return [(event["pass_id"].removeprefix("run."), event["event"]) for event in passes(events)]


def opened(name):
    """A context that stands for an experiment."""
    return Context(name, {"seed": 3}, scope=object(), on_main_thread=True)


def test_a_pass_belongs_to_what_is_current_when_its_program_starts(program):
    """And its backward pass too, whatever is current by then."""
    with capture() as told:
        first, second = opened("first"), opened("second")
        told.recorder.enter(first)
        forward = program.solve()
        told.recorder.leave(first)
        told.recorder.enter(second)
        program.backward_start(forward)
        program.start()
        told.recorder.leave(second)
        events = told.events()
    assert [(event["pass_id"], event["experiment"], event["attributes"]) for event in events] == [
        *[("run.1.forward", "first", {"seed": 3})] * 3,
        ("run.1.backward", "first", {"seed": 3}),
        ("run.2.forward", "second", {"seed": 3}),
    ]


def test_a_program_may_name_its_experiment(program):
    """Whatever its caller is in."""
    with capture() as told:
        first = opened("first")
        second = replace(opened("second"), outer=first)
        told.recorder.enter(first)
        told.recorder.enter(second)
        program.start(token=told.recorder.token(first))
        program.start()
        events = told.events()
    assert [event["experiment"] for event in events] == ["first", "second"]


def test_two_runs_of_a_program_at_once_never_mix(program):
    """Each has its handle, on whatever thread it runs."""
    with capture() as told:
        barrier = threading.Barrier(4)

        def run(t1):
            barrier.wait(10)
            handle = program.start(t1=t1)
            for step in range(1, 20):
                barrier.wait(10)
                program.step(handle, step, step, t1 * step / 20)
            program.end(handle, step=20, accepted=20, t=t1)

        threads = [threading.Thread(target=run, args=(float(number),)) for number in range(1, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        events = told.events()
    by_pass = {}
    for event in events:
        by_pass.setdefault(event["pass_id"], []).append(event)
    assert sorted(by_pass) == [f"run.{number}.forward" for number in range(1, 5)]
    for start, *progress, end in by_pass.values():
        t1 = start["t1"]
        assert [line["step"] for line in progress] == list(range(1, 20))
        assert [line["t"] for line in progress] == pytest.approx([t1 * step / 20 for step in range(1, 20)])
        assert (end["t"], end["step"]) == (t1, 20)


def test_waiting_ends_when_the_passes_do(program, elsewhere):
    """Another thread ends the last one."""
    with capture() as told:
        context = opened("fit")
        told.recorder.enter(context)
        handle = elsewhere(program.start)
        ending = threading.Timer(0.05, program.end, args=(handle,))
        ending.start()
        told.recorder.wait_for(context.scope)
        assert names(told.events()) == [("1.forward", "pass.started"), ("1.forward", "pass.ended")]
        assert told.records[-1].status == "ok"


def test_waiting_is_for_the_experiments_own_passes_and_those_inside_it(program, elsewhere):
    """Not for another's."""
    with capture(abandon_after_s=0.0) as told:
        outer, inner = opened("outer"), None
        told.recorder.enter(outer)
        inner = Context("outer/inner", outer=outer, scope=object(), on_main_thread=True)
        told.recorder.enter(inner)
        elsewhere(program.start)
        told.recorder.leave(inner)
        told.recorder.leave(outer)
        elsewhere(program.start)
        told.recorder.wait_for(outer.scope)
        events = told.events()
    assert names(events) == [
        ("1.forward", "pass.started"),
        ("2.forward", "pass.started"),
        ("1.forward", "pass.ended"),
    ]


def test_a_silent_pass_is_given_up(program, elsewhere):
    """It ends with what was known of it, and is counted."""
    with capture(abandon_after_s=0.0) as told:
        context = opened("fit")
        told.recorder.enter(context)
        handle = elsewhere(program.start)
        program.step(handle, 1, 1, 0.25)
        told.recorder.wait_for(context.scope)
        program.step(handle, 2, 2, 0.5)
        program.end(handle)
        end = passes(told.events())[-1]
        assert told.recorder.losses.total() == [Loss(What.PASS_END, Why.NO_SIGN_OF_LIFE, "", 1)]
    assert end == {
        "event": "pass.ended",
        "level": "error",
        "experiment": "fit",
        "attributes": {"seed": 3},
        "solve_id": "run.1",
        "pass_id": "run.1.forward",
        "phase": "forward",
        "status": "error",
        "result": "abandoned",
        "step": 1,
        "progress": 0.25,
        "t": 0.25,
        "steps": {"accepted": 1, "rejected": 0},
    }


@pytest.mark.parametrize("throws", [True, False])
def test_a_pass_whose_program_its_own_error_stops_is_not_waited_for(make_program, elsewhere, monkeypatch, throws):
    """diffrax raises where a solve has failed: no end of the backward pass comes, and no wait brings it."""
    program = make_program(throws=throws)
    with capture(abandon_after_s=30.0) as told:
        clock = Clock()
        monkeypatch.setattr(told.recorder, "clock", clock)
        context = opened("fit")
        told.recorder.enter(context)
        forward = elsewhere(program.start)
        program.end(forward, result=1)
        elsewhere(program.backward_start, forward)
        told.recorder.wait_for(context.scope)
        assert clock.now == pytest.approx(0.0 if throws else 30.0)
        ends = [(e["pass_id"], e["status"], e["result"]) for e in told.events() if e["event"] == "pass.ended"]
        counted = [] if throws else [Loss(What.PASS_END, Why.NO_SIGN_OF_LIFE, "", 1)]
        assert told.recorder.losses.total() == counted
    assert ends == [("run.1.forward", "error", "max_steps_reached"), ("run.1.backward", "error", "abandoned")]


def test_patience_grows_with_the_pauses_that_a_pass_makes(program, elsewhere, monkeypatch):
    """A step that takes a minute is no sign of death: ten such pauses are."""
    with capture(abandon_after_s=30.0) as told:
        clock = Clock()
        monkeypatch.setattr(told.recorder, "clock", clock)
        context = opened("fit")
        told.recorder.enter(context)
        handle = elsewhere(program.start)
        clock.now = 60.0
        program.step(handle, 1, 1, 0.25)
        told.recorder.wait_for(context.scope)
        assert clock.now == pytest.approx(60.0 + 600.0)


def test_whoever_is_in_a_hurry_waits_no_longer(program, elsewhere, monkeypatch):
    """An exception left the experiment: a second, whatever the pass is like."""
    with capture() as told:
        clock = Clock()
        monkeypatch.setattr(told.recorder, "clock", clock)
        context = opened("fit")
        told.recorder.enter(context)
        elsewhere(program.start)
        told.recorder.wait_for(context.scope, 1.0)
        assert clock.now == pytest.approx(1.0)


class Clock:
    """Stands still, except while somebody waits."""

    now = 0.0

    def time_ns(self):
        return round(self.now * 1e9)

    def monotonic(self):
        return self.now

    def wait(self, condition, timeout_s):
        self.now += timeout_s


def test_too_many_open_passes_are_given_up(program, monkeypatch):
    """Programs that died never tell: their passes must not stay for ever."""
    monkeypatch.setattr(table, "OPEN_AT_MOST", 2)
    with capture() as told:
        for _ in range(3):
            program.start()
        end = passes(told.events())[-1]
    assert (end["pass_id"], end["event"], end["result"]) == ("run.1.forward", "pass.ended", "abandoned")


def test_closing_gives_up_what_is_open_and_says_what_was_lost(program, elsewhere):
    """Each pass that started has ended, and the last line says what that means."""
    sink = MemorySink()
    with capture(sinks=[sink]) as told:
        elsewhere(program.start)
        told.recorder.close(10.0)
        assert names(told.events()) == [("1.forward", "pass.started"), ("1.forward", "pass.ended")]
    lost = sink.records[-1]
    assert (lost.dropped, lost.what, lost.reason) == (1, "end of a pass", "abandoned: the run was closed")


def test_programs_that_go_on_at_the_end_report_no_more_but_their_ends(program, elsewhere):
    """What calls later would find no interpreter. It is waited for until they know, but not for those that are over."""
    with capture() as told:
        forward, ended = elsewhere(program.start), program.solve()
        program.start()  # its caller is here: it is over
        _, backward = elsewhere(program.backward_start, ended)
        knowing = threading.Thread(target=told.recorder.silence, args=(30.0,))
        knowing.start()
        while program.step(forward, 1, 1, 0.5) != host.NEVER:
            pass
        assert knowing.is_alive()
        while program.backward_step(0, 0.5, 0.0, backward)[0] != host.NEVER_ELAPSED:
            pass
        knowing.join(30.0)
        assert not knowing.is_alive()
        program.end(forward)
        program.backward_end(ended, backward)
        assert [event["status"] for event in told.events() if event["event"] == "pass.ended"] == ["ok"] * 3


class Failing:
    """A sink that can do nothing."""

    def __init__(self):
        self.closed = False

    def handle(self, record):
        raise OSError(28, "No space left on device")

    def flush(self, timeout_s):
        raise OSError(28, "No space left on device")

    def close(self):
        self.closed = True
        raise OSError(28, "No space left on device")


def test_a_failing_sink_stops_nobody(program, caplog):
    """The others get everything; what it did not take is counted, and said once in a while."""
    failing = Failing()
    with capture(sinks=[failing]) as told:
        program.solve()
        assert not told.recorder.flush(10.0)
        events = told.events()
        assert told.recorder.close(10.0) is False
    reason = "Failing: OSError: [Errno 28] No space left on device"
    said = [event for event in told.events() if event["event"] == "telemetry.dropped"]
    assert [event["event"] for event in events if event["event"] != "telemetry.dropped"] == [
        "pass.started",
        "pass.progress",
        "pass.ended",
    ]
    assert {(event["what"], event["reason"]) for event in said} == {("record", reason)}
    assert sum(event["dropped"] for event in said) == 3
    assert failing.closed
    assert f"x record: {reason}" in caplog.text


class Quitting(MemorySink):
    """Code of the user's that raises what is no `Exception`, as a handler does that calls `sys.exit`."""

    def handle(self, record):
        super().handle(record)
        if not isinstance(record, TelemetryDropped):
            raise SystemExit(3)

    def flush(self, timeout_s):
        raise SystemExit(4)


def test_a_sink_that_quits_ends_neither_the_worker_nor_the_others(program):
    """It is a failure like another: only the main thread's may be Ctrl-C."""
    quitting = Quitting()
    with capture(sinks=[quitting]) as told:
        program.solve()
        assert not told.recorder.flush(10.0)
        program.solve()
        events = told.events()
    assert [event["event"] for event in passes(events)] == ["pass.started", "pass.progress", "pass.ended"] * 2
    assert [record.pass_id for record in quitting.records if not isinstance(record, TelemetryDropped)] == [
        event["pass_id"] for event in passes(events)
    ]
    assert told.recorder.losses.total() == [Loss(What.RECORD, Why.RAISED, "Quitting: SystemExit: 3", 6)]


class Stuck:
    """A sink whose backend does not answer until it is let go."""

    def __init__(self):
        self.go_on = threading.Event()

    def handle(self, record):
        self.go_on.wait(30)

    def flush(self, timeout_s):
        return self.go_on.wait(timeout_s)

    def close(self):
        self.go_on.set()


def test_a_stuck_sink_costs_progress_but_no_start_and_no_end(program):
    """The queue is bounded: the oldest progress goes, and once new passes find no room, they are refused as a whole."""
    stuck, sink = Stuck(), MemorySink()
    with capture(sinks=[stuck, sink], queue_size=8) as told:
        handle = program.start()
        while told.recorder._queue:  # until the worker has it in hand, and is stuck
            pass
        for step in range(1, 21):
            assert program.step(handle, step, step, step / 20) == step + 1
        while told.recorder._queue.has_room():
            program.solve()
        assert program.start() == 0
        program.end(handle)
        stuck.go_on.set()
        told.flush()
        told.recorder.close(10.0)
    started = [record.pass_id for record in sink.records if record.__class__.__name__ == "PassStarted"]
    ended = [record.pass_id for record in sink.records if record.__class__.__name__ == "PassEnded"]
    assert sorted(started) == sorted(ended)
    lost = {(loss.what, loss.reason): loss.dropped for loss in told.recorder.losses.total()}
    assert lost["forward pass", "queue full"] == 1
    progress = [record for record in sink.records if record.__class__.__name__ == "PassProgress"]
    assert len(progress) + lost["progress", "queue full"] == 20 + len(started) - 1


def test_flush_is_bounded(program):
    """It says that not everything got there."""
    stuck = Stuck()
    with capture(sinks=[stuck]) as told:
        program.start()
        assert told.recorder.flush(0.05) is False
        stuck.go_on.set()
        assert told.recorder.flush(10.0) is True


def test_barriers_come_first_and_may_fail(program):
    """What dispatched programs still have to tell is waited for; a barrier that fails is counted."""
    with capture() as told:
        handle = program.start()
        calls = []

        def fails():
            raise RuntimeError("the device is gone")

        PROCESS.shared.barriers += [fails, lambda: calls.append(program.end(handle))]
        try:
            assert told.recorder.flush(10.0) is False
        finally:
            del PROCESS.shared.barriers[-2:]
        assert calls == [handle]
        assert names(told.events())[-1] == ("1.forward", "pass.ended")
        lost = told.recorder.losses.total()
    assert lost == [Loss(What.WAIT, Why.NOT_AWAITED, "", 1)]


def test_a_signal_that_cannot_be_read_is_answered_and_counted(program):
    """Here a step without its numbers: the program goes on, and so does the pass."""
    with capture() as told:
        handle = program.start()
        assert program.tell(Signal.FORWARD_STEP, [handle], []) == host.NEVER
        assert program.tell(Signal.FORWARD_STEP, [[handle, 1, 1, 0]] * 2, [[0.5]] * 3) == 2
        program.end(handle)
        assert names(told.events()) == [("1.forward", "pass.started"), ("1.forward", "pass.ended")]
        assert [loss.what for loss in told.recorder.losses.total()] == ["signal", "signal"]


def test_an_end_that_cannot_be_read_is_an_end(program):
    """Whatever came with it, the pass is over."""
    with capture() as told:
        handle = program.start()
        program.tell(Signal.FORWARD_END, [[handle, 1, 1, 0]] * 2, [[0.5]] * 3)
        end = passes(told.events())[-1]
    assert (end["event"], end["result"]) == ("pass.ended", "abandoned")


def test_what_a_report_costs_slows_the_reports(program, monkeypatch):
    """The pace is told how long the recorder took for the last one."""
    costs = []

    class Pacing:
        def pace(self, *_):
            return self

        def first(self):
            return 1

        def next(self, position, now, cost_s):
            costs.append(cost_s)
            return position + 1

        def end(self, position, now):
            pass

    with capture(pacing=Pacing()):
        handle = program.start()
        program.step(handle, 1, 1, 0.1)
        program.step(handle, 2, 2, 0.2)
    assert costs == pytest.approx([0.001, 0.001])


def test_memory_stays_flat(monkeypatch):
    """Ten thousand solves leave nothing behind, once as many as are remembered have run."""
    monkeypatch.setattr(table, "ENDED_AT_MOST", 200)
    info = host.SolveInfo(solver="Tsit5", adjoint="RecursiveCheckpointAdjoint", controller="PIDController")
    start = np.array([0, 1, 0], np.int32), np.array([0, 1, 1, 1e-5, 1e-3], np.float32)
    with capture() as told:

        def solves(count):
            for _ in range(count):
                handle = int(host.receive(Signal.FORWARD_START, info, *start)[0])
                host.receive(Signal.FORWARD_END, info, np.array([handle, 3, 2, 0], np.int32), np.ones(1, np.float32))
            told.clear()
            gc.collect()
            return sys.getallocatedblocks()

        before = solves(300)
        growth = solves(10_000) - before
        assert len(PROCESS.shared.passes.open) == 0
    assert growth < 2_000  # one object left behind by each solve would be 10 000


def test_little_is_kept_of_an_ended_pass(program):
    """What backward passes need of a forward one, and of a backward one nothing."""
    with capture() as told:
        forward = program.solve()
        _, handle = program.backward_start(forward)
        backward = PROCESS.shared.passes.find(int(handle), Kind.BACKWARD)
        program.backward_end(forward, handle)
        told.flush()
        kept = PROCESS.shared.passes.find(forward, Kind.FORWARD).view
    assert backward.view is None
    assert isinstance(kept, Memory)
    assert np.ravel(kept.lanes).tolist() == [0.0, 1.0, 1.0, 1.0, 3.0, 2.0]


def test_the_record_of_a_loss_may_fail_and_the_work_goes_on(program, elsewhere):
    """The loss is said when it can be; the worker does not end."""
    gone = True

    def find_process_index():
        if gone:
            raise RuntimeError("backend gone")
        return 3

    sink = MemorySink()
    with capture(sinks=[sink]) as told:
        object.__setattr__(told.recorder.run, "find_process_index", find_process_index)
        told.recorder.losses.add(What.PROGRESS, Why.QUEUE_FULL, 7)
        elsewhere(program.start)
        told.flush()
        assert told.recorder._worker._thread.is_alive()
        gone = False
        program.solve()
    lost = [record for record in sink.records if isinstance(record, TelemetryDropped)]
    assert [(record.what, record.reason, record.dropped, record.process_index) for record in lost] == [
        ("end of a pass", "abandoned: the run was closed", 1, 3),
        ("progress", "queue full", 7, 3),
        ("signal", "RuntimeError: backend gone", 1, 3),
    ]
    assert Loss(What.RECORD, Why.RAISED, "RuntimeError: backend gone", 1) in told.recorder.losses.total()


def test_a_pass_that_reported_a_moment_ago_is_not_said_to_be_silent(program, elsewhere):
    """It is given up because the run is closed."""
    with capture() as told:
        handle = elsewhere(program.start)
        program.step(handle, 1, 1, 0.5)
        told.recorder.close(10.0)
        assert told.recorder.losses.total() == [Loss(What.PASS_END, Why.RUN_CLOSED, "", 1)]


class FullSink:
    """As a log on a disk that is full for a while."""

    def __init__(self):
        self.full, self.records = False, []

    def handle(self, record):
        if self.full:
            raise OSError(28, "No space left on device")
        self.records.append(record)

    def flush(self, timeout_s):
        return True

    def close(self):
        pass


def test_what_a_sink_has_missed_is_said_once_it_works_again(program):
    """To that sink; the others were told of it when it happened."""
    sink = FullSink()
    with capture(sinks=[sink]) as told:
        handle = program.start()
        told.flush()
        sink.full = True
        program.step(handle, 1, 1, 0.1)
        told.flush()
        program.step(handle, 2, 2, 0.2)
        told.flush()
        sink.full = False
        program.end(handle)
        told.flush()
    said = [record for record in sink.records if isinstance(record, TelemetryDropped)]
    assert sum(record.dropped for record in said) == 2
    assert {(record.what, record.reason) for record in said} == {
        ("record", "FullSink: OSError: [Errno 28] No space left on device")
    }
    assert sum(record.dropped for record in told.records if isinstance(record, TelemetryDropped)) == 2
