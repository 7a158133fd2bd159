import gc
import itertools
import threading

import pytest

from soltrace.host import RegisteredSolve, Signal, registered, registered_solve
from soltrace.host.registered import _BY_TOKEN, RELEASED_AT_MOST
from soltrace.testing import capture


@pytest.fixture(autouse=True)
def _nothing_is_registered():
    flood()


def attributes_of(token):
    """Those that are registered under a number; None: they have been forgotten."""
    brought = registered_solve(token)
    return None if brought is None else brought.attributes


def flood():
    """Register, and let go, as many as are kept at most: what nobody holds is forgotten."""
    for _ in range(RELEASED_AT_MOST):
        RegisteredSolve({})
    gc.collect()


def test_attributes_are_found_by_their_number():
    """0 is nobody's number, and stands for none."""
    held = RegisteredSolve({"seed": 3})
    assert [attributes_of(held.token), attributes_of(0)] == [{"seed": 3}, {}]


def test_each_has_a_number_of_its_own():
    """Also where they are equal."""
    held = [RegisteredSolve({"seed": 3}) for _ in range(3)]
    assert len({each.token for each in held}) == 3


def test_they_are_kept_for_as_long_as_somebody_holds_them():
    """However many come after them: a thread may compile for a minute before its solve starts."""
    held = RegisteredSolve({"seed": 3})
    flood()
    assert attributes_of(held.token) == {"seed": 3}


def test_the_last_ones_that_were_let_go_are_kept():
    """A solve is dispatched, its adjoint is gone, and then it starts."""
    token = RegisteredSolve({"seed": 3}).token
    gc.collect()
    assert attributes_of(token) == {"seed": 3}
    for _ in range(RELEASED_AT_MOST - 1):
        RegisteredSolve({})
    assert attributes_of(token) == {"seed": 3}
    RegisteredSolve({})
    assert attributes_of(token) is None


def test_memory_is_bounded():
    """By what is held, and a number that does not grow."""
    others = len(_BY_TOKEN)  # programs that are kept may hold some, and be let go meanwhile
    held = [RegisteredSolve({"i": i}) for i in range(10)]
    for _ in range(3):
        flood()
    assert len(_BY_TOKEN) <= others + 10
    assert [attributes_of(each.token) for each in held] == [{"i": i} for i in range(10)]


def test_threads_register_at_once():
    """Each finds its own."""
    found = []

    def work(i):
        held = [RegisteredSolve({"thread": i, "n": n}) for n in range(500)]
        found.append([attributes_of(each.token) for each in held] == [{"thread": i, "n": n} for n in range(500)])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 8


def test_a_solve_adds_its_own_to_those_of_its_place(program):
    """On every line of it, and on no other solve's."""
    held = RegisteredSolve({"seed": 4, "epoch": 1})
    with capture(attributes={"host": "a", "seed": 3}) as captured:
        handle = program.tell(Signal.FORWARD_START, [0, 1, 0, held.token], [0.0, 1.0, 1, 1e-5, 1e-5])[0]
        program.end(handle)
        program.backward_end(handle, program.backward_start(handle)[1])
        program.solve()
        attributes = [(event["pass_id"], event["attributes"]) for event in captured.events()]
    own = {"host": "a", "seed": 4, "epoch": 1}
    assert attributes == [
        *[("run.1.forward", own)] * 2,
        *[("run.1.backward", own)] * 2,
        *[("run.2.forward", {"host": "a", "seed": 3})] * 3,
    ]


def test_what_was_forgotten_is_counted(program):
    """The pass is told without it."""
    token = RegisteredSolve({"seed": 3}).token
    flood()
    with capture(attributes={"host": "a"}) as captured:
        program.end(program.tell(Signal.FORWARD_START, [0, 1, 0, token], [0.0, 1.0, 1, 1e-5, 1e-5])[0])
        captured.recorder.close(timeout_s=30.0)
        events = [(event["event"], event["attributes"]) for event in captured.events()]
        losses = [(loss.what, loss.reason, loss.dropped) for loss in captured.recorder.losses.total()]
    assert events == [(event, {"host": "a"}) for event in ("pass.started", "pass.ended", "telemetry.dropped")]
    assert losses == [("attributes of a solve", "forgotten before it started", 1)]


def test_numbers_begin_again_after_the_largest(monkeypatch):
    """They are int32 in a program; one that is still in use is left out."""
    held = RegisteredSolve({"seed": 3})
    free = next(number for number in itertools.count(1) if number not in _BY_TOKEN)
    numbers = [2**31 - 2, 2**31 - 2 + free, held.token - 1, held.token, held.token + 1]
    monkeypatch.setattr(registered, "_NUMBERS", iter(numbers))
    assert [RegisteredSolve({}).token for _ in range(2)] == [2**31 - 1, free]
    expected = next(number for number in itertools.count(held.token) if number not in _BY_TOKEN)
    assert RegisteredSolve({}).token == expected
