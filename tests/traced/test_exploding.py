"""A gradient that explodes: from what to what, and where rounding begins to decide."""

from typing import Any

import diffrax as dfx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from msgspec import UNSET

import soltrace
from soltrace.testing import Capture, capture
from soltrace.wire.records import ExplodedGradient, LaneNonfinite, PassEnded, TelemetryDropped
from tests.traced.by_hand import shortest
from tests.traced.cases import BACKSOLVE, DIRECT

pytestmark = [pytest.mark.slow, pytest.mark.shares, pytest.mark.once]

DT, STEPS = 0.0625, 64
START = {"near": jnp.array([1.5, -1.0]), "far": jnp.array([[1.5, -1.0]])}


def solve(field: Any, y: Any, **options: Any) -> dfx.Solution:
    given = {"t0": 0.0, "t1": STEPS * DT, "dt0": DT, "max_steps": STEPS, "throw": False, "watch": "nonfinite"} | options
    return soltrace.diffeqsolve(dfx.ODETerm(field), dfx.Euler(), y0=y, **given)


def diverging(t: Any, y: Any, args: Any) -> Any:
    """At an equilibrium, the distance from which would grow by a half in each step."""
    return {"near": 8 * (y["near"] - y["far"][0]), "far": 0 * y["far"]}


def total(tree: Any) -> Any:
    return sum(jnp.sum(jnp.abs(leaf)) for leaf in jax.tree.leaves(tree))


def found(captured: Capture) -> Any:
    """What is told of the backward pass, of which nothing is not finite, and nothing is lost."""
    records = captured.records
    assert not [record for record in records if isinstance(record, TelemetryDropped | LaneNonfinite)]
    forward, backward = (record for record in records if isinstance(record, PassEnded))
    assert forward.exploded is UNSET
    return backward.exploded


def by_hand(dtype: Any) -> ExplodedGradient:
    """The same, by a plain loop back through the steps."""
    step = jax.jit(lambda t, y: jax.tree.map(lambda x, dx: x + DT * dx, y, diverging(t, y, None)))
    states = [jax.tree.map(lambda x: x.astype(dtype), START)]
    for i in range(STEPS):
        states.append(step(i * DT, states[-1]))
    size = lambda x: float(abs(x).max())
    arrived, result, largest, first = 1.0, max(map(size, jax.tree.leaves(states[-1]))), 0.0, None
    cotangent = jax.grad(total)(states[-1])
    for i in reversed(range(STEPS)):
        (cotangent,) = jax.vjp(lambda y, i=i: step(i * DT, y), states[i])[1](cotangent)
        weights = {path: abs(np.asarray(cotangent[path] * states[i][path])) for path in sorted(START)}
        sizes = max(map(size, jax.tree.leaves(cotangent)))
        if not largest:
            arrived, result = max(arrived, sizes), max(result, *map(size, weights.values()))
        largest, limit = max(largest, sizes), max(1e7, 1 / jnp.finfo(dtype).eps)
        if first is None and sizes > limit * arrived and max(map(size, weights.values())) > limit * result:
            path = max(weights, key=lambda path: weights[path].max())
            where = np.unravel_index(weights[path].argmax(), weights[path].shape)
            first = i, path, where
            value, primal = abs(cotangent[path][where]), states[i][path][where]
    assert first is not None
    i, path, where = first
    number = shortest if dtype == jnp.float32 else float
    return ExplodedGradient(
        step=i + 1,
        t=i * DT,
        dt=DT,
        path=f"y[{path!r}][{', '.join(map(str, where))}]",
        value=number(value),
        primal=number(primal),
        arrived=number(arrived),
        largest=number(largest),
    )


@pytest.mark.parametrize("adjoint", [None, DIRECT], ids=["checkpoint", "direct"])
def test_it_is_where_a_plain_loop_finds_it(adjoint: Any) -> None:
    """In a pytree: the step, the number of the state, and how large cotangents were before, there and in the end."""
    more = {} if adjoint is None else {"adjoint": adjoint}
    with capture() as captured:
        jax.block_until_ready(jax.jit(jax.grad(lambda y: total(solve(diverging, y, **more).ys)))(START))
        assert found(captured) == by_hand(jnp.float32)


