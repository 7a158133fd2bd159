import threading
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from soltrace.host.queue import BATCH, Queue
from soltrace.wire.losses import What


@dataclass(frozen=True)
class Thing:
    name: int
    progress: bool = False
    nbytes: int = 1
    lost: tuple[What, int] = (What.PROGRESS, 1)


def taken(queue):
    """Everything in the queue, as the worker would take it."""
    queue.close()
    things = []
    while (batch := queue.take(None)) is not None:
        things += batch
    return things


def test_first_in_first_out():
    """Progress and what must stay come out in the order in which they went in."""
    queue = Queue(100)
    things = [Thing(n, progress=n % 3 == 0) for n in range(10)]
    for thing in things:
        queue.put(thing)
    assert taken(queue) == things


def test_a_full_queue_drops_the_oldest_progress():
    """Starts and ends stay, newer progress stays, and the loss is counted once."""
    queue = Queue(4)
    for thing in (Thing(0), Thing(1, True), Thing(2, True), Thing(3), Thing(4, True), Thing(5)):
        queue.put(thing)
    assert taken(queue) == [Thing(0), Thing(3), Thing(4, True), Thing(5)]
    assert queue.take_dropped() == {What.PROGRESS: 2}
    assert not queue.take_dropped()


def test_what_is_dropped_is_counted_as_what_it_is():
    """An item with a thousand steps is a thousand steps."""
    queue = Queue(2)
    for thing in (Thing(0, True, lost=(What.STEPS, 1000)), Thing(1, True), Thing(2, True), Thing(3, True)):
        queue.put(thing)
    assert queue.take_dropped() == {What.STEPS: 1000, What.PROGRESS: 1}


def test_starts_and_ends_are_never_dropped():
    """A queue full of them has no room for a new pass, and still takes what belongs to the open ones."""
    queue = Queue(3)
    for n in range(3):
        assert queue.has_room()
        queue.put(Thing(n))
    assert not queue.has_room()
    queue.put(Thing(3))
    queue.put(Thing(4, True))
    assert taken(queue) == [Thing(n) for n in range(4)]
    assert queue.take_dropped() == {What.PROGRESS: 1}


def test_bytes_are_bounded_too():
    """Three reports of a huge batch are as many as a thousand of a single solve."""
    queue = Queue(1000, bytes_at_most=100)
    for n in range(5):
        queue.put(Thing(n, True, nbytes=40))
    assert taken(queue) == [Thing(3, True, 40), Thing(4, True, 40)]
    queue = Queue(1000, bytes_at_most=100)
    queue.put(Thing(0, nbytes=120))
    assert not queue.has_room()


def test_batches_are_small():
    """So that what was lost can be said in between."""
    queue = Queue(10_000)
    for n in range(BATCH + 1):
        queue.put(Thing(n))
    queue.close()
    assert [len(queue.take(None)), len(queue.take(None)), queue.take(None)] == [BATCH, 1, None]


def test_what_comes_after_the_end_is_counted_as_dropped():
    """A program may outlive the recorder."""
    queue = Queue(10)
    queue.close()
    queue.put(Thing(0))
    assert queue.take_dropped() == {What.PROGRESS: 1}
    assert taken(queue) == []


def worker(queue, dealt_with, may_go_on=None):
    """A thread that takes until the queue is closed."""

    def run():
        while (batch := queue.take(None)) is not None:
            if may_go_on is not None:
                may_go_on.wait(10)
            dealt_with.extend(batch)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_join_waits_for_what_is_in_hand():
    """What has been taken but not dealt with is not done."""
    queue, dealt_with, may_go_on = Queue(10, linger_s=0.0), [], threading.Event()
    thread = worker(queue, dealt_with, may_go_on)
    queue.put(Thing(0))
    assert not queue.join(0.05)
    may_go_on.set()
    assert queue.join(10)
    assert dealt_with == [Thing(0)]
    queue.close()
    thread.join(10)


def test_join_does_not_wait_for_the_worker_to_linger():
    """Somebody waits: what has gathered is dealt with now."""
    queue, dealt_with = Queue(10, linger_s=60.0), []
    thread = worker(queue, dealt_with)
    queue.put(Thing(0))
    assert queue.join(10)
    assert dealt_with == [Thing(0)]
    queue.close()
    thread.join(10)
    assert not thread.is_alive()


def test_a_sleeping_worker_is_woken_by_the_first_item():
    """Nobody has to ask for it."""
    queue, arrived = Queue(10), threading.Event()
    queue._active_until = -1.0

    def run():
        while not queue.take(None):
            pass
        arrived.set()

    thread = threading.Thread(target=run)
    thread.start()
    queue.put(Thing(0))
    assert arrived.wait(10)
    thread.join(10)


def test_a_queue_half_full_is_taken_at_once():
    """The worker does not linger while there is a danger of losing something."""
    queue, dealt_with = Queue(4, linger_s=60.0), []
    thread = worker(queue, dealt_with)
    for n in range(3):
        queue.put(Thing(n))
    queue.close()
    thread.join(10)
    assert dealt_with == [Thing(n) for n in range(3)]


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 20))
def test_accepted_and_dropped_are_all_that_was_emitted(progress, capacity):
    """Nothing is lost uncounted, nothing that must stay is lost, and the order stays."""
    queue = Queue(capacity)
    things = [Thing(n, progress=flag) for n, flag in enumerate(progress)]
    for thing in things:
        queue.put(thing)
    accepted = taken(queue)
    assert len(accepted) + queue.take_dropped().total() == len(things)
    assert [thing for thing in accepted if not thing.progress] == [thing for thing in things if not thing.progress]
    assert [thing.name for thing in accepted] == sorted(thing.name for thing in accepted)
    dropped = {thing.name for thing in things} - {thing.name for thing in accepted}
    kept_progress = [thing.name for thing in accepted if thing.progress]
    assert max(dropped, default=-1) < min(kept_progress, default=61)
