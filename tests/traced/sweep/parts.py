"""What a combination is drawn from: solvers, controllers, adjoints, what is saved, events, dtypes and settings of jax.

Everything is tiny: a step takes nothing, and a solve has fewer than ten of them.
"""

import functools as ft
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import diffrax as dfx
import jax
import jax.numpy as jnp
import jax.random as jr
import optimistix as optx

from tests.traced import users_adjoints as own
from tests.traced.sweep import users_parts


def field(t: Any, y: Any, args: Any) -> Any:
    """A decay that is not linear."""
    return jax.tree.map(lambda x: -x * x * args, y)


def ode(_: Any) -> Any:
    return dfx.ODETerm(field)


def two_parts(_: Any) -> Any:
    return dfx.MultiTerm(dfx.ODETerm(field), dfx.ODETerm(lambda t, y, args: jax.tree.map(jnp.negative, y)))


def noisy(dtype: Any, levy: Any = dfx.BrownianIncrement) -> Any:
    """Diagonal noise; the path is that of one key."""
    shape = jax.ShapeDtypeStruct((2,), dtype)
    path = dfx.VirtualBrownianTree(-0.1, 1.1, tol=0.05, shape=shape, key=jr.key(0), levy_area=levy)
    return dfx.MultiTerm(dfx.ODETerm(field), dfx.ControlTerm(lambda t, y, args: 0.1 * jnp.diag(y), path))


def noisy_shark(dtype: Any) -> Any:
    return noisy(dtype, dfx.SpaceTimeLevyArea)


def split(_: Any) -> Any:
    scaled = lambda t, v, args: jax.tree.map(lambda x: x * args, v)
    return dfx.ODETerm(scaled), dfx.ODETerm(lambda t, x, args: jax.tree.map(jnp.negative, x))


def users(_: Any) -> Any:
    return users_parts.Scaled(dfx.ODETerm(field), jnp.asarray(1.5))


Terms = Callable[[Any], Any]
SOLVERS: Final[dict[str, tuple[Any, Terms]]] = {
    "euler": (dfx.Euler(), ode),
    "heun": (dfx.Heun(), ode),
    "midpoint": (dfx.Midpoint(), users),
    "ralston": (dfx.Ralston(), ode),
    "bosh3": (dfx.Bosh3(), ode),
    "tsit5": (dfx.Tsit5(), ode),
    "dopri5": (dfx.Dopri5(scan_kind="bounded"), ode),
    "reversible heun": (dfx.ReversibleHeun(), ode),
    "leapfrog": (dfx.LeapfrogMidpoint(), ode),
    "kvaerno3": (dfx.Kvaerno3(root_finder=dfx.VeryChord(rtol=1e-2, atol=1e-2, norm=optx.max_norm)), ode),
    "implicit euler": (dfx.ImplicitEuler(root_finder=optx.Newton(rtol=1e-2, atol=1e-2, norm=optx.max_norm)), ode),
    "kencarp3": (dfx.KenCarp3(root_finder=dfx.VeryChord(rtol=1e-2, atol=1e-2, norm=optx.max_norm)), two_parts),
    "symplectic": (dfx.SemiImplicitEuler(), split),
    "half": (dfx.HalfSolver(dfx.Euler()), ode),
    "half of noise": (dfx.HalfSolver(dfx.EulerHeun()), noisy),
    "euler heun": (dfx.EulerHeun(), noisy),
    "ito milstein": (dfx.ItoMilstein(), noisy),
    "shark": (dfx.SPaRK(), noisy_shark),
    "the user's, calling another": (users_parts.Calling(dfx.Heun()), ode),
    "the user's, subclassed": (users_parts.Louder(), users),
    "the user's, with a state": (users_parts.Remembering(), ode),
}

OF_ONE_ARRAY: Final = frozenset({"half of noise", "euler heun", "ito milstein", "shark"})
"""Those whose noise is of one array."""
PLAIN: Final = OF_ONE_ARRAY - {"shark"} | {"euler", "dopri5", "reversible heun", "leapfrog", "symplectic", "half"}
"""Those without a loop in a step that only goes backwards."""

STATES: Final[dict[str, Callable[[Any], Any]]] = {
    "array": lambda y: y,
    "parts": lambda y: {"a": y[0], "b": (y[1], y[None])},
    "scalars": lambda y: (y[0], y[1]),
}

