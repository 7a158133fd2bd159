"""A batch without a lane: `vmap` over nothing, as in the corners of `jax.lax.associative_scan`. It tells nothing."""

import functools as ft
from collections.abc import Callable
from typing import Any

import diffrax as dfx
import jax
import jax.numpy as jnp
import pytest

import soltrace
from soltrace.testing import capture
from tests.traced.cases import BACKSOLVE, DIRECT, RC, Solve, loss, run
from tests.traced.rarely import some
from tests.traced.stories import bits

pytestmark = [pytest.mark.slow, pytest.mark.shares]

ADJOINTS = {"checkpoint": RC, "direct": DIRECT, "backsolve": BACKSOLVE}
TELLING = {
    "progress": {},
    "steps": {"detail": "steps", "watch": ["nonfinite", {"first": lambda t, y, args: y[0]}]},
    "failures": {"detail": "failures"},
}
OTHERS = ("direct", "backsolve")
ONE = ("checkpoint", "steps")
NONE = jnp.zeros((0, 2))


def programs(solve: Solve) -> list[Any]:
    """Empty in the one vmap or the other, forwards, backwards, and in the outputs of a pullback alone."""
    ys, rate = lambda y: run(solve, y).ys, lambda y: loss(solve, y)
    pullback: Callable[[Any], Any] = lambda y: jax.vjp(ys, y)[1]
    one = jnp.array([1.0, 0.5])
    return [
        jax.vmap(ys)(NONE),
        jax.vmap(jax.vmap(ys))(jnp.zeros((3, 0, 2))),
        jax.jit(jax.vmap(jax.vmap(jax.grad(rate))))(jnp.zeros((0, 3, 2))),
        jax.grad(lambda ys: jax.vmap(rate)(ys).sum())(NONE),
        jax.vmap(lambda bar: pullback(one)(bar)[0])(jnp.zeros((0, *ys(one).shape))),
    ]


@pytest.mark.parametrize(
    ("adjoint", "telling"),
    some([*(("checkpoint", telling) for telling in TELLING), *((adjoint, "steps") for adjoint in OTHERS)], ONE),
)
def test_a_batch_without_a_lane_is_solved_and_not_told(adjoint: str, telling: str) -> None:
    """It is what diffrax makes of it, and only solves of one lane have a pass: those of the last program."""
    set_up = lambda solve, **told: programs(ft.partial(solve, adjoint=ADJOINTS[adjoint], **told))
    expected = bits(set_up(dfx.diffeqsolve))
    with capture() as told:
        assert bits(set_up(soltrace.diffeqsolve, **TELLING[telling])) == expected
        events = [e for e in told.events() if not e["event"].startswith("pass.")]
        ended = [(e["phase"], e["result"]) for e in told.events() if e["event"] == "pass.ended"]
    assert (events, ended) == ([], [("forward", "successful")] * 2)


def test_an_associative_scan_of_solves() -> None:
    """At its end it combines what is left: nothing."""
    scanned = lambda solve: jax.lax.associative_scan(
        lambda a, b: a + jax.vmap(lambda y: run(solve, y).ys[0])(b), jnp.arange(8.0).reshape(4, 2)
    )
    expected = bits(scanned(dfx.diffeqsolve))
    with capture() as told:
        assert bits(scanned(soltrace.diffeqsolve)) == expected
        started = [e["batch_shape"] for e in told.events() if e["event"] == "pass.started"]
    assert started == [[2], [1], [1]]
