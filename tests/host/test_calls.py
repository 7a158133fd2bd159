"""Which programs are over: seen by the threads that have called them."""

import _thread
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from soltrace.host.calls import CHECK_S, CHECK_SOON_S, LEFT_ALONE_S, Calls, calling_thread
from soltrace.host.context import Context
from soltrace.host.process import PROCESS
from soltrace.testing import capture
from soltrace.wire.losses import Loss, What, Why
from soltrace.wire.records import PassEnded


def leave(told, start):
    """Open an experiment, have a pass begin in it, and leave it; return how the pass ended."""
    context = Context("fit", scope=object(), on_main_thread=True)
    told.recorder.enter(context)
    start()
    told.recorder.wait_for(context.scope)
    return [(record.pass_id, record.result, record.t) for record in told.records if isinstance(record, PassEnded)]


def test_a_program_of_the_thread_that_waits_is_over(program):
    """It would not be here otherwise. Nothing is lost: there was no more to tell."""
    with capture(abandon_after_s=3600.0) as told:
        assert leave(told, lambda: program.step(program.start(), 1, 1, 0.5)) == [("run.1.forward", "abandoned", 0.5)]
        assert told.recorder.losses.total() == []


def test_a_program_whose_thread_does_nothing_or_is_no_more_is_over(program):
    """Its backward pass too: it began on that thread."""
    with capture(abandon_after_s=3600.0) as told, ThreadPoolExecutor(1) as pool:

        def start():
            thread = threading.Thread(target=program.start)
            thread.start()
            thread.join()
            pool.submit(lambda: program.backward_start(program.solve())).result()

        assert leave(told, start) == [
            ("run.2.forward", "successful", 1.0),
            ("run.1.forward", "abandoned", 0.0),
            ("run.2.backward", "abandoned", 1.0),
        ]
        assert told.recorder.losses.total() == []


def test_a_program_in_whose_call_a_thread_may_be_is_waited_for(program, elsewhere):
    """Beside one that is over."""
    with capture(abandon_after_s=0.2) as told:
        ends = leave(told, lambda: (elsewhere(program.start), program.start()))
        assert ends == [("run.2.forward", "abandoned", 0.0), ("run.1.forward", "abandoned", 0.0)]
        assert told.recorder.losses.total() == [Loss(What.PASS_END, Why.NO_SIGN_OF_LIFE, "", 1)]


def on_a_foreign_thread(call):
    """Call this on a thread that Python has not started."""
    done, answers = threading.Event(), []
    _thread.start_new_thread(lambda: (answers.append(call()), done.set()), ())
    assert done.wait(30.0)
    return answers[0]


def test_of_a_foreign_thread_it_is_not_known_whose_program_it_runs(program):
    """XLA's own."""
    with capture():
        on_a_foreign_thread(program.start)
        program.start()
        assert [entry.thread for entry in PROCESS.shared.passes.open.values()] == [None, threading.current_thread()]
    assert on_a_foreign_thread(calling_thread) is None


@pytest.mark.parametrize("done", [True, False])
def test_a_foreign_program_is_over_when_what_the_only_thread_has_called_is(done):
    """Until that is known it is looked for often."""
    foreign = SimpleNamespace(thread=None, last_seen=5.0)
    calls = Calls(lambda: lambda: done, lambda: [threading.current_thread()])
    assert calls.over_from(foreign) == (-math.inf if done else math.inf)
    assert calls.check_s == (CHECK_S if done else CHECK_SOON_S)


def test_a_foreign_program_may_be_one_that_another_thread_is_in(elsewhere):
    """Or has left alone: then it is heard of, or it is over."""
    here, foreign = threading.current_thread(), SimpleNamespace(thread=None, last_seen=5.0)
    busy = elsewhere(threading.current_thread)
    with ThreadPoolExecutor(1) as pool:
        idle = pool.submit(threading.current_thread).result()
        over = [Calls(lambda: lambda: True, lambda t=t: [here, *t]).over_from(foreign) for t in ([idle], [idle, busy])]
    assert over == [5.0 + LEFT_ALONE_S, math.inf]


def test_where_nothing_can_be_marked_nothing_is_known():
    """Whatever jax is set to."""

    def fails():
        raise RuntimeError("disallowed")

    foreign = SimpleNamespace(thread=None, last_seen=5.0)
    for mark in (None, fails):
        calls = Calls(mark, lambda: [threading.current_thread()])
        assert (calls.over_from(foreign), calls.check_s) == (math.inf, CHECK_S)