PID: Final = dfx.PIDController(rtol=1e-1, atol=1e-1)
CONTROLLERS: Final[dict[str, Any]] = {
    "constant": dfx.ConstantStepSize(),
    "pid": PID,
    "pid with limits": dfx.PIDController(rtol=5e-2, atol=5e-2, pcoeff=0.3, icoeff=0.4, dtmin=0.1, dtmax=0.4),
    "step to": dfx.StepTo(ts=jnp.array([0.0, 0.3, 0.55, 1.0])),
    "clipped": dfx.ClipStepSizeController(PID, jump_ts=jnp.array([0.45]), step_ts=jnp.array([0.7])),
    "clipped, storing": dfx.ClipStepSizeController(PID, step_ts=jnp.array([0.7]), store_rejected_steps=4),
    "the user's, with a state": users_parts.Drawing(PID),
}

ADJOINTS: Final[dict[str, Any]] = {
    "checkpoint": dfx.RecursiveCheckpointAdjoint(),
    "checkpoint 2": dfx.RecursiveCheckpointAdjoint(checkpoints=2),
    "direct": dfx.DirectAdjoint(),
    "forward": dfx.ForwardMode(),
    "backsolve": dfx.BacksolveAdjoint(),
    "backsolve by another": dfx.BacksolveAdjoint(solver=dfx.Euler(), adjoint=dfx.DirectAdjoint()),
    "implicit": dfx.ImplicitAdjoint(),
    "the user's, holding": own.Wraps(dfx.RecursiveCheckpointAdjoint()),
    "the user's, holding a backsolve": own.Wraps(dfx.BacksolveAdjoint()),
    "the user's, extending": own.Extends(),
    "the user's, copying": own.Copies(),
    "the user's, with a loop": own.Unrolls(),
}

mean = lambda t, y, args: jax.tree.map(lambda x: x.mean(), y)
SAVINGS: Final[dict[str, Callable[[], dfx.SaveAt]]] = {
    "t1": lambda: dfx.SaveAt(t1=True),
    "t0 and t1": lambda: dfx.SaveAt(t0=True, t1=True),
    "ts": lambda: dfx.SaveAt(ts=jnp.array([0.1, 0.35, 0.9])),
    "t0 and ts": lambda: dfx.SaveAt(t0=True, ts=jnp.array([0.2, 1.0])),
    "steps": lambda: dfx.SaveAt(steps=True),
    "each second step": lambda: dfx.SaveAt(steps=2, t1=True),
    "dense": lambda: dfx.SaveAt(dense=True),
    "fn": lambda: dfx.SaveAt(ts=jnp.array([0.5, 1.0]), fn=mean),
    "subs": lambda: dfx.SaveAt(subs=[dfx.SubSaveAt(t1=True), dfx.SubSaveAt(ts=jnp.array([0.4]), fn=mean)]),
    "states": lambda: dfx.SaveAt(t1=True, solver_state=True, controller_state=True, made_jump=True),
}


def _first(y: Any) -> Any:
    leaf = jax.tree.leaves(y)[0]
    return leaf.ravel()[0].real


EVENTS: Final[dict[str, Callable[[], dfx.Event | None]]] = {
    "none": lambda: None,
    "boolean": lambda: dfx.Event(lambda t, y, args, **_: _first(y) < 0.8),
    "located": lambda: dfx.Event(lambda t, y, args, **_: _first(y) - 0.8, optx.Newton(1e-3, 1e-3)),
    "never": lambda: dfx.Event(lambda t, y, args, **_: _first(y) < -9.0),
    "two": lambda: dfx.Event([lambda t, y, args, **_: _first(y) < 0.7, lambda t, y, args, **_: t > 0.6]),
}

WATCHED: Final[dict[str, Any]] = {
    "nothing": None,
    "values that are not finite": "nonfinite",
    "quantities": {"first": lambda t, y, args: _first(y), "scaled": lambda t, y, args: args * t},
    "both": ["nonfinite", {"first": lambda t, y, args: _first(y)}],
}

DTYPES: Final[dict[str, Any]] = {
    "float32": jnp.float32,
    "float64": jnp.float64,
    "complex64": jnp.complex64,
    "float16": jnp.float16,
    "bfloat16": jnp.bfloat16,
}

SETTINGS: Final[dict[str, tuple[str, Any]]] = {
    "promotion strict": ("jax_numpy_dtype_promotion", "strict"),
    "rank promotion": ("jax_numpy_rank_promotion", "raise"),
    "debug nans": ("jax_debug_nans", True),
    "checks": ("jax_enable_checks", True),
    "no jit": ("jax_disable_jit", True),
    "tracer leaks": ("jax_check_tracer_leaks", True),
    "legacy prng": ("jax_threefry_partitionable", False),
}


@dataclass(frozen=True)
class Transformation:
    """How a function of (y, args) is run."""

    of: Callable[[Callable[[Any, Any], Any]], Callable[[Any, Any], Any]]
    lanes: tuple[int, ...] | None = ()
    """The shape of the batch that its forward passes have; None: they differ."""
    passes: int | None = 1
    """How many forward passes there are."""
    reverse: bool = False
    """Whether there is a backward pass for each."""
    loops: bool = False
    """Whether the solve is in a loop of the program's own."""


