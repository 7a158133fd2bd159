"""diffrax's own function made to report: the same numbers, the records that ours tells, and nothing left of it."""

import copy
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from opentelemetry.sdk.trace import TracerProvider

import soltrace
from soltrace.sinks.spans import Spans
from soltrace.testing import capture
from soltrace.zero_code.patch import patch, unpatch
from tests.traced.cases import BACKSOLVE, CASES, RC, YS, Y, loss, run
from tests.traced.rarely import some
from tests.traced.stories import bits, story

pytestmark = pytest.mark.slow

STORIES = Path(__file__).parents[1] / "traced" / "stories"
SIGNATURE = dfx.diffeqsolve._signature
FORWARD = ["1.forward started", "1.forward 2/0.500", "1.forward ended 4/1.000 4+0"]


@pytest.fixture(autouse=True)
def _diffrax_is_as_it_was() -> Iterator[None]:
    yield
    unpatch()
    assert dfx.diffeqsolve._signature is SIGNATURE


class Wrapping(dfx.AbstractProgressMeter[Any]):
    """A meter of somebody's that holds another one."""

    meter: dfx.AbstractProgressMeter[Any]

    def init(self) -> Any:
        return self.meter.init()

    def step(self, state: Any, progress: Any) -> Any:
        return self.meter.step(state, progress)

    def close(self, state: Any) -> None:
        self.meter.close(state)


def told(solve: Any, *args: Any, **kwargs: Any) -> list[str]:
    """What a call tells, in short."""
    with capture(every=2, fraction=0.5) as c:
        jax.block_until_ready(eqx.filter(solve(*args, **kwargs), eqx.is_array))
        return story(c.events())


def jaxpr(function: Any, *args: Any) -> str:
    """Traced anew each time, with no addresses in it."""
    anew = lambda *args: function(*args)  # noqa: PLW0108 - jax remembers what it made of a function
    return re.sub(r"0x[0-9a-f]+", "0x", str(jax.make_jaxpr(anew)(*args)))


@pytest.mark.parametrize(
    "name",
    some(
        ["grad_eager", "vmap_of_grad", "direct_grad", "backsolve_grad", "implicit", "event_vmap"],
        "grad_eager",
        "vmap_of_grad",
    ),
)
def test_it_tells_what_ours_tells(name: str) -> None:
    """To the bit the same numbers as before, and record by record what `soltrace.diffeqsolve` tells."""
    make, args = CASES[name]
    expected = make(dfx.diffeqsolve)(*args)
    patch()
    with capture(every=2, fraction=0.5) as c:
        values = make(dfx.diffeqsolve)(*args)
        jax.block_until_ready(values)
        assert story(c.events()) == (STORIES / f"{name}.txt").read_text().splitlines()
    assert bits(values) == bits(expected)


def test_a_compiled_solve_follows_the_patch() -> None:
    """diffrax keeps what it has compiled, by the adjoint too: so nothing goes on tracing, or goes on not tracing."""
    assert told(run, dfx.diffeqsolve) == []
    patch()
    assert told(run, dfx.diffeqsolve) == FORWARD
    unpatch()
    assert told(run, dfx.diffeqsolve) == []
    patch()
    assert told(run, dfx.diffeqsolve) == FORWARD


def test_nothing_of_it_stays() -> None:
    """The object, what it holds and its programs are those of before, and a copy made meanwhile is quiet."""
    before = jaxpr(jax.grad(lambda y: loss(dfx.diffeqsolve, y)), Y)
    whole = dict(vars(dfx.diffeqsolve))
    patch()
    patch()  # twice is once
    assert jaxpr(jax.grad(lambda y: loss(dfx.diffeqsolve, y)), Y) != before
    duplicate = copy.copy(dfx.diffeqsolve)
    assert told(run, duplicate) == FORWARD
    unpatch()
    unpatch()
    assert vars(dfx.diffeqsolve) == whole
    assert all(vars(dfx.diffeqsolve)[name] is value for name, value in whole.items())
    assert jaxpr(jax.grad(lambda y: loss(dfx.diffeqsolve, y)), Y) == before
    assert told(run, duplicate) == []


