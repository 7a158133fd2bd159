"""A neural CDE tells spirals that turn one way from those that turn the other, as in diffrax's documentation.

    python examples/neural_cde.py [STEPS]
    soltrace tail --experiment neural-cde
    soltrace report -o report.html

The two initialisations are experiments of one name, told apart by their seed. The report sets them beside each other:
how many steps and seconds the passes of each took, forward and backward, and which lanes, that is which curves, took
most.
"""

import sys

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import optax

import soltrace

STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 40
SEEDS = (0, 1)


class Field(eqx.Module):
    """A matrix for each state: what a change of the data does to it."""

    network: eqx.nn.MLP
    channels: int = eqx.field(static=True)
    hidden: int = eqx.field(static=True)

    def __call__(self, t, y, args):
        return self.network(y).reshape(self.hidden, self.channels)


class NeuralCDE(eqx.Module):
    """From a path to the probability that it turns to the left."""

    start: eqx.nn.Linear
    field: Field
    readout: eqx.nn.Linear

    def __init__(self, channels, hidden, width, key):
        keys = jax.random.split(key, 3)
        self.start = eqx.nn.Linear(channels, hidden, key=keys[0])
        network = eqx.nn.MLP(
            hidden, hidden * channels, width, 1, jax.nn.softplus, final_activation=jnp.tanh, key=keys[1]
        )
        self.field = Field(network, channels, hidden)
        self.readout = eqx.nn.Linear(hidden, 1, key=keys[2])

    def __call__(self, times, coefficients):
        control = diffrax.CubicInterpolation(times, coefficients)
        solution = soltrace.diffeqsolve(  # instead of diffrax.diffeqsolve
            diffrax.ControlTerm(self.field, control).to_ode(),
            diffrax.Tsit5(),
            t0=times[0],
            t1=times[-1],
            dt0=None,
            y0=self.start(control.evaluate(times[0])),
            stepsize_controller=diffrax.PIDController(rtol=1e-3, atol=1e-6),
        )
        return jax.nn.sigmoid(self.readout(solution.ys[-1])[0])


@eqx.filter_jit
def train(model, state, times, coefficients, labels):
    """Make one step of gradient descent; says the loss."""

    @eqx.filter_value_and_grad
    def loss(model):
        said = jax.vmap(model, in_axes=(None, 0))(times, coefficients)
        return -jnp.mean(labels * jnp.log(said) + (1 - labels) * jnp.log(1 - said))

    value, gradient = loss(model)
    updates, state = optimiser.update(gradient, state)
    return eqx.apply_updates(model, updates), state, value


times = jnp.linspace(0.0, 6.0, 30)
angles = jnp.linspace(0.0, 6.0, 32)[:, None]
labels = jnp.arange(32) % 2
turns = jnp.where(labels == 1, 1.0, -1.0)[:, None] * times
curves = jnp.exp(-0.2 * times)[:, None] * jnp.stack([jnp.cos(angles + turns), jnp.sin(angles + turns)], axis=-1)
paths = jnp.concatenate([jnp.broadcast_to(times[:, None], (32, 30, 1)), curves], axis=-1)
coefficients = jax.vmap(diffrax.backward_hermite_coefficients, in_axes=(None, 0))(times, paths)
optimiser = optax.adam(1e-2)
for seed in SEEDS:
    with soltrace.experiment("neural-cde", seed=seed, width=16):
        model = NeuralCDE(channels=3, hidden=8, width=16, key=jax.random.key(seed))
        state = optimiser.init(eqx.filter(model, eqx.is_inexact_array))
        for _ in range(STEPS):
            model, state, value = train(model, state, times, coefficients, labels)
        print(f"seed {seed}: loss {value:.4f}")
