"""Every transformation, adjoint and option that is supported: how to run it, and what it has to tell.

A case is written against `solve`, which is either diffrax's or soltrace's `diffeqsolve`: the numbers have to be the
same to the bit. What it tells is in `tests/traced/stories/<name>.txt`, one record a line, as `tests.traced.stories`
writes it.
"""

import functools as ft
from collections.abc import Callable
from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optimistix as optx

Solve = Callable[..., dfx.Solution]
Case = Callable[[Solve], Callable[..., Any]]

RC, DIRECT, BACKSOLVE = dfx.RecursiveCheckpointAdjoint(), dfx.DirectAdjoint(), dfx.BacksolveAdjoint()
FORWARD, IMPLICIT = dfx.ForwardMode(), dfx.ImplicitAdjoint()
PID = dfx.PIDController(rtol=1e-3, atol=1e-3)
Y = jnp.array([1.0, 0.5])
YS = jnp.stack([Y, 2 * Y, 3 * Y])
GRID = jnp.stack([YS, YS + 1])


def field(t: Any, y: Any, args: Any) -> Any:
    """A decay that is not linear, or nothing of it would have to be evaluated again."""
    return jax.tree.map(lambda x: -x * x * (1 if args is None else args), y)


def run(
    solve: Solve, y: Any = Y, *, t0: Any = 0.0, t1: Any = 1.0, dt0: Any = 0.25, solver: Any = None, **kwargs: Any
) -> Any:
    """Solve in four steps, unless told otherwise."""
    kwargs.setdefault("max_steps", 16)
    return solve(dfx.ODETerm(field), solver or dfx.Heun(), t0, t1, dt0, y, **kwargs)


def prey(solve: Solve, y: Any) -> Any:
    """Solve for prey and predators, as the Hessian among diffrax's examples does."""
    term = dfx.ODETerm(lambda t, y, _: (0.1 * y[0] - 0.02 * y[0] * y[1], 0.02 * y[0] * y[1] - 0.4 * y[1]))
    return solve(term, dfx.Tsit5(scan_kind="bounded"), 0.0, 1.0, 0.1, y).ys[0][0]


def loss(solve: Solve, y: Any = Y, **kwargs: Any) -> Any:
    return sum(jnp.sum(leaf) for leaf in jax.tree.leaves(run(solve, y, **kwargs).ys))


CASES: dict[str, tuple[Case, tuple[Any, ...]]] = {}


def case(*args: Any) -> Callable[[Case], Case]:
    def add(function: Case) -> Case:
        CASES[function.__name__] = (function, args)
        return function

    return add


def _add(name: str, function: Case, *args: Any) -> None:
    CASES[name] = (function, args)


def _solution(solution: dfx.Solution) -> Any:
    return eqx.filter(solution, eqx.is_array)


