"""Adjoints of the user's own: the same numbers to the bit, and each pass told, with its progress where that is seen."""

import gc
from typing import Any

import diffrax as dfx
import jax
import jax.numpy as jnp
import pytest

import soltrace
from soltrace.testing import capture
from tests.traced import users_adjoints as own
from tests.traced.cases import run
from tests.traced.stories import story, told_by

pytestmark = pytest.mark.shares

FORWARD = ["1.forward started", "1.forward 2/0.500", "1.forward ended 4/1.000 4+0"]
BACKWARD = ["1.backward started", "1.backward 2/0.500", "1.backward 4/1.000"]
THROUGH = [*FORWARD, *BACKWARD, "1.backward ended 4/1.000 4+0&0"]
"""The backward pass is seen step by step."""
BOUNDED = ["1.forward started", "1.forward ended 4/1.000 4+0", "1.backward started", "1.backward 4/1.000", THROUGH[-1]]
"""And here by sixteen steps."""
CHECKPOINTED = [*FORWARD, *BACKWARD, "1.backward ended 4/1.000 4+0&4"]
AROUND = [*FORWARD, "1.backward started", "1.backward ended 0/1.000 0+0&0"]
"""Of the backward pass only its start and its end."""
NO_LOOP = ["1.forward started", "1.forward ended 2/1.000 2+0", *AROUND[3:]]

TRACED = soltrace.TracedAdjoint
ADJOINTS: dict[str, tuple[dfx.AbstractAdjoint, list[str]]] = {
    "holds one": (own.Wraps(dfx.RecursiveCheckpointAdjoint()), CHECKPOINTED),
    "holds one that backsolves": (own.Wraps(own.Wraps(dfx.BacksolveAdjoint(solver=dfx.Euler()))), THROUGH),
    "holds one that is implicit": (own.Wraps(dfx.ImplicitAdjoint()), AROUND),
    "holds one that is traced": (own.Wraps(TRACED()), CHECKPOINTED),
    "traced twice": (TRACED(TRACED()), CHECKPOINTED),
    "a backsolve by a traced one": (
        dfx.BacksolveAdjoint(adjoint=TRACED(dfx.DirectAdjoint())),
        [*FORWARD, *BOUNDED[2:]],
    ),
    "makes one": (own.Makes(), BOUNDED),
    "extends one": (own.Extends(), CHECKPOINTED),
    "inherits": (own.Inherits(), BOUNDED),
    "copies a backsolve": (own.Copies(), AROUND),
    "solves with itself": (own.Itself(), AROUND),
    "its own loop": (own.Unrolls(), BOUNDED),
    "its own steps": (own.Steps(), NO_LOOP),
}
QUICK = {"holds one", "copies a backsolve"}
OFTEN = QUICK | {"traced twice", "makes one", "its own loop", "its own steps"}
"""One of each kind, which the oldest versions run too."""


def marks(name: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.slow] * (name not in QUICK) + [pytest.mark.once] * (name not in OFTEN)


def value(solve: Any, adjoint: dfx.AbstractAdjoint, k: Any) -> Any:
    term = dfx.ODETerm(lambda t, y, k: -k * y * y)
    return solve(term, dfx.Heun(), 0.0, 1.0, 0.25, jnp.float32(1.0), k, adjoint=adjoint, max_steps=16).ys[-1]


@pytest.mark.parametrize("name", [pytest.param(name, marks=marks(name)) for name in ADJOINTS])
def test_gradient_and_its_passes(name: str) -> None:
    """An adjoint that hands its work on, goes its own way back, or makes the steps itself."""
    adjoint, expected = ADJOINTS[name]
    make = lambda solve: jax.jit(jax.value_and_grad(lambda k: value(solve, adjoint, k)))
    assert story(told_by(make, jnp.float32(2.0))) == expected


@pytest.mark.slow
def test_loop_that_is_called_by_its_name() -> None:
    """Its steps are seen too. The first of two calls is for nothing."""
    make = lambda solve: jax.jit(lambda k: value(solve, own.Calls(), k))
    assert story(told_by(make, jnp.float32(2.0))) == FORWARD


@pytest.mark.slow
def test_batch_of_gradients() -> None:
    """What is seen of one is seen of each lane."""
    make = lambda solve: jax.vmap(jax.grad(lambda k: value(solve, own.Extends(), k)))
    ends = [line for line in story(told_by(make, jnp.array([1.0, 2.0]))) if "ended" in line]
    assert ends == [
        "1.forward[0] ended 4/1.000 4+0",
        "1.forward[1] ended 4/1.000 4+0",
        "1.forward ended 4/1.000 8+0",
        "1.backward[0] ended 4/1.000 4+0&4",
        "1.backward[1] ended 4/1.000 4+0&4",
        "1.backward ended 4/1.000 8+0&8",
    ]


