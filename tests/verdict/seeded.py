"""Small programs whose trouble is known, and others that have none.

Each is solved under `soltrace.testing.capture`, and its verdicts are those that `soltrace explain` would give.
"""

from collections.abc import Callable
from dataclasses import dataclass

import diffrax as dfx
import jax
import jax.numpy as jnp
import optimistix as optx

import soltrace

STEPS = {"detail": "steps"}
WATCHED = {"watch": "nonfinite"}


@dataclass(frozen=True)
class Seed:
    """A program, what is wrong with it, and what else may be said of it without being wrong."""

    run: Callable[[], object]
    kind: str | None = None
    """None: nothing."""
    also: tuple[str, ...] = ()
    double: bool = False


def solve(field, y0, t1=10.0, *, solver=None, rtol=1e-5, atol=1e-6, controller=None, dt0=None, **more):
    """Solve an ODE from 0 to t1, with adaptive steps unless a controller is given."""
    return soltrace.diffeqsolve(
        dfx.ODETerm(field),
        solver or dfx.Tsit5(),
        0.0,
        t1,
        dt0,
        y0,
        stepsize_controller=controller or dfx.PIDController(rtol=rtol, atol=atol),
        **{"max_steps": 4096, "throw": False} | more,
    )


def ones(count):
    return jnp.ones(count)


# Models


def lorenz(t, y, args):
    x, y, z = y
    return jnp.stack([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z])


def robertson(t, y, args):
    a, b, c = 0.04 * y[0], 1e4 * y[1] * y[2], 3e7 * y[1] ** 2
    return jnp.stack([b - a, a - b - c, c])


def van_der_pol(mu):
    return lambda t, y, args: jnp.stack([y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]])


def relaxing(rate):
    return lambda t, y, args: -rate * (y - jnp.cos(t))


def heat(t, y, args):
    return 1e3 * (jnp.roll(y, 1) - 2 * y + jnp.roll(y, -1)) + 0.1


def lotka_volterra(t, y, args):
    return jnp.stack([y[0] * (1 - y[1]), y[1] * (y[0] - 1)])


def kepler(t, y, args):
    return jnp.concatenate([y[2:], -y[:2] / jnp.sum(y[:2] ** 2) ** 1.5])


def pendulum(t, y, args):
    return jnp.stack([y[1], -jnp.sin(y[0])])


def oscillator(t, y, args):
    return jnp.stack([y[1], -args * y[0]])


def two_rates(t, y, args):
    return {"slow": jnp.stack([-y["slow"][1], y["slow"][0]]), "fast": -2e3 * (y["fast"] - y["slow"][0])}


def damped(t, y, args):
    return jnp.stack([-300 * y[0] + 900 * y[1] + 1.0, -900 * y[0] - 300 * y[1]])


def square_wave(t, y, args):
    return jnp.where(jnp.sin(20 * t) > 0, 100.0, -100.0) - y


def sliding(t, y, args):
    return -10 * jnp.sign(y - jnp.sin(t))


def falling(t, y, args):
    return jnp.stack([y[1], -9.8 + 0 * y[0]])


def ground(t, y, args, **_):
    return y[0]


def unstable(t, y, args):
    return jnp.stack([30 * (y[0] - y[1]), 0 * y[1]])


# Programs


def steps_of_one(**more):
    return dfx.PIDController(rtol=1e-5, atol=1e-6, **more)


def lanes(rates, **more):
    field = lambda t, y, args: jnp.stack([y[1], -args * y[0]])
    return jax.vmap(lambda rate: solve(field, jnp.array([1.0, 0.0]), args=rate, **more).ys)(rates)


def gradient(loss, at):
    return jax.grad(loss)(at)


def checkpointed(checkpoints):
    adjoint = dfx.RecursiveCheckpointAdjoint(checkpoints=checkpoints)
    return gradient(lambda y0: solve(lorenz, y0, 3.0, adjoint=adjoint).ys.sum(), ones(3))


def bouncing():
    y, t, event = jnp.array([1.0, 0.0]), 0.0, dfx.Event(ground, optx.Newton(1e-6, 1e-6), direction=False)
    for _ in range(16):
        solution = solve(falling, y, 10.0, event=event, saveat=dfx.SaveAt(t1=True), dt0=0.001)
        t += solution.ts[-1]
        y = jnp.array([1e-6, 0.45 * -solution.ys[-1, 1]])


def growing():
    for size in range(3, 9):
        solve(lambda t, y, args: -y, ones(size), 1.0)