def test_how_much_is_too_much_depends_on_the_precision() -> None:
    """Numbers of 64 bits bear more, and a shorter solve is no trouble."""
    with jax.enable_x64(True), capture() as captured:
        start = jax.tree.map(lambda x: x.astype(float), START)
        loss = lambda y, **more: total(solve(diverging, y, **more).ys)
        longer = {"t1": 2 * STEPS * DT, "max_steps": 2 * STEPS}
        jax.block_until_ready([jax.grad(loss)(start)])
        assert found(captured) is UNSET
    with jax.enable_x64(True), capture() as captured:
        jax.block_until_ready([jax.grad(lambda y: loss(y, **longer))(start)])
        told = found(captured)
    with capture() as captured:
        jax.block_until_ready(jax.grad(lambda y: loss(y, t1=16 * DT))(START))
        assert found(captured) is UNSET
    assert (told.path, told.value > 4.5e15, told.largest > told.value) == ("y['near'][0]", True, True)


@pytest.mark.parametrize("axis", [0, None])
@pytest.mark.parametrize("adjoint", [dfx.RecursiveCheckpointAdjoint(), DIRECT], ids=["checkpoint", "direct"])
def test_of_a_batch(adjoint: Any, axis: int | None) -> None:
    """The lane in which it grew most, and in how many it did; time may run backwards.

    The cotangent of an initial state that is the same for all lanes is the sum of theirs, and none of them.
    """
    field = lambda t, y, rate: jnp.stack([rate * (y[1] - y[0]), 0.0 * y[1]])
    one = lambda y, rate: solve(field, y, args=rate, t1=-STEPS * DT, dt0=-DT, adjoint=adjoint).ys
    loss = lambda y: total(jax.vmap(one, in_axes=(axis, 0))(y, jnp.array([1.0, 8.0, 10.0, 0.0])))
    with capture() as captured:
        jax.block_until_ready(jax.jit(jax.grad(loss))(jnp.ones(2) if axis is None else jnp.ones((4, 2))))
        told = found(captured)
    assert (told.batch_index, told.lanes, told.dt, told.t) == ([2], 2, -DT, -(told.step - 1) * DT)


@pytest.mark.filterwarnings("ignore:Complex dtype support")
def test_of_complex_numbers() -> None:
    """By their absolute values."""
    field = lambda t, y, _: jnp.stack([8j * (y[0] - y[1]) + 8 * (y[0] - y[1]), 0.0 * y[1]])
    with capture() as captured:
        jax.block_until_ready(jax.grad(lambda y: total(solve(field, y).ys))(jnp.ones(2, jnp.complex64)))
        told = found(captured)
    assert told.value > 1e7
    assert (told.path, told.primal) == ("y[0]", 1.0)


def test_of_a_backward_pass_that_is_a_solve() -> None:
    """It is seen at its end alone."""
    with capture() as captured:
        jax.block_until_ready(jax.grad(lambda y: total(solve(diverging, y, adjoint=BACKSOLVE).ys))(START))
        told = found(captured)
    assert (told.step, told.t, told.dt, told.path) == (UNSET, UNSET, UNSET, "y0['far'][0, 0]")
    assert told.value == told.largest > 1e7
    assert (told.primal, told.arrived) == (1.5, 1.0)


SOUND: dict[str, tuple[Any, Any]] = {
    "what grows itself": (lambda y: total(solve(lambda t, y, _: 8 * y, y).ys), 1e-6 * jnp.ones(2)),
    "other units": (
        lambda y: total(solve(lambda t, y, _: jnp.stack([-y[0], 1e12 * y[0] - y[1]]), y).ys),
        jnp.array([1e-6, 1e6]),
    ),
    "a steep function of the state": (
        lambda y: total(solve(lambda t, y, _: -y, y, saveat=dfx.SaveAt(t1=True, fn=lambda t, y, _: 1e9 * (y - 2))).ys),
        jnp.ones(2),
    ),
    "a result of zeros": (lambda y: total(solve(lambda t, y, _: 8 * y, y).ys), jnp.zeros(2)),
    "a gradient of zeros": (lambda y: 0.0 * total(solve(diverging, y).ys), START),
    "all steps": (
        lambda y: total(solve(lambda t, y, _: -y, y, saveat=dfx.SaveAt(steps=True)).ys[:STEPS]),
        jnp.ones(2),
    ),
}


@pytest.mark.parametrize("name", SOUND)
def test_nobody_is_accused(name: str) -> None:
    """Of a cotangent that is large because its state is small, or because what is saved is steep."""
    loss, at = SOUND[name]
    with capture() as captured:
        jax.block_until_ready(jax.grad(loss)(at))
        assert found(captured) is UNSET
