"""Parameter inference: numpyro samples the rates of predator and prey; each leapfrog step is a solve and its gradient.

    python examples/posterior.py [SAMPLES]
    soltrace tail --experiment posterior --event pass.ended

numpyro says how many leapfrog steps a draw takes; soltrace says what each of them costs, in the warm-up and in the
draws. While it warms up, the sampler tries rates far from the data, for which a solve runs out of steps: its pass ends
as an error. numpyro refuses the draw, and says no more.
"""

import sys

import diffrax
import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.infer import MCMC, NUTS, init_to_median

import soltrace

SAMPLES = int(sys.argv[1]) if len(sys.argv) > 1 else 200
SEED = 3


def lotka_volterra(t, y, rates):
    """Prey grows and is eaten, predators eat and die."""
    prey, predators = y
    growth, eaten, gain, death = rates
    return jnp.array([growth * prey - eaten * prey * predators, gain * prey * predators - death * predators])


def solve(rates, start, times):
    """Solve; where the steps run out, the rest is infinite, and the sampler turns back."""
    solution = soltrace.diffeqsolve(  # instead of diffrax.diffeqsolve
        diffrax.ODETerm(lotka_volterra),
        diffrax.Tsit5(),
        t0=times[0],
        t1=times[-1],
        dt0=0.1,
        y0=start,
        args=rates,
        saveat=diffrax.SaveAt(ts=times),
        stepsize_controller=diffrax.PIDController(rtol=1e-5, atol=1e-5),
        max_steps=1024,
        throw=False,
    )
    return solution.ys


def model(times, counts):
    """Rates around what is plausible, and an error of a quarter in what is counted."""
    centre = jnp.log(jnp.array([0.55, 0.028, 0.024, 0.8]))
    rates = numpyro.sample("rates", dist.LogNormal(centre, 0.3).to_event(1))
    predicted = jnp.maximum(solve(rates, counts[0], times), 1e-3)
    numpyro.sample("counts", dist.LogNormal(jnp.log(predicted), 0.25).to_event(2), obs=counts)


hares = [30, 47.2, 70.2, 77.4, 36.3, 20.6, 18.1, 21.4, 22, 25.4, 27.1, 40.3, 57, 76.6, 52.3, 19.5, 11.2, 7.6, 14.6]
lynx = [4, 6.1, 9.8, 35.2, 59.4, 41.7, 19, 13, 8.3, 9.1, 7.4, 8, 12.3, 19.5, 45.7, 51.1, 29.7, 15.8, 9.7]
counts = jnp.array([hares, lynx]).T  # pelts, in thousands, 1900 to 1918
times = jnp.arange(19.0)
sampler = MCMC(NUTS(model, init_strategy=init_to_median), num_warmup=SAMPLES, num_samples=SAMPLES, progress_bar=False)
with soltrace.experiment("posterior", seed=SEED):
    with soltrace.experiment("warm-up"):
        sampler.warmup(jax.random.key(SEED), times, counts, extra_fields=("num_steps",))
    with soltrace.experiment("draws"):
        sampler.run(jax.random.key(SEED), times, counts, extra_fields=("num_steps",))
print("rates", sampler.get_samples()["rates"].mean(axis=0))
print("leapfrog steps", sampler.get_extra_fields()["num_steps"].sum())
