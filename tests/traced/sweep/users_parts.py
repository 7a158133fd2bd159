"""Solvers, controllers and terms as users write them: subclassed, wrapping others, with a state of their own."""

from typing import Any, ClassVar

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr


class Scaled(dfx.AbstractTerm):
    """A term that wraps another one."""

    inner: Any
    factor: Any

    def vf(self, t: Any, y: Any, args: Any) -> Any:
        return jax.tree.map(lambda x: x * self.factor.astype(x.dtype), self.inner.vf(t, y, args))

    def contr(self, t0: Any, t1: Any, **kwargs: Any) -> Any:
        return self.inner.contr(t0, t1, **kwargs)

    def prod(self, vf: Any, control: Any) -> Any:
        return self.inner.prod(vf, control)


class Calling(dfx.AbstractSolver):
    """Makes its step by another one's."""

    inner: Any
    term_structure: ClassVar = dfx.AbstractTerm
    interpolation_cls: ClassVar = dfx.LocalLinearInterpolation

    def order(self, terms: Any) -> Any:
        return self.inner.order(terms)

    def error_order(self, terms: Any) -> Any:
        return self.inner.error_order(terms)

    def init(self, terms: Any, t0: Any, t1: Any, y0: Any, args: Any) -> Any:
        return self.inner.init(terms, t0, t1, y0, args)

    def step(self, terms: Any, t0: Any, t1: Any, y0: Any, args: Any, solver_state: Any, made_jump: Any) -> Any:
        y1, error, _, state, result = self.inner.step(terms, t0, t1, y0, args, solver_state, made_jump)
        return y1, error, {"y0": y0, "y1": y1}, state, result

    def func(self, terms: Any, t0: Any, y0: Any, args: Any) -> Any:
        return self.inner.func(terms, t0, y0, args)


class Louder(dfx.Heun):
    """One of diffrax's, and a little more."""

    def step(self, terms: Any, t0: Any, t1: Any, y0: Any, *rest: Any) -> Any:
        y1, error, dense, state, result = super().step(terms, t0, t1, y0, *rest)
        y1 = jax.tree.map(lambda x: x * 1.125, y1)
        return y1, error, dense | {"y1": y1}, state, result


class Remembering(dfx.Euler):
    """Counts its steps, flips a bit, and carries what is no array."""

    def init(self, *_: Any) -> Any:
        return {"count": 0, "bit": False, "name": "mine", "key": jr.key(1)}

    def step(self, terms: Any, t0: Any, t1: Any, y0: Any, args: Any, solver_state: Any, made_jump: Any) -> Any:
        y1, error, dense, _, result = super().step(terms, t0, t1, y0, args, None, made_jump)
        key, _ = jr.split(solver_state["key"])
        count = solver_state["count"] + 1
        return (
            y1,
            error,
            dense,
            {"count": count, "bit": ~jnp.asarray(solver_state["bit"]), "name": "mine", "key": key},
            result,
        )


class Drawing(dfx.AbstractStepSizeController):
    """Changes what another one says by a random number, and counts."""

    inner: Any

    def wrap(self, direction: Any) -> Any:
        return eqx.tree_at(lambda c: c.inner, self, self.inner.wrap(direction))

    def init(self, *args: Any) -> Any:
        tnext, state = self.inner.init(*args)
        return tnext, (state, jr.key(2), 0, jnp.asarray(False))

    def adapt_step_size(self, t0: Any, t1: Any, y0: Any, y1: Any, args: Any, error: Any, order: Any, state: Any) -> Any:
        inner, key, count, flag = state
        keep, new0, new1, jump, inner, result = self.inner.adapt_step_size(t0, t1, y0, y1, args, error, order, inner)
        key, now = jr.split(key)
        new1 = new0 + (new1 - new0) * jr.uniform(now, (), new1.dtype, 0.75, 1.0)
        return keep, new0, new1, jump, (inner, key, count + 1, ~flag), result
