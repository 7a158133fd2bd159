"""Stiff chemical kinetics: fit the rates of an enzyme, with an implicit solver and `BacksolveAdjoint`.

    python examples/kinetics.py [STEPS]
    soltrace tail --experiment kinetics

`BacksolveAdjoint` goes backwards by solving anew, from each time of the data to the one before it. These solves are
parts of one backward pass, which runs from 0 to 1 as any other does. Compare its steps with those of the forward pass:
it takes many more, because backwards what was stiff is unstable. With data that are further apart it may not end at
all, and then you see its progress stand still while its steps go on.
"""

import sys

import diffrax
import jax
import jax.numpy as jnp
import optax

import soltrace

jax.config.update("jax_enable_x64", val=True)
STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 200


def michaelis_menten(t, y, log_rates):
    """E + S <-> ES -> E + P: binding is fast, all else is slow."""
    binds, leaves, reacts = jnp.exp(log_rates)
    enzyme, substrate, bound, _ = y
    binding = binds * enzyme * substrate - leaves * bound
    return jnp.array([reacts * bound - binding, -binding, binding - reacts * bound, reacts * bound])


def solve(log_rates, times):
    """Solve from enzyme and substrate; returns the product at each time."""
    solution = soltrace.diffeqsolve(  # instead of diffrax.diffeqsolve
        diffrax.ODETerm(michaelis_menten),
        diffrax.Kvaerno3(),
        t0=0.0,
        t1=times[-1],
        dt0=1e-3,
        y0=jnp.array([0.2, 1.0, 0.0, 0.0]),
        args=log_rates,
        saveat=diffrax.SaveAt(ts=times),
        stepsize_controller=diffrax.PIDController(rtol=1e-6, atol=1e-8),
        adjoint=diffrax.BacksolveAdjoint(),
    )
    return solution.ys[:, 3]


@jax.jit
def train(log_rates, state):
    """Make one step of gradient descent; says the loss."""
    value, gradient = jax.value_and_grad(lambda rates: jnp.mean((solve(rates, times) - measured) ** 2))(log_rates)
    updates, state = optimiser.update(gradient, state)
    return optax.apply_updates(log_rates, updates), state, value


times = jnp.linspace(0.05, 0.6, 12)
measured = jnp.array([0.032, 0.069, 0.112, 0.146, 0.182, 0.218, 0.256, 0.29, 0.324, 0.356, 0.393, 0.421])
log_rates = jnp.log(jnp.array([60.0, 33.0, 3.0]))
optimiser = optax.adam(3e-2)
state = optimiser.init(log_rates)
with soltrace.experiment("kinetics", solver="Kvaerno3", rtol=1e-6):
    for _ in range(STEPS):
        log_rates, state, value = train(log_rates, state)
print(f"rates {jnp.exp(log_rates)}, loss {value:.2e}")
