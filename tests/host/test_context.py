import threading

import pytest

from soltrace.callers import EXPERIMENT
from soltrace.host.context import Context, Contexts
from soltrace.host.process import PROCESS
from soltrace.testing import capture


def entered(contexts, name, outer=None, *, on_main_thread=True):
    """An experiment that is open."""
    context = Context(name, outer=outer, scope=object(), on_main_thread=on_main_thread)
    contexts.enter(context)
    return context


def elsewhere(function):
    """What a function returns on another thread."""
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join(10)
    return found[0]


@pytest.fixture(autouse=True)
def _in_none():
    token = EXPERIMENT.set(None)
    yield
    EXPERIMENT.reset(token)


def test_a_thread_of_its_own_is_inside_the_main_threads():
    """The innermost of that, and never inside another worker's."""
    contexts = Contexts()
    outer = entered(contexts, "outer")
    inner = entered(contexts, "inner", outer)
    entered(contexts, "a worker's", on_main_thread=False)
    assert elsewhere(lambda: contexts.callers) is inner


def test_of_several_side_by_side_it_is_inside_what_is_around_them():
    """Tasks of the main thread's are in one each: which of them called is not known."""
    contexts = Contexts()
    outer = entered(contexts, "outer")
    first = entered(contexts, "first", outer)
    entered(contexts, "second", outer)
    assert elsewhere(lambda: contexts.callers) is outer
    contexts.leave(outer)
    assert elsewhere(lambda: contexts.callers) is None
    contexts.leave(first)
    assert elsewhere(lambda: contexts.callers).experiment == "second"


def test_who_is_in_one_that_was_left_elsewhere_is_in_what_is_around_it():
    """Context variables keep what another thread has left."""
    contexts = Contexts()
    outer = entered(contexts, "outer", on_main_thread=False)
    inner = entered(contexts, "inner", outer, on_main_thread=False)
    EXPERIMENT.set(inner)
    assert contexts.callers is inner
    contexts.leave(inner)
    assert contexts.callers is outer
    contexts.leave(outer)
    assert contexts.callers is None


def test_experiments_end_in_any_order():
    """Those on several threads do; leaving twice is leaving once."""
    contexts = Contexts()
    first, second = entered(contexts, "first"), entered(contexts, "second")
    contexts.leave(first)
    contexts.leave(first)
    assert contexts.main_threads is second
    contexts.leave(second)
    assert contexts.main_threads is None


def test_names_are_bounded_and_those_of_open_experiments_stay(monkeypatch):
    """The oldest that was left is forgotten first."""
    monkeypatch.setattr("soltrace.host.context.NAMED_AT_MOST", 2)
    contexts = Contexts()
    token = contexts.name(entered(contexts, "open"))
    tokens = [contexts.name(Context(str(number))) for number in range(3)]
    assert [named and named.experiment for named in map(contexts.named, (token, *tokens))] == ["open", None, None, "2"]


def test_a_name_that_has_been_forgotten_is_counted(program):
    """The pass is told, as its caller's."""
    with capture() as told:
        program.solve(token=99)
        assert [loss.what for loss in told.recorder.losses.total()] == ["experiment of a solve"]
        assert {event["experiment"] for event in told.events() if "pass_id" in event} == {None}
    assert not PROCESS.shared.contexts.open


def test_a_number_means_nothing_elsewhere():
    """Of another process, or of this one before it was forked: that begins with no experiments, as a copy does here."""
    tokens = [contexts.name(entered(contexts, "own")) for contexts in (Contexts() for _ in range(9))]
    assert len(set(tokens)) == 9