def test_disabled_it_leaves_no_trace_in_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """The jaxpr is diffrax's, whoever disables it."""
    before = jaxpr(lambda y: run(dfx.diffeqsolve, y).ys, Y)
    patch()
    monkeypatch.setenv("SOLTRACE_DISABLED", "true")
    assert jaxpr(lambda y: run(dfx.diffeqsolve, y).ys, Y) == before
    monkeypatch.delenv("SOLTRACE_DISABLED")
    soltrace.configure(enabled=False)
    assert jaxpr(lambda y: run(dfx.diffeqsolve, y).ys, Y) == before


def test_a_function_compiled_by_the_user_stays_until_jax_forgets_it() -> None:
    """Its solve is a part of the program that jax keeps; `jax.clear_caches()` is the way out."""
    compiled = jax.jit(lambda y: run(dfx.diffeqsolve, y).ys)
    assert told(compiled, Y) == []
    patch()
    assert told(compiled, Y) == []
    jax.clear_caches()
    assert told(compiled, Y) == FORWARD
    unpatch()
    assert told(compiled, Y) == FORWARD
    jax.clear_caches()
    assert told(compiled, Y) == []


@pytest.mark.once
@pytest.mark.parametrize("adjoint", [RC, BACKSOLVE])
def test_what_reports_already_reports_once(adjoint: Any) -> None:
    """soltrace's own function, its adjoint and its meter beside the patch: one forward and one backward pass."""
    ways = [
        lambda y: loss(soltrace.diffeqsolve, y, adjoint=adjoint),
        lambda y: loss(dfx.diffeqsolve, y, adjoint=soltrace.TracedAdjoint(adjoint)),
        lambda y: loss(dfx.diffeqsolve, y, adjoint=adjoint, progress_meter=soltrace.ProgressMeter()),
        lambda y: loss(dfx.diffeqsolve, y, adjoint=adjoint, progress_meter=Wrapping(soltrace.ProgressMeter())),
        lambda y: loss(
            dfx.diffeqsolve, y, adjoint=soltrace.TracedAdjoint(adjoint), progress_meter=soltrace.ProgressMeter()
        ),
        lambda y: loss(dfx.diffeqsolve, y, adjoint=adjoint),
    ]
    patch()
    stories = [told(jax.grad(way), Y) for way in ways]
    assert [line.split()[0] for line in stories[0] if line.endswith("started")] == ["1.forward", "1.backward"]
    assert stories == [stories[0]] * len(ways)


def test_attributes_of_a_traced_adjoint_stay() -> None:
    """It is not wrapped again, and not replaced."""
    patch()
    with capture() as c:
        run(dfx.diffeqsolve, adjoint=soltrace.TracedAdjoint(attributes={"seed": 3}))
        assert [event["attributes"] for event in c.events()] == [{"seed": 3}] * len(c.events())


def test_a_meter_of_diffraxs_goes_on(capfd: pytest.CaptureFixture[str]) -> None:
    """What the user sees is what the user saw."""
    patch()
    assert told(run, dfx.diffeqsolve, progress_meter=dfx.TextProgressMeter()) == FORWARD
    jax.effects_barrier()
    assert "100.00%" in capfd.readouterr().out


def test_it_looks_like_diffraxs() -> None:
    """Signature, name, type and identity."""
    signature, kind, text = inspect.signature(dfx.diffeqsolve), type(dfx.diffeqsolve), repr(dfx.diffeqsolve)
    patch()
    assert inspect.signature(dfx.diffeqsolve) == signature
    assert (type(dfx.diffeqsolve), repr(dfx.diffeqsolve)) == (kind, text)
    assert dfx.diffeqsolve == copy.copy(dfx.diffeqsolve)


