import time
from concurrent.futures import ThreadPoolExecutor

import diffrax as dfx
import jax
import jax.numpy as jnp
import pytest

import soltrace
from soltrace.testing import capture
from soltrace.wire.records import PassStarted, ProgramCompiled


def solve(y):
    """A solve of ten steps."""
    return soltrace.diffeqsolve(dfx.ODETerm(lambda t, y, args: -y), dfx.Tsit5(), 0.0, 1.0, 0.1, y).ys.sum()


def fit(y):
    """A function of the user's with a solve in it."""
    return 2 * solve(y)


def named(function, name):
    """A function of its own that does the same, and is called that."""

    def other(*args):
        return function(*args)

    other.__name__ = name
    return other


def told(records):
    """Which programs were compiled and which passes began, in order."""
    return [
        record.function if isinstance(record, ProgramCompiled) else record.phase
        for record in records
        if isinstance(record, ProgramCompiled | PassStarted)
    ]


@pytest.fixture
def announced():
    """What jax says each stage took, of the programs of a name: the latest."""
    spans = {}
    listen = lambda event, start, end, fun_name="", **_: spans.update({(event.split("/")[-1], fun_name): end - start})
    jax.monitoring.register_event_time_span_listener(listen)
    stages = (("jaxpr_trace", "{}"), ("jaxpr_to_mlir_module", "jit({})"), ("backend_compile", "jit({})"))
    yield lambda name: tuple(spans[f"{stage}_duration", of.format(name)] for stage, of in stages)
    jax.monitoring.unregister_event_time_span_listener(listen)


def compiled(captured):
    """What was told of each program: its name, and the seconds of each stage."""
    records = [record for record in captured.records if isinstance(record, ProgramCompiled)]
    return [(record.function, (record.trace_s, record.lower_s, record.compile_s)) for record in records]


def test_a_program_that_holds_a_solve_says_that_it_was_compiled(announced):
    """Once, before its first pass begins, with what each stage took; a cached program says nothing."""
    y = jnp.ones(3)
    with capture(programs=True) as captured:
        program = jax.jit(jax.grad(fit))
        program(y)
        program(y)
        records = captured.records
    assert told(records) == ["fit", "forward", "backward", "forward", "backward"]
    assert compiled(captured) == [("fit", announced("fit"))]
    (record,) = [record for record in records if isinstance(record, ProgramCompiled)]
    assert (record.level, record.experiment) == ("info", None)


def test_what_is_compiled_inside_of_a_program_is_not_that_program(announced):
    """An implicit solver has programs of its own, one is called as the user's is, and there are two solves."""
    square = named(lambda x: x * x, "fit")

    def fit(y):
        control = dfx.PIDController(rtol=1e-3, atol=1e-3)
        term = dfx.ODETerm(lambda t, y, args: -jax.jit(square)(y))
        once = lambda y: soltrace.diffeqsolve(term, dfx.Kvaerno3(), 0.0, 1.0, 0.1, y, stepsize_controller=control)
        with jax.ensure_compile_time_eval():
            jax.jit(square)(1.0)
        return once(once(y).ys[-1]).ys

    with capture(programs=True) as captured:
        jax.jit(fit)(jnp.ones(3))
        assert compiled(captured) == [("fit", announced("fit"))]


def test_an_eager_solve_is_a_program_too(announced):
    """diffrax compiles it by itself."""
    y = jnp.ones(3)
    with capture(programs=True) as captured:
        solve(y)
        assert told(captured.records) == ["diffeqsolve", "forward"]
        assert compiled(captured) == [("diffeqsolve", announced("diffeqsolve"))]


@pytest.mark.parametrize("left_over", [0, 3])
def test_an_eager_solve_that_is_transformed_is_timed(left_over):
    """jax doesn't announce what it traces of it; that a part of it was traced before is not told again.

    Nor is what was traced under the name that diffrax's program has, and never lowered.
    """
    ys = jnp.ones((2, 3))
    for _ in range(left_over):
        jax.jit(named(solve, "diffeqsolve")).trace(ys[0])
    begun = time.time()
    with capture(programs=True) as captured:
        jax.vmap(solve)(ys)
        jax.grad(solve)(ys[0])
        programs = compiled(captured)
    assert [name for name, _ in programs] == ["diffeqsolve"] * 3
    assert [trace_s > 0 for _, (trace_s, *_) in programs] == [True, True, False]
    assert sum(sum(stages) for _, stages in programs) < time.time() - begun


def test_a_program_may_be_compiled_on_another_thread(announced):
    """Programs that are lowered one after the other and compiled in a pool, each with its own numbers."""
    y = jnp.ones(3)
    with capture(programs=True) as captured:
        twice = jax.jit(fit).lower(y), jax.jit(solve).lower(y)
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda lowered: lowered.compile(), twice))
        assert sorted(compiled(captured)) == [("fit", announced("fit")), ("solve", announced("solve"))]


def test_other_programs_are_nobodys_business(announced):
    """A sum, compiled between the tracing of a solve and its lowering or after it, is not told."""
    y = jnp.ones(3)
    with capture(programs=True) as captured:
        traced = jax.jit(fit).trace(y)
        jax.jit(lambda x: x + 1)(y)
        lowered = traced.lower()
        jax.jit(lambda x: x + 2)(y)
        lowered.compile()
        jax.jit(lambda x: x + 3)(y)
        assert compiled(captured) == [("fit", announced("fit"))]


def test_it_belongs_to_the_experiment_that_compiled_it():
    """With the attributes of that experiment."""
    y = jnp.ones(3)
    with capture(programs=True) as captured:
        with soltrace.experiment("fit", seed=3):
            jax.jit(fit)(y)
        (record,) = [record for record in captured.records if isinstance(record, ProgramCompiled)]
    assert (record.experiment, record.attributes) == ("fit", {"seed": 3})


def test_nothing_is_said_where_telemetry_is_disabled(monkeypatch):
    """There is no call to the host in the program."""
    y = jnp.ones(3)
    with capture(programs=True) as captured, monkeypatch.context() as patch:
        patch.setattr("soltrace.host.process.PROCESS.over", True)
        jax.jit(fit)(y)
        assert captured.records == []


@pytest.mark.parametrize("programs", [True, False])
def test_a_capture_keeps_them_only_if_asked(programs):
    """Whether a program is compiled is a matter of jax's caches, and most tests are not about those."""
    with capture(programs=programs) as captured:
        jax.jit(fit)(jnp.ones(3))
        assert told(captured.records) == ["fit", "forward"][not programs :]


def test_what_a_program_takes_is_told():
    """Its types, as jax's users know them: what changes where one is compiled again."""
    with capture(programs=True) as captured:
        program = jax.jit(lambda y, scale: fit(y) * scale)
        program(jnp.ones(3), 2)
        program(jnp.ones((4,)), jnp.ones(2, bool))
        records = [record for record in captured.records if isinstance(record, ProgramCompiled)]
    assert [record.arguments for record in records] == [["float32[3]", "int32[]"], ["float32[4]", "bool[2]"]]
