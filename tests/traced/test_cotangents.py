"""The first cotangent that is not finite: which, where, and whether the solve has made it so."""

import re
from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import pytest
from msgspec import UNSET

import soltrace
from soltrace.testing import capture
from soltrace.wire.records import LaneNonfinite
from tests.traced.cases import BACKSOLVE, DIRECT
from tests.traced.kinks import DT, START, STEPS, found, kinked, total

pytestmark = [pytest.mark.slow, pytest.mark.shares, pytest.mark.once]


def solve(term: Any, y: Any, args: Any = None, **options: Any) -> dfx.Solution:
    given = {"t0": 0.0, "t1": 1.0, "dt0": DT, "max_steps": 16, "throw": False, "watch": "nonfinite"} | options
    return soltrace.diffeqsolve(dfx.ODETerm(term), dfx.Euler(), y0=y, args=args, **given)


def test_it_is_what_equinox_finds(capfd: pytest.CaptureFixture[str]) -> None:
    """`backward_nan`, at the beginning of each step of a plain loop, prints the same step and the same numbers."""

    def by_hand(y: Any) -> Any:
        for step in range(STEPS):
            y = eqx.debug.backward_nan(y, name=f"step {step + 1}", terminate=False)
            y = jax.tree.map(lambda x, dx: x + DT * dx, y, kinked(step * DT, y, None))
        return total(y)

    jax.block_until_ready(jax.jit(jax.grad(by_hand))(START))
    jax.effects_barrier()
    printed = re.findall(r"step (\d+):|'gate': Array\(\[[^,]+,\s*([^]]+)\]", capfd.readouterr().out)
    # Of each step its number, the state and its cotangent.
    steps = [(int(printed[i][0]), float(printed[i + 1][1]), float(printed[i + 2][1])) for i in range(0, 3 * STEPS, 3)]
    first = next(i for i, (*_, cotangent) in enumerate(steps) if not jnp.isfinite(cotangent))
    with capture() as captured:
        jax.block_until_ready(jax.jit(jax.grad(lambda y: total(solve(kinked, y).ys)))(START))
        ((_, told),) = found(captured)
    assert (told.step, told.primal, told.before) == (*steps[first][:2], steps[first - 1][2])
    assert (told.t, told.dt, told.found_in, told.path, told.value) == (
        4 * DT,
        DT,
        "cotangent of the state",
        "y['gate'][1]",
        "NaN",
    )


def test_it_is_what_jax_finds_forwards() -> None:
    """`jax_debug_nans` stops a plain loop of steps where the first value that is not finite is told, forwards too."""
    times: list[float] = []

    def field(t: Any, y: Any, args: Any) -> Any:
        jax.debug.callback(lambda t: times.append(float(t)), t)
        return -y * jnp.sqrt(0.6 - t)

    def by_hand() -> None:
        solver, term, y = dfx.Heun(), dfx.ODETerm(field), jnp.ones(2)
        for step in range(STEPS):
            y, *_ = solver.step(term, step * DT, (step + 1) * DT, y, None, (jnp.array(True), y), made_jump=True)

    with jax.disable_jit(), jax.debug_nans(True), pytest.raises(FloatingPointError, match="sqrt"):
        by_hand()
    stopped_at = times[-1]
    with capture() as captured:
        soltrace.diffeqsolve(dfx.ODETerm(field), dfx.Heun(), 0.0, 1.0, DT, jnp.ones(2), throw=False, watch="nonfinite")
        (told,) = [record.nonfinite for record in captured.records if isinstance(record, LaneNonfinite)]
    assert (told.found_in, told.path) == ("vector field", "y[0]")
    assert told.t + (told.stage - 1) * told.dt == stopped_at == 5 * DT


