"""The first value that is not finite in a backward pass that is a solve of its own: step, time, lane, and of what."""

from typing import Any

import diffrax as dfx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from msgspec import UNSET

import soltrace
from soltrace.testing import capture
from soltrace.wire.records import Nonfinite
from tests.traced.by_hand import shortest
from tests.traced.cases import BACKSOLVE
from tests.traced.kinks import DT, START, STEPS, found, kinked, total

pytestmark = [pytest.mark.slow, pytest.mark.shares, pytest.mark.once]

NAMES = ("y", "cotangent of y", "cotangent of args")


def solve(term: Any, y: Any, args: Any = None, **options: Any) -> dfx.Solution:
    given = {"t0": 0.0, "t1": STEPS * DT, "dt0": DT, "max_steps": 16, "throw": False, "watch": "nonfinite"} | options
    return soltrace.diffeqsolve(dfx.ODETerm(term), dfx.Euler(), y0=y, args=args, **{"adjoint": BACKSOLVE} | given)


def steep(t: Any, y: Any, rates: Any) -> Any:
    """The derivative by one of the rates is infinite from t = 0.5 on back."""
    gate = -y["gate"] * jnp.sqrt(jnp.where(t <= 4 * DT, 0.0 * rates, 1.0))
    return {"gate": gate, "membrane": -y["membrane"]}


def falling(t: Any, y: Any, args: Any) -> Any:
    """What falls in the end, after the last step that goes forwards, overflows on the way back."""
    return {"gate": -y["gate"], "membrane": -jnp.where(t > 7 * DT, 1e9, 0.0) * y["membrane"] ** 3}


def by_hand(field: Any, y1: Any, args: Any) -> Nonfinite:
    """A plain loop of Euler's steps back through state, its cotangent and that of the arguments."""
    state = (y1, jax.grad(total)(y1), jnp.zeros_like(args))

    def slope(t: Any, y: Any, a: Any) -> Any:
        dy, back = jax.vjp(lambda y, args: field(t, y, args), y, args)
        return dy, *[jax.tree.map(jnp.negative, x) for x in back(a)]

    for step in range(STEPS):
        t = STEPS * DT - step * DT
        before = state
        state = jax.tree.map(lambda x, dx: x - DT * dx, before, slope(t, *before[:2]))
        for (path, leaf), was in zip(jax.tree.leaves_with_path(state), jax.tree.leaves(before), strict=True):
            odd = np.flatnonzero(~np.isfinite(leaf))
            if odd.size:
                where = NAMES[path[0].idx] + jax.tree_util.keystr(path[1:]) + f"[{odd[0]}]"
                text = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(np.asarray(leaf)[odd[0]])]
                number = shortest(np.asarray(was)[odd[0]])
                return Nonfinite(step=step + 1, t=t, dt=-DT, found_in="state", path=where, value=text, before=number)
    raise AssertionError


@pytest.mark.parametrize("saved", [1, 3], ids=["one solve", "three solves"])
@pytest.mark.parametrize("field", [kinked, steep, falling])
def test_it_is_what_a_plain_loop_finds(field: Any, saved: int) -> None:
    """In the state, in its cotangent or in that of the arguments; steps count from one solve to the next."""
    rates, start = jnp.array([1.0, 0.5]), START | {"membrane": 1e10 * START["membrane"]}
    times = [STEPS * DT] if saved == 1 else [2 * DT, 4 * DT, STEPS * DT]
    # Of the last alone, what is saved before has a cotangent of zero.
    last = lambda tree: jax.tree.map(lambda x: x[-1], tree)
    run = lambda y, rates: last(solve(field, y, rates, saveat=dfx.SaveAt(ts=jnp.array(times))).ys)
    with capture():
        expected = by_hand(field, run(start, rates), rates)
    with capture() as captured:
        jax.block_until_ready(jax.jit(jax.grad(lambda y, r: total(run(y, r)), argnums=(0, 1)))(start, rates))
        assert found(captured) == [(None, expected)]


