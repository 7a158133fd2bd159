"""A combination, and how one is drawn by a seed."""

import random
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp

import soltrace
from tests.traced.sweep import parts

Solve = Callable[..., dfx.Solution]
MAX_STEPS: Final = 16


@dataclass(frozen=True)
class Combination:
    """One program: which of each table."""

    solver: str
    controller: str
    adjoint: str
    saving: str
    event: str
    dtype: str
    transformation: str
    setting: str
    read: str
    """What is read of the solution: `ys`, or all that is an array."""
    throw: bool
    backwards: bool
    """In time: from 1 to 0."""
    bounded: bool
    state: str = "array"
    detail: str = "none"
    """What is told of single steps."""
    watch: str = "nothing"
    by_hand: bool = False
    """Whether it is diffrax's `diffeqsolve` that is called, with an adjoint of ours."""

    def __str__(self) -> str:
        """All of it in one line."""
        return ", ".join(f"{name}={value}" for name, value in asdict(self).items())

    def program(self, solve: Solve) -> Any:
        """The function of (y, args), transformed."""
        solver, terms = parts.SOLVERS[self.solver]
        t0, t1, dt0 = (1.0, 0.0, -0.25) if self.backwards else (0.0, 1.0, 0.25)

        def function(y: Any, args: Any) -> Any:
            solution = solve(
                terms(args.dtype),
                solver,
                t0,
                t1,
                None if self.controller == "step to" else dt0,
                y,
                args,
                saveat=self._saveat(),
                stepsize_controller=self._controller(),
                adjoint=parts.ADJOINTS[self.adjoint],
                event=parts.EVENTS[self.event](),
                max_steps=MAX_STEPS if self.bounded else None,
                throw=self.throw,
            )
            return self._read(solution)

        return parts.TRANSFORMATIONS[self.transformation].of(function)

    @property
    def watches_steps(self) -> bool:
        """Whether what a step computes is looked at while it does."""
        return self.watch in {"values that are not finite", "both"}

    def telling(self) -> Solve:
        """Ours, with the detail and what is watched."""
        if self.by_hand:
            return self._by_hand
        return partial(soltrace.diffeqsolve, detail=self.detail, watch=parts.WATCHED[self.watch])

    def _by_hand(self, *args: Any, adjoint: Any, **kwargs: Any) -> dfx.Solution:
        ours = soltrace.TracedAdjoint(adjoint, detail=self.detail, watch=parts.WATCHED[self.watch])
        return dfx.diffeqsolve(*args, adjoint=ours, **kwargs)

    def arguments(self) -> tuple[Any, Any]:
        """The state, and a factor of the field."""
        dtype = parts.DTYPES[self.dtype]
        y = parts.STATES[self.state](jnp.array([1.0, 0.5], dtype))
        factor = jnp.array(1.25, jnp.finfo(dtype).dtype)
        return (y, jax.tree.map(lambda x: 2 * x, y)) if self.solver == "symplectic" else y, factor

    def _saveat(self) -> dfx.SaveAt:
        saveat = parts.SAVINGS[self.saving]()
        if not self.backwards:
            return saveat
        is_sub = lambda x: isinstance(x, dfx.SubSaveAt)
        reverse = lambda sub: sub if sub.ts is None else eqx.tree_at(lambda s: s.ts, sub, sub.ts[::-1])
        return eqx.tree_at(lambda s: s.subs, saveat, jax.tree.map(reverse, saveat.subs, is_leaf=is_sub))

    def _controller(self) -> Any:
        controller = parts.CONTROLLERS[self.controller]
        if self.backwards and isinstance(controller, dfx.StepTo):
            return dfx.StepTo(ts=controller.ts[::-1])
        return controller

    def _read(self, solution: dfx.Solution) -> Any:
        at = jnp.asarray(0.3, solution.t0.dtype)  # type: ignore[union-attr]
        dense = None if solution.interpolation is None else solution.evaluate(at)
        if self.read == "ys":
            return solution.ys if dense is None else dense
        rest = eqx.filter(
            eqx.tree_at(lambda s: s.interpolation, solution, None, is_leaf=lambda x: x is None), eqx.is_array
        )
        floats = jax.tree.map(lambda x: x if eqx.is_inexact_array(x) else x.astype(float) * 0, _without_keys(rest))
        return floats, dense


