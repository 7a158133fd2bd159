"""An oscillator with many dampings at once, by a name imported from diffrax. It takes how many as its argument."""

import sys

import jax
import jax.numpy as jnp
from diffrax import ODETerm, PIDController, SaveAt, Tsit5, diffeqsolve


def oscillate(t, state, damping):
    position, speed = state
    return speed, -position - damping * speed


@jax.jit
@jax.vmap
def settle(damping):
    start = (jnp.array(1.0), jnp.array(0.0))
    controller = PIDController(rtol=1e-4, atol=1e-6)
    solution = diffeqsolve(
        ODETerm(oscillate),
        Tsit5(),
        0.0,
        10.0,
        0.1,
        start,
        damping,
        saveat=SaveAt(t1=True),
        stepsize_controller=controller,
    )
    return solution.ys[0][-1], solution.stats["num_steps"]


count = int(sys.argv[1])
positions, steps = settle(jnp.linspace(0.1, 2.0, count))
for position, taken in zip(positions.tolist(), steps.tolist(), strict=True):
    print(f"{position!r} after {taken} steps")