def anew():
    for _ in range(6):
        solve(lambda t, y, args: -y, ones(2), 1.0)


def fitted():
    loss = jax.jit(jax.grad(lambda rate: solve(lambda t, y, args: -args * y, ones(2), 1.0, args=rate).ys.sum()))
    rate = jnp.array(1.0)
    for _ in range(20):
        rate -= 0.1 * loss(rate)


def noisy(levy):
    brownian = dfx.VirtualBrownianTree(0.0, 1.0, 1e-3, (2,), jax.random.key(0), levy_area=levy)
    return dfx.MultiTerm(
        dfx.ODETerm(lambda t, y, args: -y), dfx.ControlTerm(lambda t, y, args: 0.1 * jnp.eye(2), brownian)
    )


def stochastic(**more):
    terms = noisy(dfx.SpaceTimeLevyArea)
    return soltrace.diffeqsolve(terms, dfx.EulerHeun(), 0.0, 1.0, 0.01, ones(2), throw=False, **more)


def network():
    weights = jax.random.normal(jax.random.key(0), (8, 8)) / 3
    return gradient(lambda w: solve(lambda t, y, w: jnp.tanh(w @ y), ones(8), 2.0, args=w).ys.sum(), weights)


def steadily(field, y0, dt0, **more):
    return solve(field, y0, 1.0, controller=dfx.ConstantStepSize(), dt0=dt0, **WATCHED, **more)


def roots(**more):
    return dfx.VeryChord(rtol=1e-6, atol=1e-6, **more)


