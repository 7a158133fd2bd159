"""What is solved: from steps of half a microsecond to steps of a millisecond, alone, differentiated and in lanes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp

Diffeqsolve = Callable[..., dfx.Solution]
"""diffrax's, or something with its signature."""


@dataclass(frozen=True)
class Case:
    """A program to time.

    Args:
        name: As it stands in the table.
        make: From a `diffeqsolve` to a compiled function.
        args: What that function is called with.
        repeats: Calls to time, unless the command line says otherwise.
        limit: What soltrace may cost, as a multiple of bare diffrax.
    """

    name: str
    make: Callable[[Diffeqsolve], Callable[..., Any]]
    args: tuple[Any, ...]
    repeats: int
    limit: float


def lorenz(t: Any, y: jax.Array, args: Any) -> jax.Array:
    """Lorenz' system: a few floating-point operations, so that everything beside them shows."""
    x, yy, z = y
    return jnp.stack([10 * (yy - x), x * (28 - z) - yy, x * yy - 8 / 3 * z])


class Batched(eqx.Module):
    """A neural vector field over a batch: one solve whose step costs something."""

    mlp: eqx.nn.MLP

    def __call__(self, t: Any, y: jax.Array, args: Any) -> jax.Array:
        """Apply the network to every row."""
        return jax.vmap(self.mlp)(y)


def _solve(diffeqsolve: Diffeqsolve, field: Any, y: jax.Array, t1: float, tolerance: float, max_steps: int) -> Any:
    solution = diffeqsolve(
        dfx.ODETerm(field),
        dfx.Tsit5(),
        0.0,
        t1,
        0.01,
        y,
        max_steps=max_steps,
        adjoint=dfx.RecursiveCheckpointAdjoint(),
        stepsize_controller=dfx.PIDController(rtol=tolerance, atol=tolerance),
    )
    return solution.ys


def cases() -> list[Case]:
    """Make the cases; their data is the same every time."""
    one = jnp.ones(3)
    lanes = one + jnp.linspace(0, 1, 1000)[:, None]
    network = Batched(eqx.nn.MLP(16, 16, 64, 2, activation=jnp.tanh, key=jax.random.key(0)))
    rows = jax.random.normal(jax.random.key(1), (256, 16)) * 3

    def long(solve: Diffeqsolve) -> Callable[..., Any]:
        return lambda y: _solve(solve, lorenz, y, 100.0, 1e-6, 100_000).sum()

    def short(solve: Diffeqsolve) -> Callable[..., Any]:
        return lambda y: _solve(solve, lorenz, y, 20.0, 1e-6, 100_000).sum()

    def neural(solve: Diffeqsolve) -> Callable[..., Any]:
        return lambda field, y: (_solve(solve, field, y, 20.0, 1e-5, 4096) ** 2).mean()

    return [
        Case("Lorenz", lambda solve: jax.jit(long(solve)), (one,), 200, 1.15),
        Case("Lorenz, gradient", lambda solve: jax.jit(jax.grad(short(solve))), (one,), 100, 1.15),
        Case("Lorenz, 1000 lanes", lambda solve: jax.jit(jax.vmap(short(solve))), (lanes,), 20, 1.02),
        Case("neural ODE", lambda solve: eqx.filter_jit(neural(solve)), (network, rows), 200, 1.05),
        Case("neural ODE, gradient", lambda s: eqx.filter_jit(eqx.filter_grad(neural(s))), (network, rows), 60, 1.05),
    ]