def test_it_is_what_jax_finds() -> None:
    """`jax_debug_nans` stops a plain loop of the steps back in the same stage of the same step."""
    times: list[float] = []

    def field(t: Any, y: Any, args: Any) -> Any:
        jax.debug.callback(lambda t: times.append(float(t)), t)
        return -y * jnp.sqrt(jnp.where(t < 0.4, y[1] * 0.0, 1.0))

    def by_hand() -> None:
        term = dfx.ODETerm(lambda t, y, args: tuple(-s * x for s, x in zip((-1, 1), slope(t, *y), strict=True)))
        solver, y = dfx.Heun(), (jnp.ones(2), jnp.ones(2))
        for step in range(STEPS):
            t0, t1 = STEPS * DT - step * DT, STEPS * DT - (step + 1) * DT
            y, *_ = solver.step(term, t0, t1, y, None, (jnp.array(True), y), made_jump=True)

    def slope(t: Any, y: Any, a: Any) -> Any:
        dy, back = jax.vjp(lambda y: field(t, y, None), y)
        return dy, back(a)[0]

    with jax.disable_jit(), jax.debug_nans(True), pytest.raises(FloatingPointError):
        by_hand()
    stopped_at = times[-1]
    given = {"adjoint": BACKSOLVE, "watch": "nonfinite", "throw": False}
    with capture() as captured:
        run = lambda y: soltrace.diffeqsolve(dfx.ODETerm(field), dfx.Heun(), 0.0, 1.0, DT, y, **given).ys
        jax.block_until_ready(jax.grad(lambda y: total(run(y)))(jnp.ones(2)))
        ((_, told),) = found(captured)
    assert (told.found_in, told.path) == ("vector field", "cotangent of y[1]")
    assert told.t + (told.stage - 1) * told.dt == stopped_at == 3 * DT


def test_of_a_batch() -> None:
    """One line for each lane whose gradient is not finite, by its own steps; what lanes share accuses no other."""
    field = lambda t, y, args: -y * args[1] * jnp.sqrt(jnp.where(t == args[0] * DT, y[1] * 0.0, 1.0))
    one = lambda y, rate, at: solve(field, y, (at, rate)).ys
    loss = lambda ys, rate: total(jax.vmap(one, in_axes=(0, None, 0))(ys, rate, jnp.array([-1.0, 6.0, 2.0])))
    with capture() as captured:
        jax.block_until_ready(jax.jit(jax.grad(loss, argnums=(0, 1)))(jnp.ones((3, 2)), jnp.array(1.0)))
        told = [(lane, at.step, at.t, at.path, at.value) for lane, at in found(captured)]
    assert told == [([1], 3, 6 * DT, "cotangent of y[1]", "NaN"), ([2], 7, 2 * DT, "cotangent of y[1]", "NaN")]


def test_what_arrived_so_comes_first() -> None:
    """From the loss, before the solve back begins; and of what is well, nothing is told."""
    decay = lambda t, y, _: -y
    with capture() as captured:
        jax.block_until_ready(jax.grad(lambda y: jnp.sqrt(solve(decay, y).ys).sum())(jnp.array([1.0, 0.0])))
        ((_, told),) = found(captured)
    assert (told.found_in, told.path, told.step) == ("cotangent of the result", "ys[0, 1]", UNSET)
    with capture() as captured:
        jax.block_until_ready(jax.grad(lambda y: solve(decay, y).ys.sum())(jnp.array([1.0, 0.0])))
        assert found(captured) == []


def test_of_a_solve_back_that_fails() -> None:
    """Which stops the program: what was found in it is told all the same."""
    field = lambda t, y, _: -y * jnp.sqrt(jnp.where(t < 0.5, y[1] * 0.0, 1.0))
    controller = dfx.PIDController(rtol=1e-3, atol=1e-6)
    given = {"stepsize_controller": controller, "adjoint": BACKSOLVE, "watch": "nonfinite", "max_steps": 16}
    run = lambda y: soltrace.diffeqsolve(dfx.ODETerm(field), dfx.Tsit5(), 0.0, 1.0, DT, y, **given).ys
    with capture() as captured:
        with pytest.raises(Exception, match="maximum number of solver steps"):
            jax.block_until_ready(jax.grad(lambda y: total(run(y)))(jnp.ones(2)))
        ((_, told),) = found(captured)
    assert (told.path, told.value) == ("cotangent of y[1]", "NaN")