FAILURES = {
    # Too few steps
    "too few steps": Seed(lambda: solve(lorenz, ones(3), max_steps=100), "max_steps"),
    "too few steps in float64": Seed(
        lambda: solve(pendulum, ones(2), rtol=1e-12, atol=1e-12, max_steps=200), "max_steps", double=True
    ),
    "too few constant steps": Seed(
        lambda: solve(lotka_volterra, ones(2) * 2, controller=dfx.ConstantStepSize(), dt0=1e-3), "max_steps"
    ),
    "too few implicit steps": Seed(
        lambda: solve(robertson, jnp.array([1.0, 0, 0]), 1e4, solver=dfx.Kvaerno5(), atol=1e-8, max_steps=40),
        "max_steps",
    ),
    "too few stochastic steps": Seed(lambda: stochastic(max_steps=30), "max_steps"),
    # Stiff
    "stiff, linear": Seed(lambda: solve(relaxing(1e3), ones(1), rtol=1e-4, **STEPS), "stiff"),
    "stiff, nonlinear": Seed(
        lambda: solve(van_der_pol(1e3), jnp.array([2.0, 0.0]), 100.0, **STEPS), "stiff", ("max_steps",)
    ),
    "stiff, diffusion": Seed(
        lambda: solve(heat, jnp.sin(jnp.arange(16) * 0.4), 5.0, solver=dfx.Dopri5(), **STEPS), "stiff", ("max_steps",)
    ),
    "stiff, kinetics": Seed(lambda: solve(robertson, jnp.array([1.0, 0, 0]), 40.0, **STEPS), "stiff", ("max_steps",)),
    "stiff, oscillating": Seed(
        lambda: solve(damped, jnp.array([1.0, 0.0]), 5.0, solver=dfx.Dopri8(), **STEPS), "stiff", ("max_steps",)
    ),
    "stiff, of low order": Seed(
        lambda: solve(relaxing(1e4), ones(1), solver=dfx.Bosh3(), rtol=1e-3, **STEPS), "stiff", ("max_steps",)
    ),
    "stiff in a part": Seed(
        lambda: solve(two_rates, {"slow": jnp.array([1.0, 0.0]), "fast": jnp.zeros(1)}, 2.0, **STEPS), "stiff"
    ),
    # Not smooth
    "a square wave": Seed(
        lambda: solve(square_wave, ones(1), 5.0, max_steps=1000, **STEPS), "not_smooth", ("max_steps",)
    ),
    "a square wave, Dopri5": Seed(
        lambda: solve(square_wave, ones(1), 3.0, solver=dfx.Dopri5(), rtol=1e-4, **STEPS), "not_smooth"
    ),
    "a relay that chatters": Seed(
        lambda: solve(sliding, ones(1), 3.0, max_steps=1000, **STEPS), "not_smooth", ("max_steps", "stuck")
    ),
    "a square wave, without detail": Seed(lambda: solve(square_wave, ones(1), 3.0), "rejections"),
    # It does not get on
    "the root of what becomes negative": Seed(lambda: solve(lambda t, y, args: -jnp.sqrt(y), ones(1)), "stuck"),
    "a pole in time": Seed(lambda: solve(lambda t, y, args: jnp.log(1 - t) * y, ones(1)), "stuck"),
    "a blow-up": Seed(lambda: solve(lambda t, y, args: y**2, ones(1)), "stuck"),
    "a blow-up, implicit": Seed(
        lambda: solve(lambda t, y, args: y**3, ones(1), solver=dfx.Kvaerno3()), "stuck", ("nonlinear_failed",)
    ),
    "NaN in an argument": Seed(lambda: solve(oscillator, ones(2), args=jnp.nan), "stuck"),
    "dtmin is reached": Seed(
        lambda: solve(lambda t, y, args: y**2, ones(1), controller=steps_of_one(dtmin=1e-3, force_dtmin=False)),
        "dtmin",
        ("stuck",),
    ),
    "dtmin is forced": Seed(
        lambda: solve(lorenz, ones(3), 2.0, controller=dfx.PIDController(rtol=1e-6, atol=1e-8, dtmin=0.03), **STEPS),
        "dtmin",
    ),
    # Not finite
    "NaN in the initial state": Seed(lambda: solve(pendulum, jnp.array([1.0, jnp.nan]), **WATCHED), "nonfinite"),
    "NaN in the field": Seed(
        lambda: solve(lambda t, y, args: jnp.where(t > 0.5, jnp.nan, -y), ones(1), **WATCHED), "nonfinite", ("stuck",)
    ),
    "NaN in a stage": Seed(
        lambda: solve(lambda t, y, args: -jnp.sqrt(y - 0.5), ones(1), solver=dfx.Kvaerno3(), **WATCHED),
        "nonfinite",
        ("stuck", "nonlinear_failed"),
    ),
    "infinity in the state": Seed(
        lambda: solve(
            lambda t, y, args: {"membrane": y["membrane"] ** 2, "gate": -y["gate"]},
            {"membrane": 10 * ones(1), "gate": ones(2)},
            controller=dfx.ConstantStepSize(),
            dt0=0.1,
            **WATCHED,
        ),
        "nonfinite",
    ),
    "NaN in a gradient": Seed(
        lambda: gradient(
            lambda y0: solve(lambda t, y, args: -jnp.sqrt(y[:1] ** 2) * y, y0, 1.0, **WATCHED).ys.sum(),
            jnp.array([0.0, 1.0]),
        ),
        "nonfinite",
    ),
    "NaN in a gradient by a solve": Seed(
        lambda: gradient(
            lambda y0: steadily(
                lambda t, y, args: -jnp.sqrt(y[:1] ** 2) * y, y0, 0.1, adjoint=dfx.BacksolveAdjoint()
            ).ys.sum(),
            jnp.array([0.0, 1.0]),
        ),
        "nonfinite",
    ),
    "a state that can not be solved back": Seed(
        lambda: gradient(
            lambda y0: steadily(
                lambda t, y, args: -10 * y - 1e3 * y**3, y0, 0.01, adjoint=dfx.BacksolveAdjoint()
            ).ys.sum(),
            1e2 * ones(1),
        ),
        "nonfinite",
    ),
    "NaN in the gradient of a norm": Seed(
        lambda: gradient(
            lambda y0: solve(lambda t, y, args: -y * jnp.linalg.norm(y - y), y0, 1.0, **WATCHED).ys.sum(), ones(2)
        ),
        "nonfinite",
    ),
    "chaos in a gradient": Seed(
        lambda: gradient(lambda y0: solve(lorenz, y0, 40.0, **WATCHED).ys.sum(), ones(3)),
        "exploding_gradient",
        ("recomputation",),
    ),
    "chaos in a gradient, in float64": Seed(
        lambda: gradient(lambda y0: solve(lorenz, y0, 50.0, **WATCHED).ys.sum(), ones(3)),
        "exploding_gradient",
        ("recomputation",),
        double=True,
    ),
    "chaos in a gradient, in a lane": Seed(
        lambda: gradient(
            lambda y0: jax.vmap(lambda t1: solve(lorenz, y0, t1, **WATCHED).ys.sum())(
                jnp.array([2.0, 40.0, 4.0])
            ).sum(),
            ones(3),
        ),
        "exploding_gradient",
        ("slow_lanes", "recomputation"),
    ),
    "a gradient that explodes step by step": Seed(
        lambda: gradient(
            lambda y0: steadily(unstable, y0, 0.01, adjoint=dfx.DirectAdjoint(), max_steps=128).ys.sum(), ones(2)
        ),
        "exploding_gradient",
    ),
    "a gradient by a solve that explodes": Seed(
        lambda: gradient(lambda y0: steadily(unstable, y0, 0.01, adjoint=dfx.BacksolveAdjoint()).ys.sum(), ones(2)),
        "exploding_gradient",
    ),
    "NaN in a lane": Seed(
        lambda: jax.vmap(
            lambda a: solve(lambda t, y, args: jnp.log(args - t) - y, ones(1), args=a, max_steps=200, **WATCHED).ys
        )(jnp.array([20.0, 30, 5, 40])),
        "nonfinite",
        ("bad_lanes", "stuck"),
    ),
    # The equation of an implicit step
    "no convergence": Seed(
        lambda: solve(
            lambda t, y, args: -1e3 * y**3,
            5 * ones(1),
            controller=dfx.ConstantStepSize(),
            dt0=0.5,
            solver=dfx.ImplicitEuler(root_finder=roots()),
        ),
        "nonlinear_failed",
    ),
    "no convergence in its steps": Seed(
        lambda: solve(
            van_der_pol(50.0),
            jnp.array([2.0, 0.0]),
            controller=dfx.ConstantStepSize(),
            dt0=0.5,
            solver=dfx.ImplicitEuler(root_finder=optx.Newton(1e-8, 1e-8)),
        ),
        "nonlinear_failed",
    ),
    # Tolerances
    "tolerances below the grain": Seed(
        lambda: solve(pendulum, ones(2), rtol=1e-9, atol=1e-10), "tolerance_below_grain"
    ),
    "tolerances below the grain, and no arrival": Seed(
        lambda: solve(lorenz, ones(3), rtol=1e-9, atol=1e-9, max_steps=1000), "tolerance_below_grain", ("max_steps",)
    ),
    # Batches
    "one bad lane of 100": Seed(
        lambda: lanes(jnp.ones(100).at[37].set(1e6), max_steps=300), "bad_lanes", ("max_steps", "slow_lanes")
    ),
    "two bad lanes of 8": Seed(
        lambda: jax.vmap(lambda a: solve(lambda t, y, args: args * y**2, ones(1), 0.9, args=a, max_steps=300).ys)(
            jnp.array([1.0, 2, 1, 1, 5, 1, 1, 1])
        ),
        "bad_lanes",
        ("stuck",),
    ),
    "a lane that all wait for": Seed(lambda: lanes(jnp.ones(16).at[5].set(2e3)), "slow_lanes"),
    # Backward
    "few checkpoints": Seed(lambda: checkpointed(2), "recomputation"),
    # Events
    "an event at the start": Seed(
        lambda: solve(falling, jnp.array([0.0, -1.0]), event=dfx.Event(ground, optx.Newton(1e-5, 1e-5))),
        "event_at_start",
    ),
    "an event that chatters": Seed(bouncing, "event_chatters"),
    # Compilation
    "a shape that grows": Seed(growing, "recompiled"),
    "a function made anew": Seed(anew, "recompiled"),
}
"""What is wrong with each is known."""

