"""Vector fields that read an interpolation: its search is a primitive of a kind of its own in newer versions of jax."""

from typing import Any

import diffrax as dfx
import jax
import jax.numpy as jnp
import pytest

import soltrace
from soltrace.testing import capture
from tests.traced.stories import bits

TS = jnp.linspace(0.0, 1.0, 5)
VALUES = jnp.ones((5, 1))


def end(diffeqsolve: Any, values: Any) -> Any:
    control = dfx.LinearInterpolation(TS, values)
    term = dfx.ODETerm(lambda t, y, args: control.evaluate(t) - y)
    return diffeqsolve(term, dfx.Heun(), 0.0, 1.0, 0.25, jnp.array([1.0])).ys[0].sum()


WAYS = {
    "eager": lambda solve: end(solve, VALUES),
    "jit": lambda solve: jax.jit(lambda values: end(solve, values))(VALUES),
    "grad": lambda solve: jax.grad(lambda values: end(solve, values))(VALUES),
    "jit of vmap": lambda solve: jax.jit(jax.vmap(lambda values: end(solve, values)))(jnp.stack([VALUES] * 2)),
}


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_the_numbers_stay_and_the_passes_are_told(way: str) -> None:
    """To the bit, whatever the solve is under; a forward pass, and a backward pass where there is a gradient."""
    expected = WAYS[way](dfx.diffeqsolve)
    with capture() as c:
        actual = WAYS[way](soltrace.diffeqsolve)
        jax.block_until_ready(actual)
        ended = [event["phase"] for event in c.events() if event["event"] == "pass.ended"]
    assert ended == (["forward", "backward"] if way == "grad" else ["forward"])
    assert bits(actual) == bits(expected)