# ---- transformations
_add("eager", lambda solve: lambda y: _solution(run(solve, y)), Y)
_add("jit", lambda solve: jax.jit(lambda y: _solution(run(solve, y))), Y)
_add("grad", lambda solve: jax.jit(jax.grad(ft.partial(loss, solve))), Y)
_add("grad_eager", lambda solve: jax.grad(ft.partial(loss, solve)), Y)
_add("value_and_grad", lambda solve: jax.jit(jax.value_and_grad(ft.partial(loss, solve))), Y)
_add(
    "vmap",
    lambda solve: jax.jit(jax.vmap(lambda y, t1: _solution(run(solve, y, t1=t1)))),
    YS,
    jnp.array([0.5, 1.0, 0.75]),
)
_add("vmap_eager", lambda solve: jax.vmap(lambda y: run(solve, y).ys), YS)
_add("vmap_of_args", lambda solve: jax.jit(jax.vmap(lambda a: run(solve, args=a).ys)), jnp.array([1.0, 2.0]))
_add("vmap_nested", lambda solve: jax.jit(jax.vmap(jax.vmap(lambda y: run(solve, y).ys))), GRID)
_add(
    "vmap_inner_only",
    lambda solve: jax.jit(jax.vmap(lambda y: jax.vmap(lambda t1: run(solve, y, t1=t1).ys)(jnp.array([0.5, 1.0])))),
    YS,
)
_add("grad_of_vmap", lambda solve: jax.jit(jax.grad(lambda ys: jax.vmap(ft.partial(loss, solve))(ys).sum())), YS)
_add(
    "grad_of_vmap_args",
    lambda solve: jax.jit(jax.grad(lambda a: jax.vmap(lambda y: loss(solve, y, args=a))(YS).sum())),
    jnp.float32(1.5),
)
_add(
    "vmap_equal_sizes",  # of which axis the steps of a lane are, their number does not tell
    lambda solve: jax.jit(jax.vmap(lambda t1: jax.vmap(lambda y: run(solve, y, t1=t1).ys)(YS[:2]))),
    jnp.array([1.0, 0.5]),
)
_add(
    "grad_of_vmap_seeds",
    lambda solve: jax.jit(
        jax.value_and_grad(lambda a: jax.vmap(lambda seed: loss(solve, args=a * seed))(jnp.arange(1, 4)).sum())
    ),
    jnp.float32(1.5),
)
_add(
    "grad_of_vmap_bools_backsolve",
    lambda solve: jax.jit(
        jax.grad(
            lambda a: jax.vmap(lambda flag: loss(solve, args=a * flag, adjoint=BACKSOLVE))(
                jnp.array([True, False])
            ).sum()
        )
    ),
    jnp.float32(1.5),
)
_add(
    "grad_of_vmap_closure",  # the inner batch is seen in what the field closes over, and nowhere else
    lambda solve: jax.jit(
        jax.grad(
            lambda t1s: jax.vmap(
                lambda t1: jax.vmap(
                    lambda a: (
                        solve(dfx.ODETerm(lambda t, y, _: -a * y * y), dfx.Heun(), 0.0, t1, 0.25, Y, max_steps=16).ys
                    )
                )(jnp.array([1.0, 2.0]))
            )(t1s).sum()
        )
    ),
    jnp.array([1.0, 0.5]),
)
_add("vmap_of_grad", lambda solve: jax.jit(jax.vmap(jax.grad(ft.partial(loss, solve)))), YS)
_add("checkpoint", lambda solve: jax.jit(jax.value_and_grad(jax.checkpoint(ft.partial(loss, solve)))), Y)
_add(
    "grad_of_closure",
    lambda solve: jax.jit(
        jax.grad(
            lambda a: solve(
                dfx.ODETerm(lambda t, y, _: -a * y * y), dfx.Heun(), 0.0, 1.0, 0.25, Y, max_steps=16
            ).ys.sum()
        )
    ),
    jnp.float32(1.5),
)
_add(
    "grad_of_t1",
    lambda solve: jax.jit(jax.grad(lambda t1: loss(solve, t1=t1, stepsize_controller=PID))),
    jnp.float32(1.0),
)


@case(Y)
def scan_of_grads(solve: Solve) -> Any:
    step = lambda y, _: (y - 0.1 * jax.grad(ft.partial(loss, solve))(y), None)
    return jax.jit(lambda y: jax.lax.scan(step, y, None, length=2)[0])


@case(Y)
def grad_of_scan(solve: Solve) -> Any:
    step = lambda y, _: (run(solve, y).ys[-1], None)
    return jax.jit(jax.grad(lambda y: jax.lax.scan(step, y, None, length=2)[0].sum()))


@case(jnp.array([1.0, 2.0]))
def grad_of_scan_over_args(solve: Solve) -> Any:
    """Nothing of the solve but its `args` changes from one turn of the scan to the next."""
    step = lambda total, a: (total + loss(solve, args=a), None)
    return jax.jit(jax.grad(lambda args: jax.lax.scan(step, 0.0, args)[0]))


@case(Y)
def solve_after_solve(solve: Solve) -> Any:
    return jax.jit(lambda y: run(solve, run(solve, y).ys[-1], t0=1.0, t1=2.0).ys)


@case(Y, jnp.ones(2))
def vjp_twice(solve: Solve) -> Any:
    def both(y: Any, ct: Any) -> Any:
        _, pullback = jax.vjp(lambda y: run(solve, y).ys[-1], y)
        return pullback(ct), pullback(2 * ct)

    return both


