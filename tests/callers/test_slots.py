import _thread
import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from soltrace import experiment
from soltrace.callers import CALLERS
from soltrace.callers.publishing import PublishingContext, publish
from soltrace.callers.slots import ENTRIES_AT_MOST, UnderWay
from soltrace.testing import capture


@pytest.fixture
def tracer():
    provider = TracerProvider()
    yield provider.get_tracer("mine")
    provider.shutdown()


def spans(number):
    """Names of the spans that are entered under a number, and not left."""
    entries, late = CALLERS.at(number)
    assert not late
    return [trace.get_current_span(entry.span).name for entry in entries]


def on_a_devices_thread(function):
    """What a function returns on a thread that Python has not made."""
    found, over = [], threading.Event()
    _thread.start_new_thread(lambda: (found.append(function()), over.set()), ())
    assert over.wait(10)
    return found[0]


def on_a_thread(function):
    """What a function returns on another thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result(10)


def test_one_thread_after_another_has_number_0(tracer):
    """What they are in is found under it until they leave."""

    def work(name):
        with tracer.start_as_current_span(name), tracer.start_as_current_span("inner"):
            return spans(0)

    assert [work("a"), on_a_thread(lambda: work("b")), work("c")] == [["a", "inner"], ["b", "inner"], ["c", "inner"]]
    assert CALLERS.nobody


def test_threads_at_the_same_time_have_numbers_of_their_own(tracer):
    """The lowest that is free; one that was let go is taken again."""
    with tracer.start_as_current_span("a"):

        def work():
            with tracer.start_as_current_span("b"):
                return spans(0), spans(1)

        assert on_a_thread(work) == (["a"], ["b"])
        assert on_a_thread(work) == (["a"], ["b"])
        assert spans(1) == []


def test_what_is_left_in_another_order_or_on_another_thread_is_left(tracer):
    """By its token, whatever else is in between."""
    first = otel.attach(trace.set_span_in_context(tracer.start_span("first")))
    second = otel.attach(trace.set_span_in_context(tracer.start_span("second")))
    on_a_thread(lambda: CALLERS.left(first))
    assert spans(0) == ["second"]
    otel.detach(second)
    assert CALLERS.nobody
    otel.detach(first)


def test_a_thread_that_ends_in_something_lets_go(tracer):
    """Its number is free."""

    def work():
        otel.attach(trace.set_span_in_context(tracer.start_span("for ever")))
        assert not CALLERS.nobody

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    assert CALLERS.nobody


def test_what_is_never_left_is_bounded(tracer):
    """The oldest goes."""
    span = trace.set_span_in_context(tracer.start_span("leaked"))
    tokens = [otel.attach(span) for _ in range(ENTRIES_AT_MOST + 5)]
    assert len(spans(0)) == ENTRIES_AT_MOST
    for token in reversed(tokens):
        otel.detach(token)
    assert CALLERS.nobody


def test_a_context_without_a_span_takes_no_number(tracer):
    """Exporters attach such contexts, on threads of their own; inside a span it hides that."""
    token = otel.attach(otel.set_value("suppressed", value=True))
    assert CALLERS.nobody
    otel.detach(token)
    with tracer.start_as_current_span("a"):
        token = otel.attach(otel.Context())
        assert CALLERS.at(0)[0][-1].span is None
        otel.detach(token)
        assert spans(0) == ["a"]


def inside():
    """Which experiment the calling thread has entered, or inherited, under number 0."""
    return [entry.experiment and entry.experiment.experiment for entry in CALLERS.at(0)[0]][-1:]


def test_work_in_a_pool_is_in_what_it_inherits():
    """`asyncio.to_thread` copies context variables, and so may anybody; other work inherits nothing."""
    with capture(), ThreadPoolExecutor(1) as pool:
        with experiment("fit"):
            copied = contextvars.copy_context()
        assert pool.submit(inside).result(10) == []

        async def main():
            return await asyncio.to_thread(inside)

        assert copied.run(asyncio.run, main()) == ["fit"]
        assert pool.submit(copied.run, inside).result(10) == ["fit"]
        assert pool.submit(pow, 2, exp=3).result(10) == 8
    assert CALLERS.nobody


def test_of_tasks_on_one_thread_the_one_that_runs_counts():
    """A program that is under way was called by it."""

    async def task(name):
        with experiment(name):
            await asyncio.sleep(0)
            found = await asyncio.create_task(child()), inside()
            await asyncio.sleep(0.01)
        return found

    async def child():
        return on_a_devices_thread(inside)

    async def main():
        return await asyncio.gather(task("a"), task("b"))

    with capture():
        found = asyncio.run(main())
    assert [own for _, own in found] == [["a"], ["b"]]
    if hasattr(asyncio.Task, "get_context"):  # Python 3.12
        assert [inherited for inherited, _ in found] == [["a"], ["b"]]


def test_a_thread_in_nothing_is_not_in_what_the_holder_of_0_is(tracer):
    """Its program may run on its own thread; one on a thread of the device's may be anybody's."""
    with tracer.start_as_current_span("a"):
        assert on_a_thread(lambda: spans(0)) == []
        assert on_a_devices_thread(lambda: spans(0)) == ["a"]


def test_without_a_switch_all_threads_share_a_number(tracer, monkeypatch):
    """What was entered last counts, whoever did."""
    monkeypatch.setenv("SOLTRACE_THREADS_APART", "false")
    with tracer.start_as_current_span("a"):

        def work():
            with tracer.start_as_current_span("b"):
                return spans(0), spans(1)

        assert on_a_thread(work) == (["a", "b"], ["a", "b"])
        assert spans(0) == ["a"]
    assert CALLERS.nobody


@pytest.mark.parametrize("said", ["", " ", "ja", "On"])
def test_whatever_else_is_said_of_it_they_are_told_apart(tracer, monkeypatch, said):
    """What is neither true nor false is left out."""
    monkeypatch.setenv("SOLTRACE_THREADS_APART", said)
    with tracer.start_as_current_span("a"):
        assert on_a_thread(lambda: spans(0)) == []


def test_disabled_nobody_takes_a_number(tracer, monkeypatch):
    """Nothing of ours is in jit's key."""
    monkeypatch.setenv("SOLTRACE_DISABLED", "true")
    with tracer.start_as_current_span("a"):
        assert CALLERS.nobody


