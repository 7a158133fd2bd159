"""A solve inside the vector field of another one, or in what that saves: two loops, one in the body of the other."""

import functools as ft
from collections import Counter
from typing import Any

import diffrax as dfx
import jax
import jax.numpy as jnp
import pytest

import soltrace
from soltrace.testing import capture
from tests.traced.cases import BACKSOLVE, DIRECT, FORWARD, RC, Solve
from tests.traced.rarely import some
from tests.traced.stories import bits

pytestmark = [pytest.mark.slow, pytest.mark.shares]

ADJOINTS = {"checkpoint": RC, "direct": DIRECT, "backsolve": BACKSOLVE, "forward": FORWARD}
# One step is no loop at all, up to 16 are one scan, and more are scans of scans.
INNER = {"one": (DIRECT, 1), "scan": (DIRECT, 8), "scans": (DIRECT, 64), "while": (DIRECT, None), "checkpoint": (RC, 8)}
TELLING: dict[str, dict[str, Any]] = {"progress": {}, "steps": {"detail": "steps", "watch": "nonfinite"}}
# A state that looks like the pace: float32[2].
Y = jnp.array([1.0, 2.0])


def step(solve: Solve, y: jax.Array, adjoint: dfx.AbstractAdjoint, max_steps: int | None) -> jax.Array:
    """Take one step of a decay that is not linear."""
    term = dfx.ODETerm(lambda t, y, args: -y * y)
    return solve(term, dfx.Euler(), 0.0, 0.1, 0.1, y, adjoint=adjoint, max_steps=max_steps).ys[0]


def in_the_field(solve: Solve, y: jax.Array, outer: dfx.AbstractAdjoint, inner: Any) -> jax.Array:
    """Take two steps, each of them with one solve inside."""
    term = dfx.ODETerm(lambda t, y, args: -step(solve, y, *inner))
    return solve(term, dfx.Euler(), 0.0, 1.0, 0.5, y, adjoint=outer, max_steps=8).ys.sum()


def in_what_is_saved(solve: Solve, y: jax.Array, outer: dfx.AbstractAdjoint, inner: Any) -> jax.Array:
    """Take two steps, and solve at the end of each."""
    term, saveat = dfx.ODETerm(lambda t, y, args: -y), dfx.SaveAt(steps=True, fn=lambda t, y, _: step(solve, y, *inner))
    ys = solve(term, dfx.Euler(), 0.0, 1.0, 0.5, y, adjoint=outer, max_steps=8, saveat=saveat).ys
    return jnp.where(jnp.isfinite(ys), ys, 0).sum()


def counts(told: Any) -> Counter[Any]:
    """Count the passes by what they are of and how they ended."""
    started = {e["pass_id"]: e for e in told.events() if e["event"] == "pass.started"}
    ended = [e for e in told.events() if e["event"] == "pass.ended"]
    assert sorted(started) == sorted(e["pass_id"] for e in ended)
    of_what = lambda e: "inner" if started[e["pass_id"]]["t1"] < 1 else "outer"
    return Counter((of_what(e), e["phase"], e["result"], e["steps"]["accepted"]) for e in ended)


@pytest.mark.parametrize(
    ("outer", "inner", "telling"),
    some(
        [
            *(("checkpoint", inner, "progress") for inner in INNER),
            *((outer, "scan", "progress") for outer in ADJOINTS if outer != "checkpoint"),
            *((outer, "one", "steps") for outer in ("checkpoint", "direct")),
        ],
        ("checkpoint", "scan", "progress"),
        ("direct", "scan", "progress"),
    ),
)
def test_forwards(outer: str, inner: str, telling: str) -> None:
    """Each of the two reports of itself, and the state is nobody's pace."""
    program = lambda solve: in_the_field(solve, Y, ADJOINTS[outer], INNER[inner])
    expected = bits(program(dfx.diffeqsolve))
    with capture() as told:
        assert bits(program(ft.partial(soltrace.diffeqsolve, **TELLING[telling]))) == expected
        assert counts(told) == {("inner", "forward", "successful", 1): 2, ("outer", "forward", "successful", 2): 1}


@pytest.mark.parametrize(
    ("outer", "inner"),
    some(
        [("checkpoint", "one"), ("checkpoint", "scan"), ("direct", "scan"), ("checkpoint", "checkpoint")],
        ("checkpoint", "scan"),
    ),
)
def test_backwards(outer: str, inner: str) -> None:
    """A solve inside goes back at each step that is transposed, and may be made again before."""
    program = lambda solve: jax.jit(
        jax.value_and_grad(lambda y: in_the_field(solve, y, ADJOINTS[outer], INNER[inner]))
    )(Y)
    expected = bits(program(dfx.diffeqsolve))
    with capture() as told:
        assert bits(program(soltrace.diffeqsolve)) == expected
        found = counts(told)
    forwards = found.pop(("inner", "forward", "successful", 1))
    assert forwards >= 2
    assert found == {
        ("outer", "forward", "successful", 2): 1,
        ("outer", "backward", "successful", 2): 1,
        ("inner", "backward", "successful", 1): 2,
    }


@pytest.mark.once
def test_in_what_is_saved() -> None:
    """There too."""
    program = lambda solve: jax.value_and_grad(lambda y: in_what_is_saved(solve, y, RC, INNER["scan"]))(Y)
    expected = bits(program(dfx.diffeqsolve))
    with capture() as told:
        assert bits(program(soltrace.diffeqsolve)) == expected
        found = counts(told)
    assert found["outer", "forward", "successful", 2] == found["outer", "backward", "successful", 2] == 1