_add("jvp", lambda solve: jax.jit(lambda y: jax.jvp(ft.partial(loss, solve, adjoint=FORWARD), (y,), (y,))), Y)
_add("jacfwd", lambda solve: jax.jit(jax.jacfwd(lambda y: run(solve, y, adjoint=FORWARD).ys[-1])), Y)
_add("linearize", lambda solve: lambda y: jax.linearize(ft.partial(loss, solve, adjoint=FORWARD), y)[1](y), Y)
_add("jacrev", lambda solve: jax.jit(jax.jacrev(lambda y: run(solve, y).ys[-1])), Y)
_add("vmap_of_jacrev", lambda solve: jax.jit(jax.vmap(jax.jacrev(lambda y: run(solve, y).ys[-1]))), YS[:2])
_add(
    "vmap_of_hessian",
    lambda solve: jax.jit(jax.vmap(jax.hessian(lambda y: run(solve, y, adjoint=DIRECT).ys[-1]))),
    YS[:2],
)
_add("jacrev_of_vmap", lambda solve: jax.jit(jax.jacrev(jax.vmap(ft.partial(loss, solve)))), YS[:2])
# The tangents of what does not depend on the state are to stay symbols, or XLA rounds otherwise.
_add("hessian_of_parts", lambda solve: jax.jit(jax.hessian(ft.partial(prey, solve))), (Y[0] * 10, Y[1] * 20))
_add("hessian", lambda solve: jax.jit(jax.hessian(ft.partial(loss, solve, adjoint=DIRECT))), Y)
_add(
    "grad_of_grad",
    lambda solve: jax.jit(jax.grad(lambda y: jax.grad(ft.partial(loss, solve, adjoint=DIRECT))(y).sum())),
    Y,
)

# ---- adjoints
_add("unbounded", lambda solve: jax.jit(lambda y: run(solve, y, max_steps=None).ys), Y)
_add(
    "checkpoints_4",
    lambda solve: jax.jit(jax.grad(ft.partial(loss, solve, adjoint=dfx.RecursiveCheckpointAdjoint(2), max_steps=None))),
    Y,
)
_add("direct", lambda solve: jax.jit(lambda y: run(solve, y, adjoint=DIRECT).ys), Y)
_add(
    "direct_in_blocks",
    lambda solve: jax.jit(jax.value_and_grad(ft.partial(loss, solve, adjoint=DIRECT, dt0=1 / 64, max_steps=100))),
    Y,
)
_add("direct_unbounded", lambda solve: jax.jit(lambda y: run(solve, y, adjoint=DIRECT, max_steps=None).ys), Y)
_add("direct_grad", lambda solve: jax.jit(jax.grad(ft.partial(loss, solve, adjoint=DIRECT, max_steps=64))), Y)
_add(
    "direct_vmap_of_grad",
    lambda solve: jax.jit(jax.vmap(jax.grad(lambda y, t1: loss(solve, y, t1=t1, adjoint=DIRECT)))),
    YS,
    jnp.array([0.5, 1.0, 0.75]),
)
_add("backsolve", lambda solve: jax.jit(lambda y: run(solve, y, adjoint=BACKSOLVE).ys), Y)
_add("backsolve_grad", lambda solve: jax.jit(jax.grad(ft.partial(loss, solve, adjoint=BACKSOLVE))), Y)
_add(
    "backsolve_ts",
    lambda solve: jax.jit(
        jax.grad(ft.partial(loss, solve, adjoint=BACKSOLVE, saveat=dfx.SaveAt(ts=jnp.array([0.25, 0.5, 1.0]))))
    ),
    Y,
)
_add(
    "backsolve_t0",
    lambda solve: jax.jit(jax.grad(ft.partial(loss, solve, adjoint=BACKSOLVE, saveat=dfx.SaveAt(t0=True, t1=True)))),
    Y,
)
_add(
    "backsolve_vmap_of_grad", lambda solve: jax.jit(jax.vmap(jax.grad(ft.partial(loss, solve, adjoint=BACKSOLVE)))), YS
)
_add(
    "backsolve_inner",
    lambda solve: jax.jit(
        jax.grad(ft.partial(loss, solve, adjoint=dfx.BacksolveAdjoint(solver=dfx.Euler(), adjoint=FORWARD, dt0=-0.125)))
    ),
    Y,
)


_add(
    "backsolve_no_throw",
    lambda solve: jax.jit(jax.grad(ft.partial(loss, solve, adjoint=dfx.BacksolveAdjoint(throw=False)))),
    Y,
)


@case(jnp.float32(2.0))
def implicit(solve: Solve) -> Any:
    """To a steady state, y = a."""
    term, event = dfx.ODETerm(lambda t, y, a: a - y), dfx.Event(dfx.steady_state_event(rtol=1e-2, atol=1e-2))
    return jax.jit(
        jax.grad(
            lambda a: solve(
                term,
                dfx.Heun(),
                0.0,
                jnp.inf,
                0.5,
                jnp.float32(0.0),
                a,
                adjoint=IMPLICIT,
                event=event,
                stepsize_controller=PID,
            ).ys.sum()
        )
    )


_OF_JAX = frozenset(CASES)

