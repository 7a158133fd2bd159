"""The program that the demonstration watches: ordinary JAX, with soltrace's solve in diffrax's place.

Eight random starts are the lanes of one `vmap`, each with its own state of the optimiser. Parameters and pelts are
taken as logarithms: all are positive, and an error of a factor counts the same at any size.
"""

# jax's and optax's own types are incomplete, and a script is not the place to mend that.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import diffrax as dfx
import jax
import jax.numpy as jnp
import optax

import soltrace
from soltrace.demo.pelts import Pelts

PARAMETER_NAMES: Final[tuple[str, ...]] = ("alpha", "beta", "delta", "gamma", "hares", "lynxes")
"""Rates of birth and predation of the hares, of growth and death of the lynxes; and the animals in the first year."""
GUESS: Final = (0.5, 0.02, 0.02, 0.8, 30.0, 4.0)
SPREAD: Final = (0.3, 0.3, 0.3, 0.3, 0.1, 0.1)
"""Standard deviations of the starts around the guess, of the logarithms: animals were counted, rates are guessed."""
LANE_COUNT: Final = 8
MAX_STEPS: Final = 2**15
COARSE_YEARS: Final = 20.0
FINE_YEARS: Final = 1 / 1461
"""Six hours, the longest step of a solver that takes the last few steps of a fit. It is finer than they need, so that a
pass lasts a second or two and can be watched."""
FINE_SHARE: Final = 16
"""One in so many steps of the optimiser is a fine one, and those come last."""


@dataclass(frozen=True)
class Setting:
    """What one experiment does differently. These are its attributes."""

    optimiser: str
    learning_rate: float

    def transformation(self) -> optax.GradientTransformation:
        """Return the optimiser."""
        return getattr(optax, self.optimiser)(self.learning_rate)


SETTINGS: Final = (Setting("adam", 0.1), Setting("adabelief", 0.05))


@dataclass(frozen=True)
class Fit:
    """What one experiment has found."""

    setting: Setting
    residuals: tuple[float, ...]
    """Of each lane: root mean square of log(model) - log(pelts), unitless."""
    parameters: dict[str, float]
    """Of the best lane, by name."""

    @property
    def best(self) -> int:
        """The index of the lane that fits best."""
        return min(range(len(self.residuals)), key=self.residuals.__getitem__)


def lotka_volterra(t: Any, animals: jax.Array, rates: jax.Array) -> jax.Array:
    """Return the rate of change of hares and lynxes: float64[2], in thousands a year."""
    hares, lynxes = animals
    alpha, beta, delta, gamma = rates
    return jnp.stack([alpha * hares - beta * hares * lynxes, delta * hares * lynxes - gamma * lynxes])


def loss(
    logarithms: jax.Array, dtmax: jax.Array, iteration: jax.Array, years: jax.Array, pelts: jax.Array
) -> jax.Array:
    """Solve the model for one lane, and return its loss: the mean square of log(model) - log(pelts)."""
    parameters = jnp.exp(logarithms)
    solution = soltrace.diffeqsolve(
        dfx.ODETerm(lotka_volterra),
        dfx.Tsit5(),
        years[0],
        years[-1],
        0.01,
        parameters[4:],
        args=parameters[:4],
        saveat=dfx.SaveAt(ts=years),
        stepsize_controller=dfx.PIDController(rtol=1e-6, atol=1e-6, dtmax=dtmax),
        adjoint=dfx.RecursiveCheckpointAdjoint(),
        max_steps=MAX_STEPS,
        throw=False,  # one start that leads nowhere must not end the others
        attributes={"iteration": iteration},
    )
    animals: Any = solution.ys
    error = jnp.log(jnp.maximum(animals, 1e-6)) - jnp.log(pelts)
    return jnp.where(dfx.is_successful(solution.result), jnp.mean(error**2), jnp.inf)


def starts() -> jax.Array:
    """Draw where the lanes start: the logarithms of the parameters, float64[lanes, 6]."""
    noise = jax.random.normal(jax.random.key(0), (LANE_COUNT, len(GUESS)))
    return jnp.log(jnp.array(GUESS)) + jnp.array(SPREAD) * noise


def fit_all(steps: int, report: Callable[[Setting, int, float], None]) -> list[Fit]:
    """Fit the model once for each setting, as an experiment of its own.

    Args:
        steps: How many steps the optimiser takes in each experiment.
        report: Is called after each step with the setting, the number of steps done and the residual of the best lane.
    """
    with jax.enable_x64(True):  # noqa: FBT003 - jax's own signature
        return _fit_all(steps, report)


def _fit_all(steps: int, report: Callable[[Setting, int, float], None]) -> list[Fit]:
    pelts = Pelts.load()
    years = jnp.array(pelts.years) - pelts.years[0]
    measured = jnp.array([pelts.hares, pelts.lynxes]).T

    # Compiled once, for both experiments: which one a pass belongs to is decided when it runs.
    @jax.jit
    @partial(jax.value_and_grad, has_aux=True)
    def value_and_grad(logarithms: jax.Array, dtmax: jax.Array, iteration: jax.Array) -> tuple[jax.Array, jax.Array]:
        each = jax.vmap(loss, in_axes=(0, None, None, None, None))(logarithms, dtmax, iteration, years, measured)
        return jnp.sum(each, where=jnp.isfinite(each)), each

    return [_fit(setting, steps, value_and_grad, partial(report, setting)) for setting in SETTINGS]


def _fit(setting: Setting, steps: int, value_and_grad: Any, report: Callable[[int, float], None]) -> Fit:
    optimiser = setting.transformation()
    logarithms: Any = starts()
    state: Any = jax.vmap(optimiser.init)(logarithms)

    @jax.jit
    def update(gradient: jax.Array, state: Any, logarithms: jax.Array) -> tuple[Any, Any]:
        # A lane that failed has no gradient: it stays where it is.
        changes, state = jax.vmap(optimiser.update)(jnp.nan_to_num(gradient), state, logarithms)
        return optax.apply_updates(logarithms, changes), state

    fine = max(1, steps // FINE_SHARE)
    residuals = jnp.full(LANE_COUNT, jnp.inf)
    best = logarithms
    with soltrace.experiment("lynx-hare", optimiser=setting.optimiser, learning_rate=setting.learning_rate):
        for done in range(steps):
            dtmax = FINE_YEARS if done >= steps - fine else COARSE_YEARS
            (_, each), gradient = value_and_grad(logarithms, jnp.array(dtmax), jnp.array(done))
            residuals, best = jnp.sqrt(each), logarithms
            report(done + 1, float(jnp.min(residuals)))
            logarithms, state = update(gradient, state, logarithms)
    lane = int(jnp.argmin(residuals))
    return Fit(
        setting, tuple(map(float, residuals)), dict(zip(PARAMETER_NAMES, map(float, jnp.exp(best[lane])), strict=True))
    )