def _without_keys(tree: Any) -> Any:
    is_key = lambda x: jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
    return [jax.random.key_data(x) if is_key(x) else x for x in jax.tree.leaves(tree)]


def draw(seed: int) -> Combination:
    """Draw one, and mostly one that diffrax does not refuse."""
    rng = random.Random(seed)
    while True:
        combination = _draw(rng)
        if not _is_refused(combination) or rng.random() < REFUSED:
            return combination


REFUSED: Final = 0.03
"""How many of those are kept that diffrax is known to refuse."""


def _is_refused(drawn: Combination) -> bool:
    """Whether diffrax is known to say no: to the solver, or to what its adjoint can't do."""
    backsolve, implicit = "backsolve" in drawn.adjoint or "copying" in drawn.adjoint, drawn.adjoint == "implicit"
    reverse = parts.TRANSFORMATIONS[drawn.transformation].reverse
    hessian = drawn.transformation in {"hessian", "vmap of hessian"}
    forward = drawn.transformation in {"jacfwd", "jvp", "linearize"}
    pushed = {"forward", "direct", "implicit", "the user's, with a loop"}
    plainly = drawn.saving in {"t1", "t0 and t1", "ts", "t0 and ts"} and drawn.event == "none"
    adaptive = drawn.controller not in {"constant", "step to"}
    saved = drawn.saving in {"steps", "each second step", "dense"}
    return (
        (backsolve and (not plainly or drawn.solver in {"kencarp3", "symplectic", "ito milstein"}))
        or (implicit and drawn.saving != "t1")
        or (reverse and drawn.adjoint == "forward")
        or (forward and drawn.adjoint not in pushed)
        or (hessian and (backsolve or (drawn.adjoint not in pushed and drawn.solver not in parts.PLAIN)))
        or (adaptive and drawn.solver in {"euler", "leapfrog", "implicit euler", "symplectic", "ito milstein"})
        or (adaptive and drawn.solver in {"euler heun", "the user's, with a state"})
        or (adaptive and reverse and drawn.adjoint == "backsolve by another")
        or (not drawn.bounded and (saved or (reverse and drawn.adjoint != "checkpoint 2" and not backsolve)))
        or (drawn.dtype == "complex64" and (hessian or drawn.transformation == "jacfwd"))
        or (drawn.state != "array" and drawn.solver in parts.OF_ONE_ARRAY)
    )


def _draw(rng: random.Random) -> Combination:
    """Usual parts come more often than odd ones."""
    pick: Callable[[Collection[str]], str] = lambda names: rng.choice(list(names))
    often = lambda usual, names, chance: usual if rng.random() < chance else pick(names)
    return Combination(
        solver=pick(parts.SOLVERS),
        controller=often("constant", parts.CONTROLLERS, 0.4),
        adjoint=pick(parts.ADJOINTS),
        saving=often("t1", parts.SAVINGS, 0.3),
        event=often("none", parts.EVENTS, 0.6),
        dtype=often("float32", parts.DTYPES, 0.6),
        transformation=pick(parts.TRANSFORMATIONS),
        setting=often("", parts.SETTINGS, 0.7),
        read=often("ys", ("ys", "all"), 0.5),
        throw=rng.random() < 0.5,
        backwards=rng.random() < 0.15,
        bounded=rng.random() < 0.95,
        state=often("array", parts.STATES, 0.6),
        detail=often("none", ("steps", "failures"), 0.4),
        watch=often("nothing", parts.WATCHED, 0.4),
        by_hand=rng.random() < 0.25,
    )