# ---- what is saved
_add(
    "save_ts",
    lambda solve: jax.jit(jax.grad(ft.partial(loss, solve, saveat=dfx.SaveAt(ts=jnp.array([0.1, 0.2, 0.9]))))),
    Y,
)
_add("save_steps", lambda solve: jax.jit(lambda y: _solution(run(solve, y, saveat=dfx.SaveAt(t0=True, steps=True)))), Y)
_add("save_dense", lambda solve: jax.jit(lambda y: run(solve, y, saveat=dfx.SaveAt(dense=True)).evaluate(0.6)), Y)
_add(
    "save_states",
    lambda solve: jax.jit(
        lambda y: _solution(
            run(
                solve,
                y,
                stepsize_controller=PID,
                saveat=dfx.SaveAt(t1=True, controller_state=True, solver_state=True, made_jump=True),
            )
        )
    ),
    Y,
)


@case(Y)
def save_subs(solve: Solve) -> Any:
    subs = {
        "mean": dfx.SubSaveAt(ts=jnp.array([0.5, 1.0]), fn=lambda t, y, args: y.mean()),
        "end": dfx.SubSaveAt(t1=True),
    }
    return jax.jit(jax.grad(ft.partial(loss, solve, saveat=dfx.SaveAt(subs=subs))))


# ---- endings
EVENT = dfx.Event(lambda t, y, args, **_: t - 0.3)
ROOT = dfx.Event(lambda t, y, args, **_: t - 0.3, optx.Newton(1e-5, 1e-5))
ROOT_OF_Y = dfx.Event(lambda t, y, args, **_: y[0] - 0.8, optx.Newton(1e-5, 1e-5))
_add("event", lambda solve: jax.jit(lambda y: _solution(run(solve, y, dt0=0.1, event=EVENT))), Y)
_add("event_root", lambda solve: jax.jit(lambda y: _solution(run(solve, y, event=ROOT))), Y)
_add(
    "event_root_ts",
    lambda solve: jax.jit(lambda y: _solution(run(solve, y, event=ROOT, saveat=dfx.SaveAt(ts=jnp.array([0.1, 0.9]))))),
    Y,
)
_add("event_grad", lambda solve: jax.jit(jax.grad(ft.partial(loss, solve, event=EVENT))), Y)
_add(
    "event_vmap",
    lambda solve: jax.jit(jax.vmap(lambda y: run(solve, y, event=dfx.Event(lambda t, y, args, **_: y[0] < 0.9)).ys)),
    YS,
)
_add("max_steps_reached", lambda solve: jax.jit(lambda y: _solution(run(solve, y, max_steps=3, throw=False))), Y)
_add(
    "max_steps_vmap",
    lambda solve: jax.jit(jax.vmap(lambda y, t1: run(solve, y, t1=t1, max_steps=3, throw=False).ys)),
    YS,
    jnp.array([0.5, 1.0, 0.75]),
)
_add("event_time_grad", lambda solve: jax.jit(jax.grad(lambda y: run(solve, y, event=ROOT_OF_Y).ts[-1])), Y)
_add("event_endless_grad", lambda solve: jax.jit(jax.grad(ft.partial(loss, solve, t1=jnp.inf, event=EVENT))), Y)
_add("no_time_grad", lambda solve: jax.jit(jax.grad(ft.partial(loss, solve, t1=0.0))), Y)
_add("no_time", lambda solve: jax.jit(lambda y: _solution(run(solve, y, t1=0.0))), Y)
_add(
    "dt_min",
    lambda solve: jax.jit(
        lambda y: _solution(
            run(
                solve,
                y,
                t1=4.0,
                args=-1.0,
                max_steps=99,
                throw=False,
                stepsize_controller=dfx.PIDController(rtol=1e-3, atol=1e-3, dtmin=1e-2, force_dtmin=False),
            )
        )
    ),
    Y,
)

# ---- solvers and terms
_add(
    "adaptive_grad",
    lambda solve: jax.jit(jax.grad(ft.partial(loss, solve, solver=dfx.Tsit5(), stepsize_controller=PID))),
    20 * Y,
)
_add(
    "implicit_solver",
    lambda solve: jax.jit(jax.grad(ft.partial(loss, solve, solver=dfx.Kvaerno3(), stepsize_controller=PID))),
    Y,
)


@case(Y)
def multi_term(solve: Solve) -> Any:
    terms = dfx.MultiTerm(dfx.ODETerm(lambda t, y, args: -y * y), dfx.ODETerm(lambda t, y, args: -y))
    return jax.jit(lambda y: solve(terms, dfx.KenCarp3(), 0.0, 1.0, 0.25, y, stepsize_controller=PID).ys)


