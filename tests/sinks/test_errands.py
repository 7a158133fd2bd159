"""Code of others is called in order, on a thread that the rest of soltrace does not wait for."""

import threading
import warnings

import pytest

from soltrace.sinks import errands as module
from soltrace.sinks.errands import Errands
from soltrace.wire.losses import OUTSIDE, What
from soltrace.wire.warn import SAID


@pytest.fixture
def errands():
    """Some, whose thread is ended."""
    made = Errands(What.SPAN, "Spans")
    yield made
    made.close()


@pytest.fixture
def lost():
    """What was counted as lost, since the test began."""
    OUTSIDE.__init__()
    yield lambda: {(loss.what.value, loss.reason): loss.dropped for loss in OUTSIDE.total()}
    OUTSIDE.__init__()


def test_they_are_run_in_order_and_elsewhere(errands):
    """By one thread."""
    run, threads = [], set()
    for number in range(100):
        errands.run(lambda number=number: (run.append(number), threads.add(threading.current_thread().name)))
    assert errands.flush(10.0)
    assert (run, threads) == (list(range(100)), {"soltrace-processors"})


def test_one_that_hangs_is_waited_for_no_longer_than_may_be(errands):
    """What waits behind it is given up when there is no more time, and counted by who asks."""
    begun, go_on, run = threading.Event(), threading.Event(), []
    errands.run(lambda: (begun.set(), go_on.wait(10.0)))
    assert begun.wait(10.0)
    errands.run(lambda: run.append("behind it"))
    assert errands.flush(0.01) is False
    assert errands.give_up(0.01) == 2
    errands.run(lambda: run.append("at the end"))
    assert run == ["at the end"]
    go_on.set()
    assert errands.flush(10.0)
    assert run == ["at the end"]


def test_they_are_caught_up_with(errands):
    """With those, too, that somebody else has yet to bring."""
    run = []
    errands.run(lambda: run.append(1))

    def bring(timeout_s):
        errands.run(lambda: run.append(2))
        return True

    errands.catch_up(bring)
    assert run == [1, 2]


def test_one_that_hangs_is_waited_for_once(errands, monkeypatch):
    """And again when it goes on. One that waits for itself does not hang."""
    monkeypatch.setattr(module, "_A_MOMENT_S", 0.01)
    go_on, asked, run = threading.Event(), [], []
    errands.run(lambda: (errands.catch_up(asked.append), go_on.wait(10.0)))
    for _ in range(3):
        errands.catch_up(lambda timeout_s: asked.append(timeout_s) or True)
    assert asked == [0.01]
    go_on.set()
    assert errands.flush(10.0)
    monkeypatch.undo()
    errands.run(lambda: run.append("next"))
    errands.catch_up(lambda timeout_s: asked.append("again") or True)
    assert (asked, run) == ([0.01, "again"], ["next"])


def test_where_who_brings_them_hangs_they_are_waited_for_once(errands):
    """Until one comes all the same."""
    asked = []
    hangs = lambda timeout_s: asked.append(timeout_s) or False
    for _ in range(3):
        errands.catch_up(hangs)
    assert len(asked) == 1
    errands.run(lambda: None)
    assert errands.flush(10.0)
    errands.catch_up(hangs)
    assert len(asked) == 2


def test_one_that_fails_is_counted(errands, lost):
    """The next one is run all the same; even what is no `Exception` does not end the thread."""
    run = []
    for fail in (RuntimeError("no"), SystemExit(3)):
        errands.run(lambda fail=fail: (_ for _ in ()).throw(fail))
    errands.run(lambda: run.append(1))
    assert errands.flush(10.0)
    assert run == [1]
    assert lost() == {("span", "Spans: RuntimeError: no"): 1, ("span", "Spans: SystemExit: 3"): 1}


def test_there_is_room_for_so_many(errands, lost, monkeypatch):
    """The oldest go, and are counted; it is said once."""
    monkeypatch.setattr(module, "WAITING_AT_MOST", 3)
    SAID.clear()
    begun, go_on, run = threading.Event(), threading.Event(), []
    errands.run(lambda: (begun.set(), go_on.wait(10.0)))
    assert begun.wait(10.0)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for number in range(5):
            errands.run(lambda number=number: run.append(number))
    go_on.set()
    assert errands.flush(10.0)
    assert run == [2, 3, 4]
    assert lost() == {("span", "queue full"): 2}
    assert [f"{warning.category.__name__}: {warning.message}" for warning in told] == [
        "SoltraceWarning: a processor of the program's own is too slow: each span too many is lost, and counted"
    ]


def test_where_no_thread_can_be_started_they_are_run_at_once(errands, monkeypatch):
    """While the interpreter ends."""
    monkeypatch.setattr(threading.Thread, "start", lambda self: (_ for _ in ()).throw(RuntimeError("at shutdown")))
    run = []
    errands.run(lambda: run.append(threading.current_thread()))
    assert run == [threading.current_thread()]
