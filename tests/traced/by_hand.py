"""A solve as a plain loop in Python over a solver's `step` and a controller's `adapt_step_size`: what was each step?"""

from typing import Any

import diffrax as dfx
import jax
import jax.numpy as jnp
import numpy as np

Row = tuple[int, float, float, bool, float, str]


def shortest(x: Any) -> float:
    """A float32 as a line has it."""
    return float(str(np.float32(x)))


def largest(errors: Any) -> str:
    """Name the largest of the errors of an array, if it is a number."""
    sizes = np.abs(errors)
    return f"y[{sizes.argmax()}]" if 0 < sizes.max() < np.inf else ""


def steps_by_hand(term: Any, solver: Any, controller: Any, t1: float, dt0: float, y: jax.Array) -> list[Row]:
    """Solve from 0; list of each step: which, where it began, how far it went, accepted, scaled error, and in what."""
    order = solver.error_order(term)
    t, end = jnp.zeros(()), jnp.asarray(t1)
    tnext, state = controller.init(term, t, end, y, dt0, None, solver.func, order)
    tnext = jnp.minimum(tnext, end)
    solver_state, made_jump = solver.init(term, t, tnext, y, None), False
    clip_from = np.float32(t1)
    for _ in range(100):  # units in the last place: what diffrax leaves before the end
        clip_from = np.nextafter(clip_from, np.float32(0))

    @jax.jit
    def attempt(t: Any, tnext: Any, y: Any, solver_state: Any, made_jump: Any, state: Any) -> Any:
        y1, error, _, solver_state, _ = solver.step(term, t, tnext, y, None, solver_state, made_jump)
        error = jnp.where(jnp.isnan(error), jnp.inf, error)
        adapted = controller.adapt_step_size(t, tnext, y, y1, None, error, order, state)
        scale = controller.atol + jnp.maximum(jnp.abs(y), jnp.abs(y1)) * controller.rtol
        return y1, solver_state, error / scale, controller.norm(error / scale), adapted[:5]

    rows: list[Row] = []
    while t < t1:
        y1, after, errors, error, (keep, *times, jumped, state) = attempt(t, tnext, y, solver_state, made_jump, state)
        rows.append((len(rows) + 1, shortest(t), shortest(tnext - t), bool(keep), shortest(error), largest(errors)))
        if keep:
            y, solver_state, made_jump = y1, after, jumped
        t, tnext = jnp.minimum(times[0], end), times[1]
        if tnext > clip_from:
            tnext = end if keep else t + 0.5 * (end - t)
    return rows


def vdp(stiffness: float) -> dfx.ODETerm:
    """Van der Pol's oscillator, of which some steps are rejected."""
    return dfx.ODETerm(lambda t, y, _: jnp.stack([y[1], stiffness * (1 - y[0] ** 2) * y[1] - y[0]]))
