"""Who called? The experiment and the span of each pass are those of the thread, or the task, that called."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import diffrax as dfx
import jax
import jax.numpy as jnp
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import soltrace
from soltrace.sinks.spans import Spans
from soltrace.testing import Capture, capture

pytestmark = pytest.mark.slow

TERM = dfx.ODETerm(lambda t, y, args: -y)


def solve(own: Any) -> jax.Array:
    """Two steps, told apart by an attribute of their own."""
    return soltrace.diffeqsolve(TERM, dfx.Euler(), 0.0, 1.0, 0.5, own, max_steps=4, attributes={"own": own}).ys[0]


class Counted:
    """A compiled program, and how often it was traced."""

    def __init__(self, function: Callable[[Any], Any] = solve) -> None:
        self.traces = 0
        self._function = function
        self._compiled = jax.jit(self._traced)

    def _traced(self, own: Any) -> Any:
        self.traces += 1
        return self._function(own)

    def __call__(self, own: int) -> None:
        jax.block_until_ready(self._compiled(jnp.float32(own)))


class Exported:
    """A provider, and what it has exported."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self.provider.get_tracer("mine")

    def family(self) -> list[tuple[str, str | None, bool]]:
        """Of each span its name, its parent's, and whether they are in one trace."""
        spans = {span.context.span_id: span for span in self._exporter.get_finished_spans()}
        found = []
        for span in spans.values():
            parent = None if span.parent is None else spans[span.parent.span_id]
            same = parent is None or parent.context.trace_id == span.context.trace_id
            found.append((span.name, None if parent is None else parent.name, same))
        return sorted(found)


@pytest.fixture
def exported() -> Iterator[Exported]:
    told = Exported()
    yield told
    told.provider.shutdown()


def wrong(c: Capture) -> list[Any]:
    """Passes whose caller's number is not the solve's own."""
    passes = [event["attributes"] for event in c.events() if event["event"] == "pass.ended"]
    assert passes
    return [attributes for attributes in passes if attributes.get("caller") != attributes["own"]]


@pytest.mark.parametrize("way", ["eager", "jit"])
@pytest.mark.parametrize("inside", ["nothing", "span", "experiment"])
def test_both_passes_are_children_of_the_callers_span(inside: str, way: str, exported: Exported) -> None:
    """Where there is none, the backward one is in the trace of the forward one, and its child."""
    gradient = jax.value_and_grad(solve)
    around: dict[str, Callable[[], AbstractContextManager[Any]]] = {
        "nothing": nullcontext,
        "span": lambda: exported.tracer.start_as_current_span("span"),
        "experiment": lambda: soltrace.experiment("experiment"),
    }
    with capture(tracing=Spans(exported.provider)) as c:
        with around[inside]():
            jax.block_until_ready((jax.jit(gradient) if way == "jit" else gradient)(jnp.float32(1.0)))
        c.flush()
    if inside == "nothing":
        expected: list[Any] = [
            ("diffeqsolve backward", "diffeqsolve forward", True),
            ("diffeqsolve forward", None, True),
        ]
    else:
        expected = [(f"diffeqsolve {phase}", inside, True) for phase in ("backward", "forward")]
        expected += [(inside, None, True)]
    assert exported.family() == expected


def test_one_thread_after_another_compiles_nothing_again() -> None:
    """Whatever they are in, on whichever thread."""
    program = Counted()

    def work(own: int) -> None:
        with soltrace.experiment("fit", caller=own), soltrace.experiment("inner"):
            program(own)

    with capture() as c:
        program(0)
        c.clear()
        work(1)
        for own in (2, 3):
            with ThreadPoolExecutor(1) as pool:
                pool.submit(work, own).result(60)
        assert wrong(c) == []
    assert program.traces == 1


