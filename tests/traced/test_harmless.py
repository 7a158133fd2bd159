"""Telemetry that fails, answers nonsense or is off: the solve is the same to the bit, and never waits."""

import re
from collections.abc import Callable
from typing import Any

import diffrax as dfx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import soltrace
from soltrace import host
from soltrace.host.process import PROCESS
from soltrace.host.signals import default_answer
from soltrace.testing import capture
from tests.traced.cases import BACKSOLVE, DIRECT, YS, Y, loss, run
from tests.traced.rarely import some
from tests.traced.stories import bits

pytestmark = [pytest.mark.slow, pytest.mark.shares]

PROGRAMS: dict[str, tuple[Callable[[Any], Callable[..., Any]], tuple[Any, ...]]] = {
    "solve": (lambda solve: lambda y: run(solve, y).ys, (Y,)),
    "grad": (lambda solve: jax.grad(lambda y: loss(solve, y)), (Y,)),
    "direct": (lambda solve: jax.grad(lambda y: loss(solve, y, adjoint=DIRECT)), (Y,)),
    "backsolve": (lambda solve: jax.grad(lambda y: loss(solve, y, adjoint=BACKSOLVE)), (Y,)),
    "vmap": (lambda solve: jax.vmap(lambda y, t1: run(solve, y, t1=t1).ys), (YS, jnp.array([0.5, 1.0, 0.7]))),
    "vmap of grad": (lambda solve: jax.vmap(jax.grad(lambda y: loss(solve, y))), (YS,)),
}


def broken(*_: Any) -> Any:
    raise RuntimeError("broken on purpose")


def answering(value: float) -> Callable[..., Any]:
    """A host that answers every call with one number."""
    return lambda signal, *_: np.full_like(default_answer(signal), value)


def no_number(signal: host.Signal, *_: Any) -> Any:
    """A host that answers NaN, where that can be said."""
    return (d := default_answer(signal)) * (np.nan if d.dtype.kind == "f" else 1)


@pytest.mark.parametrize("program", some(PROGRAMS, "solve", "grad", "vmap of grad"))
def test_a_host_that_fails_changes_nothing(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The device doesn't trust the host: a wish in the past would make a loop report for ever.

    Nor does an exception leave a call; it is counted. One program meets all of these hosts: compiling it takes seconds.
    """
    make, args = PROGRAMS[program]
    expected, ours = bits(jax.jit(make(dfx.diffeqsolve))(*args)), jax.jit(make(soltrace.diffeqsolve))
    for answer in (answering(-5), answering(2**30), no_number):
        with capture(), monkeypatch.context() as patch:
            patch.setattr(host, "receive", answer)
            assert bits(jax.block_until_ready(ours(*args))) == expected
    with capture():
        monkeypatch.setattr(PROCESS, "receive", broken)
        before = PROCESS.failures
        values = jax.block_until_ready(ours(*args))
        assert PROCESS.failures > before
    assert bits(values) == expected
    assert ours._cache_size() == 1


@pytest.mark.parametrize("program", ["solve", "grad", "vmap of grad"])
def test_disabled_leaves_no_trace_in_the_program(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The jaxpr is diffrax's: no callback, and the same entry in a compilation cache."""
    monkeypatch.setenv("SOLTRACE_DISABLED", "true")
    make, args = PROGRAMS[program]
    jaxprs = [
        str(jax.make_jaxpr(jax.jit(make(solve)))(*args))
        for solve in (
            dfx.diffeqsolve,
            soltrace.diffeqsolve,
            lambda *args, **kwargs: dfx.diffeqsolve(*args, progress_meter=soltrace.ProgressMeter(), **kwargs),
        )
    ]
    addresses = [re.sub(r"0x[0-9a-f]+", "0x", jaxpr) for jaxpr in jaxprs]
    assert addresses[1] == addresses[0]
    assert addresses[2] == addresses[0]


def test_disabled_adjoint_and_enabled_one_are_different_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """diffrax's own cache must not hand one to the other."""
    with capture() as c:
        with monkeypatch.context() as patch:
            patch.setattr(PROCESS, "over", True)
            run(dfx.diffeqsolve, adjoint=soltrace.TracedAdjoint())
        assert c.events() == []
        run(dfx.diffeqsolve, adjoint=soltrace.TracedAdjoint())
        assert [event["event"] for event in c.events() if event["event"] != "pass.progress"] == [
            "pass.started",
            "pass.ended",
        ]


@pytest.mark.parametrize("solver", some([dfx.Euler(), dfx.Heun(), dfx.Tsit5()], dfx.Tsit5()))
def test_steps_that_are_no_power_of_two(solver: Any) -> None:
    """A constant step size divides counts: packed with others, XLA would round the time of a step otherwise."""
    times = lambda solve: jax.jit(lambda y: run(solve, y, solver=solver, dt0=0.1, saveat=dfx.SaveAt(steps=True)))(Y).ts
    ends = lambda solve: jax.jit(lambda y: run(solve, y, solver=solver, dt0=0.1).ys)(Y)
    with capture():
        assert bits((times(soltrace.diffeqsolve), ends(soltrace.diffeqsolve))) == bits(
            (times(dfx.diffeqsolve), ends(dfx.diffeqsolve))
        )


@pytest.mark.parametrize(
    ("derive", "size"),
    some([(derive, size) for derive in (jax.grad, jax.jacfwd) for size in (1, 3, 8)], (jax.grad, 8), (jax.jacfwd, 1)),
)
def test_loops_over_small_arrays(derive: Callable[..., Any], size: int) -> None:
    """XLA makes one function of such a loop, and rounds otherwise there, unless a call is in it."""
    adjoint = dfx.RecursiveCheckpointAdjoint() if derive is jax.grad else dfx.ForwardMode()
    options: Any = {"adjoint": adjoint, "stepsize_controller": dfx.PIDController(rtol=1e-5, atol=1e-7)}
    term = dfx.ODETerm(lambda t, y, rate: -rate * y * jnp.sin(y) * jnp.roll(y, 1))

    def derivative(solve: Any) -> Any:
        end = lambda y, rate: solve(term, dfx.Tsit5(), 0.0, 2.0, 0.1, y, rate, **options).ys.sum()
        return jax.jit(jax.vmap(derive(end, argnums=(0, 1))))

    ours, theirs = derivative(soltrace.diffeqsolve), derivative(dfx.diffeqsolve)
    rates = jnp.array([0.5, 1.0, 2.0])
    starts = [jax.random.uniform(jax.random.key(i), (3, size), minval=0.2, maxval=3.0) for i in range(10)]
    with capture(every=2):
        assert [bits(ours(y, rates)) for y in starts] == [bits(theirs(y, rates)) for y in starts]
