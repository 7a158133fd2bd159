"""Adjoints as users write them: subclassed, composed, with a derivative of their own, with a loop of their own."""

import functools as ft
from typing import Any

import diffrax as dfx
import equinox as eqx
import equinox.internal as eqxi
import jax
import jax.numpy as jnp
from diffrax import _integrate
from diffrax._adjoint import _loop_backsolve, _nondiff_solver_controller_state, _only_transpose_ys

plain = ft.partial(eqxi.while_loop, kind="lax")


class Wraps(dfx.AbstractAdjoint):
    """Hands the loop to another one."""

    inner: Any

    def loop(self, **solve: Any) -> Any:
        return self.inner.loop(**solve)


class First(dfx.AbstractAdjoint):
    """Hands the loop to the first of those that it holds."""

    inner: tuple[Any, ...]

    def loop(self, **solve: Any) -> Any:
        return self.inner[0].loop(**solve)


class Makes(dfx.AbstractAdjoint):
    """Hands the loop to one that it makes."""

    def loop(self, **solve: Any) -> Any:
        return dfx.DirectAdjoint().loop(**solve)


class Extends(dfx.RecursiveCheckpointAdjoint):
    """Adds to one of diffrax's."""

    def loop(self, **solve: Any) -> Any:
        final, aux = super().loop(**solve)
        return final, aux | {"mine": final.num_rejected_steps + 1}


class Inherits(dfx.DirectAdjoint):
    """Adds nothing that the solve knows of."""

    name: str = "mine"


class Calls(dfx.AbstractAdjoint):
    """Calls the function that makes the steps by its name, twice."""

    def loop(self, *, throw: Any, passed_solver_state: Any, passed_controller_state: Any, **solve: Any) -> Any:
        loop = ft.partial(_integrate.loop, inner_while_loop=plain, outer_while_loop=plain)
        # The first of them is for nothing, as where an estimate of the cost is wanted.
        loop(**solve)
        return loop(**solve)


class Copies(dfx.AbstractAdjoint):
    """Does as BacksolveAdjoint does, with its functions."""

    kwargs: dict[str, Any] = eqx.field(default_factory=dict)

    def loop(self, *, args, terms, init_state, passed_solver_state, passed_controller_state, **solve: Any) -> Any:
        y = init_state.y
        state = eqx.tree_at(lambda s: s.y, init_state, object())
        state = _nondiff_solver_controller_state(self, state, passed_solver_state, passed_controller_state)
        final, aux = _loop_backsolve((y, args, terms), self=self, init_state=state, **solve)
        return _only_transpose_ys(final), aux


@eqx.filter_custom_vjp
def _forwards(args, adjoint, state, solve):
    return adjoint._loop(args=args, init_state=state, inner_while_loop=plain, outer_while_loop=plain, **solve)


@_forwards.def_fwd
def _forwards_fwd(perturbed, args, adjoint, state, solve):
    return _forwards(args, adjoint, state, solve), None


@_forwards.def_bwd
def _forwards_bwd(residual, cotangent, perturbed, args, adjoint, state, solve):
    back = dfx.diffeqsolve(
        dfx.ODETerm(lambda t, s, args: jnp.ones(())),
        dfx.Euler(),
        solve["t1"],
        solve["t0"],
        -0.25,
        jnp.zeros(()),
        adjoint=adjoint,
        progress_meter=solve["progress_meter"],
    )
    return back.ys[-1] * jnp.exp(-args)


class Itself(dfx.AbstractAdjoint):
    """Solves backwards in time with itself, and with the meter that it was given."""

    def loop(self, *, args, init_state, throw, passed_solver_state, passed_controller_state, **solve: Any) -> Any:
        state = jax.tree.map(lambda x: jax.lax.stop_gradient(x) if eqx.is_array(x) else x, init_state)
        final, aux = _forwards(args, self, state, solve)
        return _only_transpose_ys(final), aux


class Refuses(dfx.AbstractAdjoint):
    """Takes no progress meter."""

    def loop(self, **solve: Any) -> Any:
        if solve["init_state"].progress_meter_state is not None:
            raise ValueError("no progress meter is supported")
        return dfx.RecursiveCheckpointAdjoint().loop(**solve)


class Unrolls(dfx.AbstractAdjoint):
    """Has a loop of its own."""

    def loop(self, *, throw: Any, passed_solver_state: Any, passed_controller_state: Any, **solve: Any) -> Any:
        def scanned(cond: Any, body: Any, init: Any, *, max_steps: int, **_: Any) -> Any:
            init = jax.tree.map(jnp.asarray, init)
            turn = lambda state, _: (jax.lax.cond(cond(state), body, lambda s: s, state), None)
            return jax.lax.scan(turn, init, length=max_steps)[0]

        bounded = ft.partial(eqxi.while_loop, kind="bounded")
        return self._loop(**solve, inner_while_loop=bounded, outer_while_loop=scanned)


class Steps(dfx.AbstractAdjoint):
    """Makes the steps itself, without any loop of diffrax's; it knows what it solves."""

    def loop(self, *, solver, terms, args, t0, t1, init_state, progress_meter, **solve: Any) -> Any:
        state, half = init_state, (t0 + t1) / 2
        y = state.y
        for start, end in ((t0, half), (half, t1)):
            y, _, _, _, _ = solver.step(terms, start, end, y, args, state.solver_state, False)
        meter = progress_meter.step(state.progress_meter_state, jnp.ones(()))
        save = eqx.tree_at(lambda s: (s.ys, s.ts), state.save_state, (y[None], jnp.asarray(t1)[None]))
        counts = dict.fromkeys(("num_steps", "num_accepted_steps"), jnp.asarray(2))
        names = ("y", "save_state", "progress_meter_state", "tprev", *counts)
        values = (y, save, meter, jnp.asarray(t1), *counts.values())
        return eqx.tree_at(
            lambda s: tuple(getattr(s, n) for n in names), state, values, is_leaf=lambda x: x is None
        ), {}
