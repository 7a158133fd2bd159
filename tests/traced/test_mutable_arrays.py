"""A vector field or a function that saves, which writes into a mutable array (`jax.new_ref`) that it closes over."""

from typing import Any

import diffrax as dfx
import jax
import jax.numpy as jnp
import pytest

import soltrace
from soltrace.testing import capture
from tests.traced.cases import BACKSOLVE, DIRECT, FORWARD, Solve
from tests.traced.rarely import some
from tests.traced.stories import bits

pytestmark = [pytest.mark.slow, pytest.mark.shares]

ADJOINTS = {"forward": FORWARD, "direct": DIRECT, "backsolve": BACKSOLVE}
"""A checkpointed loop can't have one: diffrax refuses it."""
TELLING: dict[str, dict[str, Any]] = {"progress": {}, "steps": {"detail": "steps", "watch": "nonfinite"}}


def counted(solve: Solve, y: jax.Array, adjoint: dfx.AbstractAdjoint, **told: Any) -> tuple[jax.Array, ...]:
    """Count evaluations in one mutable array, and add up the states in another."""
    evaluations, states = jax.new_ref(jnp.zeros((), int)), jax.new_ref(jnp.zeros(2))

    def decay(t: Any, y: jax.Array, args: Any) -> jax.Array:
        evaluations[...] += 1
        states[...] += y
        return -y

    term = dfx.ODETerm(decay)
    solution = solve(term, dfx.Euler(), 0.0, 1.0, 0.25, y, adjoint=adjoint, max_steps=8, **told)
    return solution.ys, evaluations[...], states[...]


@pytest.mark.parametrize("telling", TELLING)
@pytest.mark.parametrize("adjoint", some(ADJOINTS, "forward", "direct"))
def test_what_is_written_is_what_diffrax_writes(adjoint: str, telling: str) -> None:
    """A mutable array is no value that a start could wait for; and nobody evaluates the field once more."""
    y, chosen = jnp.array([1.0, 2.0]), ADJOINTS[adjoint]
    expected = jax.jit(lambda y: counted(dfx.diffeqsolve, y, chosen))(y)
    with capture() as told:
        found = jax.jit(lambda y: counted(soltrace.diffeqsolve, y, chosen, **TELLING[telling]))(y)
        assert bits(found) == bits(expected)
        ends = [(e["phase"], e["result"], e["steps"]["accepted"]) for e in told.events() if e["event"] == "pass.ended"]
    assert ends == [("forward", "successful", 4)]
    assert int(found[1]) == 4