def test_a_program_under_way_belongs_to_where_it_was_called(tracer, monkeypatch):
    """It starts when that has been left, and what is called then starts after it."""
    done = []
    monkeypatch.setattr(CALLERS, "programs", lambda _: UnderWay([lambda: bool(done)]))
    monkeypatch.setattr(CALLERS, "_with_solves", set())
    CALLERS.traced()

    def work():
        with tracer.start_as_current_span("b"):
            return spans(1)

    with tracer.start_as_current_span("a"):
        pass
    (before,), late = CALLERS.at(0)
    assert (before.span, late) == (None, True)
    assert on_a_thread(work) == ["b"]  # the number is still in use
    done.append(True)
    assert spans(0) == []
    with tracer.start_as_current_span("c"):
        assert spans(0) == ["c"]
    assert CALLERS.nobody


class Unknown:
    """An OpenTelemetry that keeps its context elsewhere."""


def test_an_opentelemetry_that_is_not_known_is_left_alone(caplog):
    """And that is said."""
    publish(Unknown)
    assert [record.getMessage() for record in caplog.records] == [
        "soltrace: a compiled solve doesn't know its caller's span: this OpenTelemetry is not known"
    ]
    assert vars(Unknown).get("_RUNTIME_CONTEXT") is None


def test_a_runtime_context_is_published_once():
    """However often that is asked for, and whatever it is: it does what it did."""
    publish(otel)
    ours = otel._RUNTIME_CONTEXT
    assert isinstance(ours, PublishingContext)
    assert not isinstance(ours.inner, PublishingContext)
    assert ours._CONTEXT_KEY == ours.inner._CONTEXT_KEY
