"""Programs that errors of the user's own stop in mid-pass: forwards, in a batch, backwards, dispatched early."""

import sys
import time

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import soltrace


def refuse(y):
    """Raise, for some values, while the program runs."""
    if np.max(y) > 1.2:
        raise ValueError("broken on purpose")
    return np.asarray(y)


def checked(y):
    """Let the host look at it."""
    return jax.pure_callback(refuse, jax.ShapeDtypeStruct(y.shape, y.dtype), y, vmap_method="expand_dims")


@jax.custom_vjp
def checked_backwards(y):
    """Let the host look at it in the backward pass."""
    return y


checked_backwards.defvjp(lambda y: (y, y), lambda y, cotangent: (cotangent + 0 * checked(y),))


def end(field, y):
    """Solve."""
    return soltrace.diffeqsolve(dfx.ODETerm(lambda t, y, _: field(y)), dfx.Euler(), 0.0, 1.0, 0.125, y).ys.sum()


@jax.jit
def late(x):
    """Take some time."""
    return jax.lax.fori_loop(0, 300, lambda _, x: jnp.sin(x @ x), x)[0, :2] * 0 + 1


ONES, BATCH, MATRIX = jnp.ones(2), jnp.ones((3, 2)), jnp.ones((256, 256))
programs = {
    "forwards": lambda: jax.jit(lambda y: end(lambda y: eqx.error_if(y, y[0] > 1.2, "broken on purpose"), y))(ONES),
    "batch": lambda: jax.jit(jax.vmap(lambda y: end(checked, y)))(BATCH),
    "backwards": lambda: jax.jit(jax.grad(lambda y: end(checked_backwards, y)))(ONES),
    "late": lambda: jax.jit(lambda y: end(checked, y))(late(MATRIX)),
}
for name, program in programs.items():
    began = np.inf
    with soltrace.experiment(name):
        try:
            jax.block_until_ready(program())
        except Exception as error:
            if "broken on purpose" not in str(error):
                raise
        else:
            sys.exit(f"{name} went on")
        began = time.monotonic()
    assert time.monotonic() - began < 10.0, f"leaving {name} took {time.monotonic() - began} s"
