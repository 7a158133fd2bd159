"""A neural ODE learns a spiral: what diffrax's documentation shows, small enough for a test. It knows nothing of us."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import optax


class NeuralODE(eqx.Module):
    network: eqx.nn.MLP

    def __call__(self, times, start):
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, args: self.network(y)),
            diffrax.Tsit5(),
            t0=times[0],
            t1=times[-1],
            dt0=times[1] - times[0],
            y0=start,
            saveat=diffrax.SaveAt(ts=times),
            stepsize_controller=diffrax.PIDController(rtol=1e-3, atol=1e-6),
        )
        return solution.ys


@eqx.filter_value_and_grad
def loss(model, times, curves):
    predicted = jax.vmap(model, in_axes=(None, 0))(times, curves[:, 0])
    return jnp.mean((predicted - curves) ** 2)


@eqx.filter_jit
def train(model, state, times, curves):
    value, gradient = loss(model, times, curves)
    updates, state = optimiser.update(gradient, state)
    return eqx.apply_updates(model, updates), state, value


times = jnp.linspace(0.0, 2.0, 8)
angles = jnp.linspace(0.0, 3.0, 4)
curves = jnp.exp(-0.3 * times)[None, :, None] * jnp.stack(
    [jnp.cos(angles[:, None] + times), jnp.sin(angles[:, None] + times)], axis=-1
)
model = NeuralODE(eqx.nn.MLP(2, 2, 8, 1, activation=jnp.tanh, key=jax.random.key(0)))
optimiser = optax.adam(1e-2)
state = optimiser.init(eqx.filter(model, eqx.is_array))
for step in range(3):
    model, state, value = train(model, state, times, curves)
    print(step, float(value))