CASES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "the loss": (
        lambda y: jnp.sqrt(solve(lambda t, y, _: -y, y, saveat=dfx.SaveAt(ts=jnp.array([0.25, 1.0]))).ys).sum(),
        jnp.array([1.0, 0.0]),
        {"found_in": "cotangent of the result", "path": "ys[0, 1]", "t": 0.25, "value": "Infinity", "primal": 0.0},
    ),
    "args": (
        lambda args: total(solve(lambda t, y, args: -y * jnp.sqrt(args["rate"]), jnp.ones(2), args).ys),
        {"rate": jnp.array([1.0, 0.0])},
        {"found_in": "cotangent of an input", "path": "args['rate'][1]", "value": "-Infinity", "primal": 0.0},
    ),
    "what a field closes over": (
        lambda rate: total(solve(lambda t, y, _: -y * jnp.sqrt(rate), jnp.ones(2), adjoint=DIRECT).ys),
        jnp.array([1.0, 0.0]),
        {
            "found_in": "cotangent of an input",
            "path": "(float32[2] that the vector field closes over)[1]",
            "value": "-Infinity",
            "primal": 0.0,
        },
    ),
    "nothing": (lambda y: total(solve(lambda t, y, _: -y, y, adjoint=BACKSOLVE).ys), jnp.ones(2), {}),
}


@pytest.mark.parametrize("name", CASES)
def test_where_it_came_from(name: str) -> None:
    """From what is computed of the result, or from something that goes into the solve."""
    loss, at, expected = CASES[name]
    with capture() as captured:
        jax.block_until_ready(jax.jit(jax.grad(loss))(at))
        told = [at for _, at in found(captured)]
    assert [{k: v for k in at.__struct_fields__ if (v := getattr(at, k)) is not UNSET} for at in told] == (
        [expected] if expected else []
    )


def test_of_a_batch() -> None:
    """One line for the lane whose gradient it is, and none for the others."""
    field = lambda t, y, at: -y * jnp.sqrt(jnp.where(t == at * DT, y[1] * 0.0, 1.0))
    loss = lambda ys: total(jax.vmap(lambda y, at: solve(field, y, at).ys)(ys, jnp.array([-1.0, 6.0, 2.0])))
    with capture() as captured:
        jax.block_until_ready(jax.jit(jax.grad(loss))(jnp.ones((3, 2))))
        told = [(lane, at.step, at.path, at.value, jnp.isfinite(at.before)) for lane, at in found(captured)]
    assert told == [([1], 7, "y[1]", "NaN", True), ([2], 3, "y[1]", "NaN", True)]


@pytest.mark.parametrize("axis", [0, None])
def test_what_lanes_share_accuses_none_of_them(axis: int | None) -> None:
    """The cotangent of what several lanes are given is the sum of theirs, of which one may not be finite."""
    field = lambda t, y, args: -args["rate"] * y * jnp.sqrt(jnp.where(t == args["at"] * DT, y[1] * 0.0, 1.0))
    one = lambda y, rate, at: solve(field, y, {"rate": rate, "at": at}).ys
    loss = lambda y, rate: total(jax.vmap(one, in_axes=(axis, None, 0))(y, rate, jnp.array([-1.0, 6.0, -1.0])))
    with capture() as captured:
        at = jnp.ones(2) if axis is None else jnp.ones((3, 2))
        jax.block_until_ready(jax.jit(jax.grad(loss, argnums=(0, 1)))(at, jnp.array(1.0)))
        told = [(lane, at.step, at.path) for lane, at in found(captured)]
    assert told == [([1], 7, "y[1]")]


def test_without_jit() -> None:
    """Where nothing is compiled, and time runs backwards."""
    field = lambda t, y, _: y * jnp.sqrt(jnp.where(t == 2 * DT, y[1] * 0.0, 1.0))
    with jax.disable_jit(), capture() as captured:
        jax.grad(lambda y: total(solve(field, y, max_steps=4, t0=0.5, t1=0.0, dt0=-DT).ys))(jnp.ones(2))
        ((_, at),) = found(captured)
    assert (at.step, at.t, at.dt, at.path, at.before) == (3, 2 * DT, -DT, "y[1]", 0.875)


def test_nothing_is_added_unless_it_is_asked_for() -> None:
    """Neither to the program nor to its gradient."""
    bare = lambda y, **watch: total(
        soltrace.diffeqsolve(dfx.ODETerm(lambda t, y, _: -y), dfx.Euler(), 0.0, 1.0, DT, y, **watch).ys
    )
    program = lambda **watch: str(jax.make_jaxpr(jax.value_and_grad(lambda y: bare(y, **watch)))(jnp.ones(2)))
    with capture():
        assert [name in program() for name in ("sight", "echo")] == [False, False]
        assert "soltrace_sight" in program(watch="nonfinite")
