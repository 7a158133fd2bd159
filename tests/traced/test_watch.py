"""What is watched: the first value that is not finite, and the user's own quantities."""

from typing import Any

import diffrax as dfx
import jax
import jax.numpy as jnp
import pytest

import soltrace
from soltrace.errors import ConfigurationError
from soltrace.testing import Capture, capture
from soltrace.wire.records import LaneNonfinite, PassEnded
from tests.traced.cases import CASES
from tests.traced.stories import bits

pytestmark = [pytest.mark.slow, pytest.mark.shares]

PID = dfx.PIDController(rtol=1e-4, atol=1e-6)
START = {"membrane": jnp.array([1.0, 2.0]), "gate": jnp.array([[0.1, 0.2, 0.3]])}


def watching(*args: Any, **kwargs: Any) -> Any:
    return soltrace.diffeqsolve(*args, watch="nonfinite", throw=False, **kwargs)


def breaking(t: Any, y: Any, lane: Any) -> Any:
    """From t = 0.5 on, one element of the field is NaN, in one lane."""
    broken = (t > 0.5) & (lane == 1)
    return {"membrane": -y["membrane"], "gate": jnp.where(broken, jnp.array([[0.0, jnp.nan, 0.0]]), -y["gate"])}


def found(captured: Capture) -> list[tuple[Any, ...]]:
    """In which lane, where, in which stage and step, and what."""
    lines = [record for record in captured.records if isinstance(record, LaneNonfinite)]
    return [
        (line.batch_index or None, at.found_in, at.path, at.stage or None, at.step, at.value)
        for line in lines
        for at in [line.nonfinite]
    ]


@pytest.mark.parametrize("controller", [dfx.ConstantStepSize(), PID], ids=lambda part: type(part).__name__)
def test_the_first_value_that_is_not_finite(controller: Any) -> None:
    """Path, stage and lane; one line a lane, none of those that are well, and the end of the pass has it too."""
    solve = lambda lane: watching(
        dfx.ODETerm(breaking), dfx.Tsit5(), 0.0, 1.0, 0.125, START, lane, stepsize_controller=controller, max_steps=64
    )
    with capture() as captured:
        jax.jit(jax.vmap(lambda lane: solve(lane).ys))(jnp.arange(3))
        told, ended = found(captured), [r for r in captured.records if isinstance(r, PassEnded)]
    ((lane, found_in, path, stage, step, value),) = told
    assert (lane, found_in, path, value) == ([1], "vector field", "y['gate'][0, 1]", "NaN")
    assert ended[0].nonfinite == next(r for r in captured.records if isinstance(r, LaneNonfinite)).nonfinite
    if controller is not PID:
        assert (stage, step, ended[0].nonfinite.t, ended[0].nonfinite.dt) == (2, 5, 0.5, 0.125)


def test_where_a_state_overflows_or_begins_so() -> None:
    """It is told as a state, with its place and what became of it."""
    growing = dfx.ODETerm(lambda t, y, _: y * 1e20)
    with capture() as captured:
        watching(growing, dfx.Euler(), 0.0, 1.0, 0.25, jnp.ones(2))
        watching(growing, dfx.Euler(), 0.0, 1.0, 0.25, jnp.array([1.0, jnp.inf]))
        told = found(captured)
    assert told == [
        (None, "state", "y[0]", None, 2, "Infinity"),
        (None, "initial state", "y[1]", None, 1, "Infinity"),
    ]


def test_what_a_solve_gets_past_is_not_told() -> None:
    """A step that was too long is rejected, and tried again: nobody is accused."""
    with capture() as captured:
        falling = dfx.ODETerm(lambda t, y, _: -jnp.sqrt(y))
        solution = watching(falling, dfx.Tsit5(), 0.0, 1.9, 1.5, jnp.array(1.0), stepsize_controller=PID)
        assert found(captured) == []
    assert solution.stats["num_rejected_steps"] > 0


def test_quantities_of_the_users() -> None:
    """At the reports and at the end, for each lane, in the user's time."""
    quantities = {"t": lambda t, y, args: t, "sum": lambda t, y, args: args * y.sum()}
    term = dfx.ODETerm(lambda t, y, _: 0 * y)
    solve = lambda y: soltrace.diffeqsolve(term, dfx.Euler(), 1.0, 0.0, -0.25, y, 2.0, watch=["nonfinite", quantities])
    with capture(every=2) as captured:
        jax.jit(jax.vmap(lambda y: solve(y).ys))(jnp.array([[1.0, 2.0], [3.0, 4.0]]))
        events = [event for event in captured.events() if "watched" in event]
    told = [(event["event"], event.get("batch_index"), event["t"], event["watched"]) for event in events]
    assert told == [
        ("pass.progress", [0], 0.5, {"t": 0.5, "sum": 6.0}),
        ("pass.progress", [1], 0.5, {"t": 0.5, "sum": 14.0}),
        ("pass.progress", None, 0.5, {"t": 0.5, "sum": 6.0}),
        ("lane.ended", [0], 0.0, {"t": 0.0, "sum": 6.0}),
        ("lane.ended", [1], 0.0, {"t": 0.0, "sum": 14.0}),
        ("pass.ended", None, 0.0, {"t": 0.0, "sum": 6.0}),
    ]


@pytest.mark.parametrize("watch", ["nan", 3, [3], {"energy": 1.0}])
def test_what_can_not_be_watched(watch: Any) -> None:
    """Is said when it is given."""
    with pytest.raises(ConfigurationError, match="watch="):
        soltrace.TracedAdjoint(watch=watch)


@pytest.mark.once
@pytest.mark.parametrize("name", ["grad_of_vmap", "direct_vmap_of_grad"])
def test_the_numbers_stay_the_same(name: str) -> None:
    """To the bit, with all that can be asked for."""
    make, args = CASES[name]
    everything: Any = ["nonfinite", {"sum": lambda t, y, args: y.sum()}]
    ours = lambda *args, **kwargs: soltrace.diffeqsolve(*args, detail="steps", watch=everything, **kwargs)
    expected = bits(make(dfx.diffeqsolve)(*args))
    with capture(every=2):
        assert bits(jax.block_until_ready(make(ours)(*args))) == expected
