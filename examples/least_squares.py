"""optimistix fits a pharmacokinetic model by Levenberg-Marquardt, which differentiates forwards.

    python examples/least_squares.py [MOST_STEPS]
    soltrace tail --experiment absorption

Every step of the optimiser is a solve with its derivatives beside it, so there are forward passes alone; with an
optimiser that needs gradients, as `optimistix.BFGS`, each would have a backward pass of its own. The first passes show
what a poor guess costs, and the number of passes is the number of steps that the optimiser tried.
"""

import sys

import diffrax
import jax.numpy as jnp
import optimistix

import soltrace

MOST_STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 64


def absorption(t, y, log_rates):
    """From the gut into the blood, and out of it."""
    absorbed, removed = jnp.exp(log_rates)
    gut, blood = y
    return jnp.array([-absorbed * gut, absorbed * gut - removed * blood])


def concentration(log_rates, times):
    """Solve after one dose; returns what is in the blood."""
    solution = soltrace.diffeqsolve(  # instead of diffrax.diffeqsolve
        diffrax.ODETerm(absorption),
        diffrax.Tsit5(),
        t0=0.0,
        t1=times[-1],
        dt0=0.01,
        y0=jnp.array([1.0, 0.0]),
        args=log_rates,
        saveat=diffrax.SaveAt(ts=times),
        stepsize_controller=diffrax.PIDController(rtol=1e-5, atol=1e-7),
        adjoint=diffrax.ForwardMode(),
    )
    return solution.ys[:, 1]


def residuals(log_rates, data):
    """Say how far off the model is, at each time."""
    times, measured = data
    return concentration(log_rates, times) - measured


times = jnp.array([0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 12.0])
measured = jnp.array([0.264, 0.436, 0.604, 0.652, 0.641, 0.562, 0.444, 0.267, 0.173, 0.105, 0.068])
guess = jnp.log(jnp.array([0.3, 1.0]))
with soltrace.experiment("absorption", optimiser="LevenbergMarquardt"):
    solution = optimistix.least_squares(
        residuals,
        optimistix.LevenbergMarquardt(rtol=1e-4, atol=1e-4),
        guess,
        args=(times, measured),
        max_steps=MOST_STEPS,
    )
print("rates", jnp.exp(solution.value), "after", solution.stats["num_steps"], "steps")
