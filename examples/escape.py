"""An SDE: when does a particle leave its well? One solve of many lanes, each of which ends when its event comes.

    python examples/escape.py [PARTICLES]
    soltrace tail --experiment escape

Each particle is a lane, named by its index. Lanes end one after another, at the time at which the particle crosses the
barrier, and those that are still in the well end at t1: the log has a result and a final time for each. A progress bar
would show the slowest alone. Without `lanes="all"`, the log of so many lanes has the 8 slowest and those that fail.
"""

import sys

import diffrax
import jax
import jax.numpy as jnp

import soltrace

PARTICLES = int(sys.argv[1]) if len(sys.argv) > 1 else 256
T1 = 20.0


def drift(t, y, noise):
    """Fall into the nearer of two wells, at -1 and 1."""
    return y - y**3


def diffusion(t, y, noise):
    """Shake it, wherever it is."""
    return noise


@jax.jit
@jax.vmap
def escape(key):
    """Solve for one particle; returns when it left, and whether it did."""
    motion = diffrax.VirtualBrownianTree(0.0, T1, tol=1e-3, shape=(), key=key)
    solution = soltrace.diffeqsolve(  # instead of diffrax.diffeqsolve
        diffrax.MultiTerm(diffrax.ODETerm(drift), diffrax.ControlTerm(diffusion, motion)),
        diffrax.Heun(),
        t0=0.0,
        t1=T1,
        dt0=0.01,
        y0=jnp.array(-1.0),
        args=0.6,
        event=diffrax.Event(lambda t, y, args, **_: y > 0.0),
    )
    return solution.ts[0], solution.event_mask


soltrace.configure(lanes="all")
with soltrace.experiment("escape", noise=0.6, particles=PARTICLES):
    times, left = escape(jax.random.split(jax.random.key(7), PARTICLES))
print(f"{left.sum()} of {PARTICLES} left; half of those within {jnp.median(times[left]):.2f}")
