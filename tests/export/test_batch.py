import threading
import time
from collections import Counter

import pytest

from soltrace.export.batch import BatchProcessor, Limits

SLOW = Limits(delay_s=3600.0, queue_size=100, batch_size=10)


class Backend:
    """Takes batches, and can be told to fail, or to hang until it is released."""

    def __init__(self):
        self.taken = []
        self.fails = False
        self.entered, self.released = threading.Event(), threading.Event()
        self.released.set()
        self.lost = Counter()

    def export(self, batch):
        self.entered.set()
        self.released.wait(30)
        if not self.fails:
            self.taken.append(list(batch))
        return not self.fails

    def lose(self, why, lost):
        self.lost[why] += lost

    def hang(self):
        self.entered.clear()
        self.released.clear()


@pytest.fixture
def backend():
    return Backend()


@pytest.fixture
def make(backend):
    """Makes batch processors that stop at the end of the test."""
    made = []

    def make(limits=SLOW, **options):
        made.append(BatchProcessor(backend.export, backend.lose, limits, **options))
        return made[-1]

    yield make
    backend.released.set()
    for batch in made:
        batch.stop(10.0)


def wait_for(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_items_are_exported_in_order_when_a_batch_is_full(make, backend):
    """No flush is needed. An incomplete batch waits."""
    batch = make()
    for item in range(25):
        batch.put(item)
    wait_for(lambda: len(backend.taken) == 2)
    assert backend.taken == [list(range(10)), list(range(10, 20))]
    assert batch.flush(10.0)
    assert backend.taken[2:] == [list(range(20, 25))]


def test_items_are_exported_after_a_delay(make, backend):
    """However few of them there are."""
    batch = make(Limits(0.01, 100, 10))
    batch.put(1)
    wait_for(lambda: backend.taken == [[1]])
    batch.put(2)
    wait_for(lambda: backend.taken == [[1], [2]])


def test_a_full_queue_drops_the_oldest_and_counts_it(make, backend):
    """Putting an item never waits for the backend."""
    batch = make(Limits(3600.0, 10, 10))
    backend.hang()
    for item in range(10):
        batch.put(item)
    assert backend.entered.wait(10)
    for item in range(10, 25):
        batch.put(item)
    backend.released.set()
    assert batch.flush(10.0)
    assert backend.taken == [list(range(10)), list(range(15, 25))]
    assert backend.lost == {"export queue full": 5}


def test_a_batch_that_fails_is_counted(make, backend):
    """Once, and before a flush that waits for it returns. The next batch may arrive."""
    batch = make()
    backend.fails = True
    batch.put(1)
    batch.put(2)
    assert batch.flush(10.0)
    assert backend.lost == {"export failed": 2}
    backend.fails = False
    batch.put(3)
    assert batch.flush(10.0)
    assert (backend.taken, backend.lost) == ([[3]], {"export failed": 2})


def test_a_flush_waits_no_longer_than_it_may(make, backend):
    """The backend hangs, but that loses nothing yet."""
    batch = make()
    backend.hang()
    batch.put(1)
    began = time.monotonic()
    assert not batch.flush(0.1)
    assert time.monotonic() - began < 5
    assert backend.lost == {}
    backend.released.set()
    assert batch.flush(10.0)
    assert backend.taken == [[1]]


def test_a_flush_does_not_wait_for_what_comes_later(make, backend):
    """A thread that keeps putting items in does not hold it up."""
    batch = make(Limits(3600.0, 1000, 1))
    stop = threading.Event()

    def put():
        while not stop.is_set():
            batch.put(0)

    thread = threading.Thread(target=put)
    thread.start()
    assert batch.flush(30.0)
    stop.set()
    thread.join()


@pytest.mark.parametrize("fails", [False, True])
def test_what_is_given_up_is_counted_once(fails, make, backend):
    """That goes for what is queued, what is being exported, whatever becomes of it, and what comes too late."""
    batch = make(size=lambda item: item)
    backend.hang()
    backend.fails = fails
    batch.put(1)
    assert not batch.flush(0.0)
    assert backend.entered.wait(10)
    batch.put(10)
    assert batch.stop(0.05) == 11
    batch.put(100)
    assert backend.lost == {"not exported in time": 111}
    backend.released.set()
    wait_for(lambda: not batch._thread.is_alive())
    assert backend.lost == {"not exported in time": 111}


def test_stopping_exports_what_is_there(make, backend):
    """It also ends the thread."""
    batch = make()
    for item in range(15):
        batch.put(item)
    assert batch.stop(10.0) == 0
    assert [item for taken in backend.taken for item in taken] == list(range(15))
    assert backend.lost == {}
    wait_for(lambda: not batch._thread.is_alive())
    assert batch.stop(10.0) == 0


@pytest.fixture
def no_threads(monkeypatch):
    """Refuses to start threads until `undo`, as Python 3.12 and later may while the interpreter ends."""

    def refuse(thread):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    return monkeypatch


def test_what_no_thread_can_export_is_counted_once(make, backend, no_threads):
    """Whether it is dropped, given up or too late. Nothing waits for a thread that does not exist."""
    batch = make(Limits(3600.0, 2, 2))
    for item in range(5):
        batch.put(item)
    began = time.monotonic()
    assert not batch.flush(30.0)
    assert batch.stop(30.0) == 2
    batch.put(5)
    assert time.monotonic() - began < 5
    assert batch.stop(30.0) == 0
    assert (backend.taken, backend.lost) == ([], {"export queue full": 3, "not exported in time": 3})


def test_the_thread_is_there_before_the_first_item(request, make, backend):
    """In a short program, that one comes while the interpreter ends, when a thread may be refused."""
    batch = make()
    request.getfixturevalue("no_threads")
    batch.put(1)
    assert batch.flush(10.0)
    assert backend.taken == [[1]]


def test_a_thread_that_could_not_be_started_is_tried_again(make, backend, no_threads):
    """There may only have been too many of them. What has been waiting is exported then."""
    batch = make()
    batch.put(1)
    no_threads.undo()
    assert batch.flush(10.0)
    batch.put(2)
    assert batch.stop(10.0) == 0
    assert (backend.taken, backend.lost) == ([[1], [2]], {})


def test_each_item_of_many_threads_arrives_or_is_counted(make, backend):
    """Exactly once, however the queue fills and empties."""
    batch = make(Limits(3600.0, 20, 5))

    def put():
        for item in range(1000):
            batch.put(item)

    threads = [threading.Thread(target=put) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert batch.flush(10.0)
    assert set(backend.lost) <= {"export queue full"}
    assert sum(map(len, backend.taken)) + backend.lost["export queue full"] == 8000


def test_an_item_may_come_in_the_midst_of_another(backend):
    """The garbage collector may end a span at any point, also on a thread that is just putting one in."""
    reentered = []

    def size(item):
        if not reentered:
            reentered.append(item)
            batch.put(3)
        return 1

    batch = BatchProcessor(backend.export, backend.lose, Limits(3600.0, 2, 2), size=size)
    backend.hang()

    def put():
        for item in range(-2, 3):
            batch.put(item)
            if item == -1:
                backend.entered.wait(10)

    thread = threading.Thread(target=put, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    backend.released.set()
    assert batch.stop(10.0) == 0
    assert reentered == [0]
    assert sum(map(len, backend.taken)) + backend.lost["export queue full"] == 6


def test_what_comes_while_the_interpreter_ends_is_exported_or_counted(run):
    """Some releases of Python start a thread then, and others refuse to. Each item shows up in one place."""
    program = """
import atexit
from soltrace.export.batch import BatchProcessor, Limits
taken, lost = [], []
def late():
    deliver = lambda batch: not taken.extend(batch)
    batch = BatchProcessor(deliver, lambda why, n: lost.append((n, why)), Limits(3600.0, 9, 9))
    for item in range(3):
        batch.put(item)
    stopped = batch.stop(5.0)
    print([*taken, *lost] in ([0, 1, 2], [(3, "not exported in time")]), stopped == 3 - len(taken))
atexit.register(late)
"""
    done = run(program)
    assert (done.stdout, done.stderr) == ("True True\n", "")
    assert done.took_s < 5


def test_the_child_of_a_fork_begins_empty(run):
    """Its parent exports what was waiting; the child exports its own."""
    program = """
import os
from soltrace.export.batch import BatchProcessor, Limits
taken = []
batch = BatchProcessor(lambda batch: not taken.extend(batch), print, Limits(3600.0, 100, 10))
batch.put("parent's")
if (child := os.fork()) == 0:
    batch.put("child's")
    print(batch.flush(10.0), taken, flush=True)
    os._exit(0)
print(os.waitpid(child, 0)[1], batch.flush(10.0), taken)
"""
    done = run(program, "-W", "ignore::DeprecationWarning")  # of forks, from Python 3.12 on
    assert done.stdout == """True ["child's"]\n0 True ["parent's"]\n"""
