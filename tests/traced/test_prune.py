"""What nobody reads of a gradient is not computed."""

import functools as ft
import re

import diffrax as dfx
import jax

import soltrace
from tests.traced.cases import Solve, Y, loss

OF_OURS = 8
"""Variables: the pace, when the next report is due, and what reports tell and diffrax's gradient doesn't read."""


def variables(solve: Solve) -> list[int]:
    """Count the variables of the loops of a gradient that hold checkpoints: five states of two numbers."""
    text = jax.jit(jax.grad(ft.partial(loss, solve))).lower(Y).as_text()
    carries = re.findall(r"= stablehlo\.while\(.*?\) : (.*?)\n", text)
    return [carry.count("tensor") for carry in carries if "tensor<5x2xf32>" in carry]


def test_loops_of_a_gradient_carry_what_diffrax_does() -> None:
    """As by jax's own rule for a `while`. Twice as many loops, for each is two nested ones."""
    forwards, backwards = variables(dfx.diffeqsolve)
    ours = variables(soltrace.diffeqsolve)
    assert len(ours) == 4
    assert max(ours[:2]) <= forwards + OF_OURS
    assert max(ours[2:]) <= backwards + OF_OURS