def _with_a_rule(function: Any) -> Any:
    """Give its loss a rule of the user's for the way back, which solves anew."""
    plain = _loss(function)
    loss = jax.custom_vjp(plain)
    loss.defvjp(lambda y, a: (plain(y, a), (y, a)), lambda kept, g: jax.vjp(plain, *kept)[1](g))
    return loss


LANES: Final = 3
_many = lambda y: jax.tree.map(lambda x: jnp.stack([x, x * 1.5, x * 0.75]), y)
_loss = lambda f: (
    lambda y, a: sum(
        (jnp.sum(jnp.abs(x) if jnp.iscomplexobj(x) else x) for x in jax.tree.leaves(f(y, a))), jnp.zeros(())
    )
)
_grad = lambda f: jax.grad(_loss(f), argnums=1)
_batch = lambda f: lambda y, a: jax.vmap(f, in_axes=(0, None))(_many(y), a)
_args = lambda f: lambda y, a: jax.vmap(f, in_axes=(None, 0))(y, jnp.stack([a, 2 * a]))
_scan = lambda f: lambda y, a: jax.lax.scan(lambda total, _: (total * 0.5 + _loss(f)(y, total), None), a, length=2)[0]
_map = lambda f: lambda y, a: jax.lax.map(lambda a: _loss(f)(y, a), jnp.stack([a, 2 * a]))
_cond = lambda f: lambda y, a: jax.lax.cond(a > 0, _loss(f), lambda y, a: jnp.zeros_like(_loss(f)(y, a)), y, a)
_few = lambda f: lambda y, a: jnp.stack([_loss(f)(y, a), _loss(f)(y, 2 * a)])

TRANSFORMATIONS: Final[dict[str, Transformation]] = {
    "eager": Transformation(lambda f: f),
    "jit": Transformation(jax.jit),
    "grad": Transformation(_grad, reverse=True),
    "jit of grad": Transformation(lambda f: jax.jit(_grad(f)), reverse=True),
    "value and grad": Transformation(lambda f: jax.jit(jax.value_and_grad(_loss(f), argnums=1)), reverse=True),
    "vmap": Transformation(_batch, (LANES,)),
    "jit of vmap over args": Transformation(lambda f: jax.jit(_args(f)), (2,)),
    "vmap of vmap": Transformation(lambda f: jax.jit(_batch(_args(f))), (LANES, 2)),
    "vmap of grad": Transformation(lambda f: _batch(_grad(f)), (LANES,), reverse=True),
    "jit of vmap of grad": Transformation(lambda f: jax.jit(_batch(_grad(f))), (LANES,), reverse=True),
    "grad of vmap": Transformation(lambda f: jax.jit(_grad(_batch(f))), (LANES,), reverse=True),
    "grad of vmap over args": Transformation(lambda f: _grad(_args(f)), (2,), reverse=True),
    "vmap of jacrev": Transformation(lambda f: jax.jit(_batch(jax.jacrev(_few(f), 1))), (LANES,), 2, reverse=True),
    "jacrev": Transformation(lambda f: jax.jit(jax.jacrev(_few(f), 1)), (), 2, reverse=True),
    "jacfwd": Transformation(lambda f: jax.jit(jax.jacfwd(_loss(f), 1))),
    "hessian": Transformation(lambda f: jax.jit(jax.hessian(_loss(f), 1)), None, None, reverse=True),
    "vmap of hessian": Transformation(lambda f: jax.jit(_batch(jax.hessian(_loss(f), 1))), None, None, reverse=True),
    "jvp": Transformation(lambda f: jax.jit(lambda y, a: jax.jvp(ft.partial(f, y), (a,), (a,)))),
    "linearize": Transformation(lambda f: lambda y, a: jax.linearize(ft.partial(f, y), a)[1](a)),
    "scan": Transformation(lambda f: jax.jit(_scan(f)), (), 2, loops=True),
    "grad of scan": Transformation(lambda f: jax.jit(jax.grad(_scan(f), 1)), (), 2, reverse=True, loops=True),
    "map": Transformation(lambda f: jax.jit(_map(f)), (), 2, loops=True),
    "grad of cond": Transformation(lambda f: jax.jit(jax.grad(_cond(f), 1)), reverse=True),
    "custom vjp": Transformation(lambda f: _args(jax.grad(_with_a_rule(f), 1)), (2,), None, reverse=True),
    "checkpoint": Transformation(lambda f: jax.jit(_grad(jax.checkpoint(f))), (), None, reverse=True),
}