@pytest.mark.slow
def test_an_adjoint_may_read_all_of_the_final_state() -> None:
    """Also what diffrax doesn't, and what a loop in chunks would not count."""
    make = lambda solve: lambda k: _statistics(solve, k)
    told_by(make, jnp.float32(2.0))


def _statistics(solve: Any, k: Any) -> Any:
    controller = dfx.PIDController(rtol=1e-3, atol=1e-6)
    term = dfx.ODETerm(lambda t, y, k: -k * y * y)
    y0 = jnp.float32(9.0)
    stats = solve(term, dfx.Heun(), 0.0, 1.0, 0.5, y0, k, adjoint=own.Extends(), stepsize_controller=controller).stats
    assert stats["mine"] == stats["num_rejected_steps"] + 1 > 1
    return stats["mine"]


def test_an_adjoint_that_bears_nothing_of_ours() -> None:
    """It runs bare, with a warning that says why; start and end are told all the same."""
    make = lambda solve: jax.jit(jax.value_and_grad(lambda k: value(solve, own.Refuses(), k)))
    with pytest.warns(soltrace.SoltraceWarning, match="Refuses are not reported.*no progress meter is supported"):
        events = told_by(make, jnp.float32(2.0))
    assert story(events) == ["1.forward started", "1.forward ended 4/1.000 4+0", *AROUND[3:]]


def test_an_adjoint_that_refuses_a_solve_that_has_begun() -> None:
    """Without jit the start is told before the adjoint says no; so the end is told too."""
    refused = lambda: run(soltrace.diffeqsolve, adjoint=dfx.BacksolveAdjoint(), saveat=dfx.SaveAt(steps=True))
    with capture() as told, jax.disable_jit(), pytest.raises(NotImplementedError, match="Cannot use"):
        refused()
    assert story(told.events()) == ["1.forward started", "1.forward ended 0/0.000 0+0 error internal_error"]


@pytest.mark.slow
def test_gradient_of_an_argument_without_jit() -> None:
    """What the loop's body closes over, and no state carries, is seen to leave the loop too."""
    make = lambda solve: jax.grad(lambda k: value(solve, dfx.RecursiveCheckpointAdjoint(), k))
    with jax.disable_jit():
        assert story(told_by(make, jnp.float32(2.0))) == CHECKPOINTED


def test_no_class_is_left_behind() -> None:
    """A class is a node of jax's for good: none is made for a solve."""
    known = lambda: len(_subclasses(dfx.AbstractAdjoint))
    with jax.disable_jit():
        value(soltrace.diffeqsolve, dfx.RecursiveCheckpointAdjoint(), jnp.float32(2.0))
        before = known()
        value(soltrace.diffeqsolve, dfx.RecursiveCheckpointAdjoint(), jnp.float32(2.0))
        value(soltrace.diffeqsolve, dfx.BacksolveAdjoint(), jnp.float32(2.0))
    gc.collect()
    assert known() == before


def _subclasses(cls: type) -> set[type]:
    return {cls}.union(*map(_subclasses, cls.__subclasses__()))


def test_a_loop_that_is_no_pass_is_diffraxs() -> None:
    """Without an adjoint of ours, nothing is told and nothing is traced."""
    program = lambda solve: str(jax.make_jaxpr(lambda k: value(solve, own.Extends(), k))(jnp.float32(2.0)))
    assert "soltrace" not in program(dfx.diffeqsolve)
    assert "soltrace" in program(soltrace.diffeqsolve)


@pytest.mark.slow
def test_attributes_of_an_adjoint_that_is_held_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """By an adjoint of the user's: one solve is one pass of each phase, with what both were given."""
    held = TRACED(dfx.RecursiveCheckpointAdjoint(), attributes={"a": 1, "b": 1})
    with capture() as told, soltrace.experiment("outer"), soltrace.experiment("inner", seed=3) as inner:
        around = TRACED(own.Wraps(held), attributes={"b": 2})
        several = own.First((TRACED(context=inner.token), held))
        with soltrace.experiment("innermost"):
            jax.grad(lambda k: value(soltrace.diffeqsolve, around, k))(jnp.float32(2.0))
            run(soltrace.diffeqsolve, adjoint=several)
        passes = [event for event in told.events() if event["event"] == "pass.started"]
    assert [event["experiment"] for event in passes] == ["outer/inner/innermost"] * 2 + ["outer/inner"]
    assert [event["attributes"] for event in passes] == [{"seed": 3, "a": 1, "b": 2}] * 2 + [{"seed": 3}]
    assert "First holds several TracedAdjoints" in capsys.readouterr().err
