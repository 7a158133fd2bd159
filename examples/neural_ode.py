"""A neural ODE learns the vector field of a spiral, as in diffrax's documentation.

    python examples/neural_ode.py [STEPS]
    soltrace tail --experiment neural-ode

Each training step is two passes over the whole batch: one forward and one backward, each from 0 to 1, and both say
which step they belong to. The backward pass says how many forward steps it computes again, to save memory.
"""

import sys

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import optax

import soltrace

STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 500
LEARNING_RATE = 3e-3


class NeuralODE(eqx.Module):
    """A vector field that is a network, solved from a start to all times."""

    network: eqx.nn.MLP

    def __call__(self, times, start, step):
        solution = soltrace.diffeqsolve(  # instead of diffrax.diffeqsolve
            diffrax.ODETerm(lambda t, y, args: self.network(y)),
            diffrax.Tsit5(),
            t0=times[0],
            t1=times[-1],
            dt0=times[1] - times[0],
            y0=start,
            saveat=diffrax.SaveAt(ts=times),
            stepsize_controller=diffrax.PIDController(rtol=1e-3, atol=1e-6),
            attributes={"step": step},  # may be traced: nothing is compiled again
        )
        return solution.ys


def spirals(times, count):
    """Make the data: spirals that differ in where they begin."""
    angles = jnp.linspace(0.0, 3.0, count)[:, None]
    return jnp.exp(-0.3 * times)[:, None] * jnp.stack([jnp.cos(angles + times), jnp.sin(angles + times)], axis=-1)


@eqx.filter_value_and_grad
def loss(model, times, curves, step):
    """Compare what the model says with the data, and differentiate."""
    predicted = jax.vmap(model, in_axes=(None, 0, None))(times, curves[:, 0], step)
    return jnp.mean((predicted - curves) ** 2)


@eqx.filter_jit
def train(model, state, times, curves, step):
    """Make one step of gradient descent."""
    value, gradient = loss(model, times, curves, step)
    updates, state = optimiser.update(gradient, state)
    return eqx.apply_updates(model, updates), state, value


times = jnp.linspace(0.0, 5.0, 40)
curves = spirals(times, 16)
model = NeuralODE(eqx.nn.MLP(2, 2, 32, 2, activation=jax.nn.softplus, key=jax.random.key(0)))
optimiser = optax.adabelief(LEARNING_RATE)
state = optimiser.init(eqx.filter(model, eqx.is_inexact_array))
with soltrace.experiment("neural-ode", learning_rate=LEARNING_RATE, width=32):
    for step in range(STEPS):
        model, state, value = train(model, state, times, curves, jnp.array(step))
        if step % 100 == 0 or step == STEPS - 1:
            print(f"step {step}: loss {value:.4f}")