@case(Y)
def sde(solve: Solve) -> Any:
    path = dfx.VirtualBrownianTree(0.0, 1.0, tol=1e-2, shape=(2,), key=jr.key(0))
    terms = dfx.MultiTerm(dfx.ODETerm(field), dfx.ControlTerm(lambda t, y, args: 0.1 * jnp.eye(2), path))
    return jax.jit(jax.grad(lambda y: solve(terms, dfx.Heun(), 0.0, 1.0, 0.25, y, max_steps=16).ys.sum()))


@case(jnp.float32(2.0))
def sde_keys(solve: Solve) -> Any:
    """A rate is fitted to many noisy paths, which differ in nothing but their keys."""

    def end(rate: Any, key: Any) -> Any:
        path = dfx.VirtualBrownianTree(0.0, 1.0, tol=1e-1, shape=(), key=key)
        noise = dfx.ControlTerm(lambda t, y, args: 0.1 * y, path)
        terms = dfx.MultiTerm(dfx.ODETerm(lambda t, y, rate: -rate * y), noise)
        return solve(terms, dfx.Heun(), 0.0, 1.0, 0.25, jnp.float32(1.0), rate, max_steps=16).ys[-1]

    keys = jr.split(jr.key(0), 2)
    return jax.jit(jax.value_and_grad(lambda rate: jax.vmap(lambda key: end(rate, key))(keys).mean()))


@case(Y)
def symplectic(solve: Solve) -> Any:
    terms = (dfx.ODETerm(lambda t, v, args: v), dfx.ODETerm(lambda t, x, args: -x))
    return jax.jit(lambda y: solve(terms, dfx.SemiImplicitEuler(), 0.0, 1.0, 0.25, (y, y)).ys)


_add("backwards_in_time", lambda solve: jax.jit(jax.grad(ft.partial(loss, solve, t0=1.0, t1=0.0, dt0=-0.25))), Y)
_add(
    "backwards_in_time_backsolve",
    lambda solve: jax.jit(jax.grad(ft.partial(loss, solve, t0=1.0, t1=0.0, dt0=-0.25, adjoint=BACKSOLVE))),
    Y,
)
_add(
    "step_to",
    lambda solve: jax.jit(
        lambda y: run(solve, y, dt0=None, stepsize_controller=dfx.StepTo(ts=jnp.array([0.0, 0.5, 1.0]))).ys
    ),
    Y,
)
_add(
    "clipped",
    lambda solve: jax.jit(
        lambda y: run(solve, y, stepsize_controller=dfx.ClipStepSizeController(PID, jump_ts=jnp.array([0.5]))).ys
    ),
    Y,
)

PARTS_OF_DIFFRAX = frozenset(CASES) - _OF_JAX
"""What is saved, how it ends, which solver: of these diffrax is the same, whichever jax there is."""

# ---- values
_add(
    "pytree",
    lambda solve: jax.jit(jax.grad(ft.partial(loss, solve))),
    {"a": Y, "b": (jnp.float32(1.0), jnp.zeros((0,)))},
)
_add("int_time", lambda solve: jax.jit(lambda y: run(solve, y, t0=0, t1=1).ys), Y)


@case(Y)
def odd_args(solve: Solve) -> Any:
    args = (jnp.zeros((0, 3)), jnp.arange(3), "text", None, True, lambda x: x)
    term = dfx.ODETerm(lambda t, y, args: -y * y * args[1].sum())
    return jax.jit(jax.grad(lambda y: solve(term, dfx.Heun(), 0.0, 1.0, 0.25, y, args, max_steps=16).ys.sum()))


@case(Y)
def traced_attributes(solve: Solve) -> Any:
    extra = {} if solve is dfx.diffeqsolve else {"attributes": {"first": 1}}
    loop = lambda y, epoch: (run(solve, y, **(extra and {"attributes": {"epoch": epoch}})).ys[-1], None)
    return jax.jit(lambda y: jax.lax.scan(loop, y, jnp.arange(2))[0])


@case(Y)
def effect_in_the_field(solve: Solve) -> Any:
    """A field with an effect of its own can't be taken apart into chunks; it reports by the gate."""

    def noisy(t: Any, y: Any, args: Any) -> Any:
        jax.debug.callback(lambda t: None, t)
        return -y * y

    return jax.jit(lambda y: solve(dfx.ODETerm(noisy), dfx.Heun(), 0.0, 1.0, 0.25, y, max_steps=16).ys)
