"""A solve that is linear in its state, and transposed as it is: nothing but the state is unknown where that is done."""

from collections.abc import Callable
from typing import Any

import diffrax as dfx
import jax
import jax.numpy as jnp
import lineax as lx
import pytest

import soltrace
from soltrace.testing import capture
from tests.traced.cases import DIRECT, FORWARD, Solve
from tests.traced.rarely import some
from tests.traced.stories import bits

pytestmark = [pytest.mark.slow, pytest.mark.shares]

Y = jnp.array([1.0, 2.0])


def linear(solve: Solve, y: jax.Array, max_steps: int = 16) -> jax.Array:
    """Take four steps of an equation whose rate depends on the time."""
    term = dfx.ODETerm(lambda t, y, args: -(1 + t) * y)
    return solve(term, dfx.Heun(), 0.0, 1.0, 0.25, y, adjoint=DIRECT, max_steps=max_steps).ys[0]


def by_hand(solve: Solve) -> Callable[[jax.Array], jax.Array]:
    """Give a solve a tangent of one's own, which is a solve too."""

    @jax.custom_jvp
    def end(y: jax.Array) -> jax.Array:
        return solve(dfx.ODETerm(lambda t, y, args: -y * y), dfx.Heun(), 0.0, 1.0, 0.25, y, adjoint=FORWARD).ys[0]

    end.defjvp(lambda primals, tangents: (end(*primals), linear(solve, *tangents)))
    return end


def operator(solve: Solve) -> lx.FunctionLinearOperator:
    """Make a linear operator of a solve."""
    return lx.FunctionLinearOperator(lambda y: y + linear(solve, y), jax.eval_shape(lambda: Y))


PROGRAMS: dict[str, Callable[[Solve], Any]] = {
    "transpose": lambda solve: jax.linear_transpose(lambda y: linear(solve, y), Y)(Y),
    "transpose_jit": lambda solve: jax.jit(jax.linear_transpose(lambda y: linear(solve, y), Y))(Y),
    "transpose_scans": lambda solve: jax.linear_transpose(lambda y: linear(solve, y, 64), Y)(Y),
    "operator": lambda solve: operator(solve).T.mv(Y),
    "tangent": lambda solve: jax.jit(jax.grad(lambda y: by_hand(solve)(y).sum()))(Y),
    "tangent_vmap": lambda solve: jax.vmap(jax.grad(lambda y: by_hand(solve)(y).sum()))(jnp.stack([Y, 2 * Y])),
}


@pytest.mark.parametrize("program", some(PROGRAMS, "transpose", "tangent"))
def test_it_is_what_diffrax_makes_of_it(program: str) -> None:
    """The solve is told, and its transposition is not."""
    expected = bits(PROGRAMS[program](dfx.diffeqsolve))
    with capture() as told:
        assert bits(PROGRAMS[program](soltrace.diffeqsolve)) == expected
        started = [(e["phase"], e["adjoint"]) for e in told.events() if e["event"] == "pass.started"]
        ended = [(e["result"], e["step"]) for e in told.events() if e["event"] == "pass.ended"]
    assert sorted(set(started) - {("forward", "ForwardMode")}) == [("forward", "DirectAdjoint")]
    assert ended == [("successful", 4)] * len(started)