@pytest.mark.parametrize(
    "mistake",
    [{"adjoint": "direct"}, {"adjoint": None}, {"tolerance": 1}, {"solver": dfx.Kvaerno5()}, {"max_steps": 2}],
    ids=["no adjoint", "None", "unknown argument", "no tolerances", "too few steps"],
)
def test_errors_are_diffraxs(mistake: Any) -> None:
    """The same type and the same words."""

    def failure() -> tuple[type, str]:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever diffrax raises
            run(dfx.diffeqsolve, **mistake)
        return caught.type, str(caught.value).splitlines()[-1]

    expected = failure()
    patch()
    with capture():
        assert failure() == expected


def test_ahead_of_time() -> None:
    """`lower` and `compile` bind arguments too, when they are asked and when the program is called."""
    arguments = (dfx.ODETerm(lambda t, y, args: -y * y), dfx.Heun(), 0.0, 1.0, 0.25, Y)
    patch()
    with capture(every=2) as c:
        values = dfx.diffeqsolve.lower(*arguments).compile()(*arguments).ys
        assert story(c.events()) == FORWARD
    unpatch()
    assert bits(values) == bits(dfx.diffeqsolve(*arguments).ys)


def test_a_program_compiled_ahead_of_time_stays_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the arguments that it was lowered with, whatever is patched or enabled when it is called."""
    arguments = (dfx.ODETerm(lambda t, y, args: -y * y), dfx.Heun(), 0.0, 1.0, 0.25, Y)
    expected = bits(dfx.diffeqsolve(*arguments).ys)
    patch()
    duplicate = jax.tree.map(lambda x: x, dfx.diffeqsolve)
    reporting = [solve.lower(*arguments).compile() for solve in (dfx.diffeqsolve, duplicate)]
    monkeypatch.setenv("SOLTRACE_DISABLED", "true")
    quiet = dfx.diffeqsolve.lower(*arguments).compile()
    calls = lambda: [bits(program(*arguments).ys) for program in (*reporting, quiet)]
    assert calls() == [expected] * 3
    monkeypatch.delenv("SOLTRACE_DISABLED")
    for way in (patch, unpatch):
        way()
        with capture(every=2) as c:
            assert calls() == [expected] * 3
            assert story(c.events()) == FORWARD + [line.replace("1", "2", 1) for line in FORWARD]


def test_a_solve_inside_a_library_and_under_vmap() -> None:
    """`diffeqsolve` in somebody's closure, partially applied, mapped: it is one object."""
    imported = dfx.diffeqsolve
    patch()
    assert told(jax.vmap(lambda y: run(imported, y).ys), YS)[0] == "1.forward started [3]"


@pytest.mark.parametrize("solve", [soltrace.diffeqsolve, dfx.diffeqsolve], ids=["ours", "diffrax's"])
def test_spans_of_the_caller_do_not_compile_anew(solve: Any) -> None:
    """A solve under a span of the caller's own is told where it belongs by a number, and that is data."""
    provider = TracerProvider()
    tracer = provider.get_tracer("mine")
    patch()
    with capture(tracing=Spans(provider)) as c:
        for _ in range(3):
            with tracer.start_as_current_span("mine") as span:
                before = dfx.diffeqsolve._cached._cache_size()
                run(solve)
                compiled = dfx.diffeqsolve._cached._cache_size() - before
                trace_id = f"{span.get_span_context().trace_id:032x}"
            assert {record.trace_id for record in c.records} == {trace_id}
            c.clear()
        assert compiled == 0


def test_batched_eager_solves_under_a_span() -> None:
    """The number that says where a solve belongs is the same for all lanes."""
    provider = TracerProvider()
    patch()
    with capture(tracing=Spans(provider), every=100) as c, provider.get_tracer("mine").start_as_current_span("mine"):
        values = jax.vmap(lambda y: run(dfx.diffeqsolve, y).ys)(YS)
        assert len({record.trace_id for record in c.records}) == 1
    unpatch()
    np.testing.assert_array_equal(values, jax.vmap(lambda y: run(dfx.diffeqsolve, y).ys)(YS))
    assert jnp.all(jnp.isfinite(values))
