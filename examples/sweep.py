"""A sweep on threads: one oscillator, many dampings and tolerances, one experiment for each.

    python examples/sweep.py [DAMPINGS]
    soltrace tail --experiment 'sweep/*' --event pass.ended
    soltrace report -o report.html

All threads call the same compiled program, and still each pass has the attributes of its own thread. The report sets
the experiments side by side by any of them: choose `rtol` to see what an accuracy costs.
"""

import itertools
import sys
from concurrent.futures import ThreadPoolExecutor

import diffrax
import jax
import jax.numpy as jnp

import soltrace

DAMPINGS = int(sys.argv[1]) if len(sys.argv) > 1 else 16
TOLERANCES = (1e-3, 1e-5)


def van_der_pol(t, y, damping):
    """An oscillator that becomes stiff as the damping grows."""
    position, speed = y
    return speed, damping * (1 - position**2) * speed - position


@jax.jit
def amplitude(damping, rtol):
    """Solve over many periods; returns the largest position."""
    solution = soltrace.diffeqsolve(  # instead of diffrax.diffeqsolve
        diffrax.ODETerm(van_der_pol),
        diffrax.Tsit5(),
        t0=0.0,
        t1=50.0,
        dt0=0.01,
        y0=(jnp.array(1.0), jnp.array(0.0)),
        args=damping,
        saveat=diffrax.SaveAt(steps=True),
        stepsize_controller=diffrax.PIDController(rtol=rtol, atol=1e-6),
        max_steps=8192,
    )
    return jnp.max(jnp.where(jnp.isfinite(solution.ts), solution.ys[0], 0.0))


def work(damping, rtol):
    """Run one of the sweep, on whichever thread."""
    with soltrace.experiment("oscillator", damping=damping, rtol=rtol):
        return amplitude(damping, rtol).item()


grid = list(itertools.product((0.5 * (index + 1) for index in range(DAMPINGS)), TOLERANCES))
with soltrace.experiment("sweep"), ThreadPoolExecutor(2) as threads:
    found = threads.map(lambda point: work(*point), grid)
    for (damping, rtol), largest in zip(grid, found, strict=True):
        print(f"damping {damping}, rtol {rtol}: {largest:.4f}")
