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


def told(records):
    """Which programs were compiled and which passes began, in order."""
    return [
        record.function if isinstance(record, ProgramCompiled) else record.phase
        for record in records
        if isinstance(record, ProgramCompiled | PassStarted)
    ]


def test_a_program_that_holds_a_solve_says_that_it_was_compiled():
    """Once, before its first pass begins, with what each stage took; a cached program says nothing."""
    y = jnp.ones(3)
    with capture(programs=True) as captured:
        program = jax.jit(jax.grad(fit))
        program(y)
        program(y)
        records = captured.records
    assert told(records) == ["fit", "forward", "backward", "forward", "backward"]
    (compiled,) = [record for record in records if isinstance(record, ProgramCompiled)]
    assert min(compiled.trace_s, compiled.lower_s, compiled.compile_s) > 0
    assert (compiled.level, compiled.experiment) == ("info", None)


def test_an_eager_solve_is_a_program_too():
    """diffrax compiles it by itself."""
    y = jnp.ones(3)
    with capture(programs=True) as captured:
        solve(y)
        assert told(captured.records) == ["diffeqsolve", "forward"]


def test_other_programs_are_nobodys_business():
    """A sum, compiled between the tracing of a solve and its lowering or after it, is not told."""
    y = jnp.ones(3)
    with capture(programs=True) as captured:
        traced = jax.jit(fit).trace(y)
        jax.jit(lambda x: x + 1)(y)
        lowered = traced.lower()
        jax.jit(lambda x: x + 2)(y)
        lowered.compile()
        jax.jit(lambda x: x + 3)(y)
        (compiled,) = captured.records
    assert (compiled.function, compiled.trace_s) == ("fit", 0.0)  # traced before another one was


def test_it_belongs_to_the_experiment_that_compiled_it():
    """With the attributes of that experiment."""
    y = jnp.ones(3)
    with capture(programs=True) as captured:
        with soltrace.experiment("fit", seed=3):
            jax.jit(fit)(y)
        (compiled,) = [record for record in captured.records if isinstance(record, ProgramCompiled)]
    assert (compiled.experiment, compiled.attributes) == ("fit", {"seed": 3})


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
