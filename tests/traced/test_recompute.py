"""The number of recomputed steps is that of the evaluations that a backward pass really makes."""

import functools

import diffrax as dfx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from soltrace.traced.recompute import Checkpointed, scheme

pytestmark = pytest.mark.slow


@pytest.mark.once
@pytest.mark.parametrize(
    ("adjoint", "max_steps"),
    [
        (dfx.RecursiveCheckpointAdjoint(), 1),
        (dfx.RecursiveCheckpointAdjoint(), 40),
        (dfx.RecursiveCheckpointAdjoint(), 4096),
        (dfx.RecursiveCheckpointAdjoint(checkpoints=1), 64),
        (dfx.RecursiveCheckpointAdjoint(checkpoints=4), 64),
        (dfx.RecursiveCheckpointAdjoint(checkpoints=4), None),
        (dfx.RecursiveCheckpointAdjoint(checkpoints=64), 64),
        (dfx.DirectAdjoint(), 16),
        (dfx.DirectAdjoint(), 40),
        (dfx.DirectAdjoint(), 300),
    ],
    ids=str,
)
def test_counts_the_evaluations(adjoint: dfx.AbstractAdjoint, max_steps: int | None) -> None:
    """Each evaluation of the vector field is counted by the vector field itself; Euler makes one a step.

    The field is not linear, or its value would not be needed to transpose it.
    """
    evaluations = 0

    def count(_: object) -> np.float32:
        nonlocal evaluations
        evaluations += 1
        return np.float32(0)

    @jax.custom_jvp
    def counted(y: jax.Array) -> jax.Array:
        return y + jax.pure_callback(count, jax.ShapeDtypeStruct((), jnp.float32), y)

    counted.defjvp(lambda primals, tangents: (counted(*primals), tangents[0]))

    def loss(y: jax.Array, steps: jax.Array) -> jax.Array:
        term = dfx.ODETerm(lambda t, y, args: -(counted(y) ** 2))
        return dfx.diffeqsolve(
            term, dfx.Euler(), 0.0, steps / 256, 1 / 256, y, adjoint=adjoint, max_steps=max_steps
        ).ys.sum()

    kind = "bounded" if isinstance(adjoint, dfx.DirectAdjoint) else "checkpointed"
    loop = functools.partial(print, kind=kind, checkpoints=getattr(adjoint, "checkpoints", None))
    counts = scheme(loop, max_steps)
    assert counts is not None
    gradient = jax.jit(jax.value_and_grad(loss))
    for steps in sorted({0, 1, 2, 3, 7, 16, 39, 64, 200} & set(range((max_steps or 200) + 1))):
        evaluations = 0
        jax.block_until_ready(gradient(jnp.float32(1.0), jnp.float32(steps)))
        assert (steps, evaluations) == (steps, steps + counts(steps))


@pytest.mark.parametrize("checkpoints", [3, 632, 2000])
def test_a_long_loop_can_be_counted(checkpoints: int) -> None:
    """Each step is evaluated at least once more; counting them needs no stack as deep as there are checkpoints."""
    assert Checkpointed(checkpoints)(18_000) == {3: 17_974_040, 632: 35_368, 2000: 34_000}[checkpoints]