def together(threads: int, solves: int, exported: Exported) -> tuple[int, list[Any], int]:
    """Have so many threads, each in something of its own, run one program at the same time.

    Returns:
        How many passes there were, those that were not their caller's, and how often the program was traced.
    """
    program, barrier, ids = Counted(), threading.Barrier(threads), {}

    def work(own: int) -> None:
        with soltrace.experiment("e", caller=own) if own % 2 else exported.tracer.start_as_current_span("s"):
            ids[own] = trace.format_trace_id(trace.get_current_span().get_span_context().trace_id)
            barrier.wait(60)
            for _ in range(solves):
                program(own)

    with capture(every=1000, tracing=Spans(exported.provider)) as c:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(1, threads + 1)))
        told = [
            (round(event["attributes"]["own"]), event["attributes"].get("caller"), event["trace_id"])
            for event in c.events()
            if event["event"] == "pass.ended"
        ]
    missed = [one for one in told if one != (one[0], one[0] if one[0] % 2 else None, ids[one[0]])]
    return len(told), missed, program.traces


def test_threads_at_the_same_time_are_told_apart(exported: Exported) -> None:
    """Each compiles once, not once an experiment; no attribute is another's, and each has a trace."""
    assert together(4, 25, exported) == (100, [], 4)


@pytest.mark.once
def test_many_threads_at_the_same_time_are_told_apart(exported: Exported) -> None:
    """A hundred solves on each of sixty-four."""
    assert together(64, 100, exported) == (6400, [], 64)


def test_a_thread_in_nothing_is_not_in_what_another_one_is() -> None:
    """It shares the number of the thread that entered something first, and its program calls from its own thread."""
    program = Counted()
    entered, go_on = threading.Event(), threading.Event()

    def work() -> None:
        with soltrace.experiment("worker"):
            program(1)
            entered.set()
            go_on.wait(60)
            program(2)

    with capture() as told:
        worker = threading.Thread(target=work)
        worker.start()
        entered.wait(60)
        program(3)
        go_on.set()
        worker.join()
        ended = [event for event in told.events() if event["event"] == "pass.ended"]
    assert sorted((event["attributes"]["own"], event["experiment"]) for event in ended) == [
        (1.0, "worker"),
        (2.0, "worker"),
        (3.0, None),
    ]
    assert program.traces == 1


def test_an_eager_solve_is_not_compiled_for_each_thread() -> None:
    """It is told its caller as data."""
    traces, barrier = [], threading.Barrier(3)
    term = dfx.ODETerm(lambda t, y, args: (traces.append(1), -y)[1])

    def work(own: int) -> None:
        with soltrace.experiment("e", caller=own):
            barrier.wait(60)
            y, attributes = jnp.float32(1.0), {"own": own}
            soltrace.diffeqsolve(term, dfx.Euler(), 0.0, 1.0, 0.5, y, attributes=attributes).ys.block_until_ready()
            barrier.wait(60)

    with capture() as c:
        soltrace.diffeqsolve(term, dfx.Euler(), 0.0, 1.0, 0.5, jnp.float32(1.0))
        before = len(traces)
        c.clear()
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(work, range(1, 4)))
        assert wrong(c) == []
    assert len(traces) == before


@pytest.mark.parametrize("how", ["compiled", "eager", "to_thread"])
def test_tasks_are_told_apart(how: str) -> None:
    """On one thread too: a task waits for what it calls."""
    program = Counted()

    async def task(own: int) -> None:
        with soltrace.experiment("e", caller=own):
            for _ in range(2):
                await asyncio.sleep(0.001)
                if how == "to_thread":
                    await asyncio.to_thread(program, own)
                elif how == "eager":
                    solve(jnp.float32(own)).block_until_ready()
                else:
                    program(own)

    async def main() -> None:
        await asyncio.gather(task(1), task(2))

    with capture() as c:
        asyncio.run(main())
        assert wrong(c) == []


def test_threads_that_are_not_told_apart_compile_nothing_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The switch: what was entered last counts."""
    monkeypatch.setenv("SOLTRACE_THREADS_APART", "false")
    program, barrier = Counted(), threading.Barrier(2)

    def work(own: int) -> None:
        with soltrace.experiment("e", caller=own):
            barrier.wait(60)
            program(own)
            barrier.wait(60)

    with capture() as c:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(work, (1, 2)))
        assert len({event["attributes"]["caller"] for event in c.events() if event["event"] == "pass.ended"}) == 1
    assert program.traces == 1