HEALTHY = {
    "chaos": Seed(lambda: solve(lorenz, ones(3), 20.0, **STEPS)),
    "decay": Seed(lambda: solve(lambda t, y, args: -y, ones(3), **STEPS)),
    "predator and prey": Seed(lambda: solve(lotka_volterra, 2 * ones(2), 50.0, **STEPS)),
    "relaxation, mild": Seed(lambda: solve(van_der_pol(5.0), jnp.array([2.0, 0.0]), 30.0, **STEPS)),
    "many oscillations": Seed(lambda: solve(oscillator, jnp.array([1.0, 0.0]), 20.0, args=400.0, **STEPS)),
    "many oscillations, loose": Seed(
        lambda: solve(oscillator, jnp.array([1.0, 0.0]), 20.0, args=400.0, rtol=1e-3, solver=dfx.Bosh3(), **STEPS)
    ),
    "an eccentric orbit": Seed(lambda: solve(kepler, jnp.array([1.0, 0, 0, 0.3]), 20.0, **STEPS)),
    "in float64": Seed(lambda: solve(pendulum, ones(2), rtol=1e-10, atol=1e-10, **STEPS), double=True),
    "stiff, and solved so": Seed(
        lambda: solve(robertson, jnp.array([1.0, 0, 0]), 40.0, solver=dfx.Kvaerno5(), rtol=1e-4, atol=1e-8, **STEPS)
    ),
    "a jump that is told": Seed(
        lambda: solve(
            lambda t, y, args: jnp.where(t < 1, 1.0, -1.0) - y,
            ones(1),
            3.0,
            controller=dfx.ClipStepSizeController(steps_of_one(), jump_ts=[1.0]),
            **STEPS,
        )
    ),
    "one jump that is not": Seed(
        lambda: solve(lambda t, y, args: jnp.where(t < 1, 1.0, -1.0) - y, ones(1), 3.0, **STEPS)
    ),
    "an event": Seed(
        lambda: solve(falling, jnp.array([1.0, 0.0]), event=dfx.Event(ground, optx.Newton(1e-5, 1e-5)), **WATCHED)
    ),
    "an event, and no end in sight": Seed(
        lambda: solve(
            lambda t, y, args: -y,
            ones(2),
            jnp.inf,
            event=dfx.Event(dfx.steady_state_event()),
            max_steps=None,
            adjoint=dfx.ImplicitAdjoint(),
        )
    ),
    "stochastic": Seed(stochastic),
    "constant steps": Seed(
        lambda: solve(lambda t, y, args: -y, ones(2), controller=dfx.ConstantStepSize(), dt0=0.1, **WATCHED)
    ),
    "given steps": Seed(
        lambda: solve(lambda t, y, args: -y, ones(2), controller=dfx.StepTo(jnp.linspace(0.0, 10.0, 51)))
    ),
    "a batch": Seed(lambda: lanes(jnp.linspace(1.0, 9.0, 16))),
    "a batch of different lanes": Seed(lambda: lanes(jnp.array([1.0, 2, 4, 8, 16, 25]))),
    "a gradient": Seed(network),
    "a gradient step by step": Seed(
        lambda: gradient(
            lambda y0: solve(lotka_volterra, y0, 3.0, adjoint=dfx.DirectAdjoint(), max_steps=100).ys.sum(), 2 * ones(2)
        )
    ),
    "a gradient by a solve": Seed(
        lambda: gradient(
            lambda y0: solve(lotka_volterra, y0, 3.0, adjoint=dfx.BacksolveAdjoint()).ys.sum(), 2 * ones(2)
        )
    ),
    "a fit": Seed(fitted),
    "a gradient that is finite at 0": Seed(
        lambda: gradient(
            lambda y0: solve(lambda t, y, args: -y * jnp.sum(y**2), y0, 1.0, **WATCHED).ys.sum(), jnp.array([0.0, 1.0])
        )
    ),
    "a gradient of chaos, before it is lost": Seed(
        lambda: gradient(lambda y0: solve(lorenz, y0, 8.0, **WATCHED).ys.sum(), ones(3))
    ),
    "a gradient as large as what has grown": Seed(
        lambda: gradient(lambda y0: solve(lambda t, y, args: 30 * y, y0, 1.0, **WATCHED).ys.sum(), 1e-3 * ones(2))
    ),
    "a gradient with units far apart": Seed(
        lambda: gradient(
            lambda y0: solve(
                lambda t, y, args: jnp.stack([-y[0], 1e12 * y[0] - y[1]]), y0, 1.0, rtol=1e-4, atol=0.0, **WATCHED
            ).ys.sum(),
            jnp.array([1e-6, 1e6]),
        )
    ),
    "a gradient of what decays": Seed(
        lambda: gradient(lambda y0: solve(lambda t, y, args: -30 * y, y0, 2.0, **WATCHED).ys.sum(), ones(2))
    ),
    "a gradient where the result is 0": Seed(
        lambda: gradient(
            lambda y0: steadily(
                lambda t, y, args: 30 * (y - 1) + 0 * y, y0, 0.01, adjoint=dfx.DirectAdjoint(), max_steps=128
            ).ys.sum(),
            jnp.zeros(2),
        )
    ),
    "a gradient of a steep function of the state": Seed(
        lambda: gradient(
            lambda y0: solve(
                lotka_volterra, y0, 1.0, saveat=dfx.SaveAt(t1=True, fn=lambda t, y, args: 1e9 * (y - 2)), **WATCHED
            ).ys.sum(),
            2 * ones(2),
        )
    ),
    "a first step far too large": Seed(
        lambda: solve(lambda t, y, args: -jnp.exp(y), ones(1), 1.0, dt0=50.0, **WATCHED)
    ),
}
"""Nothing is wrong with any."""
