"""Under every transformation: the same numbers to the bit, and exactly the events that belong to it."""

from pathlib import Path

import diffrax as dfx
import jax
import jax.numpy as jnp
import pytest

from tests.traced.cases import BACKSOLVE, CASES, PARTS_OF_DIFFRAX, Y, run
from tests.traced.stories import bits, by_pass, story, told_by

pytestmark = pytest.mark.shares

STORIES = Path(__file__).with_name("stories")


SIDE_BY_SIDE = {"checkpoint"}
"""Cases with two solves neither of which waits for the other."""
# One of each kind, for `make unit`; compiling all of them takes minutes.
QUICK = {
    "eager",
    "jit",
    "grad",
    "vmap",
    "vmap_of_grad",
    "hessian",
    "direct_grad",
    "backsolve_grad",
    "event",
    "implicit",
}
LIKE_OTHERS = {
    "backsolve_inner",
    "backsolve_no_throw",
    "backsolve_t0",
    "backsolve_ts",
    "checkpoints_4",
    "direct_vmap_of_grad",
    "grad_of_closure",
    "grad_of_scan_over_args",
    "grad_of_vmap_args",
    "grad_of_vmap_bools_backsolve",
    "grad_of_vmap_seeds",
    "hessian_of_parts",
    "jacrev_of_vmap",
    "odd_args",
    "solve_after_solve",
    "value_and_grad",
    "vmap_equal_sizes",
    "vmap_inner_only",
}
"""Each is a kind of which the oldest versions run another."""
# With the oldest jax, the sweep draws from them too.
ONCE = (PARTS_OF_DIFFRAX - QUICK - {"sde_keys"}) | LIKE_OTHERS


def marks(name: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.slow] * (name not in QUICK) + [pytest.mark.once] * (name in ONCE)


@pytest.mark.parametrize("name", [pytest.param(name, marks=marks(name)) for name in CASES])
def test_same_numbers_and_the_whole_story(name: str) -> None:
    """What a case tells is written down, one record a line."""
    case, args = CASES[name]
    order = by_pass if name in SIDE_BY_SIDE else list
    assert order(story(told_by(case, *args))) == order((STORIES / f"{name}.txt").read_text().splitlines())


def test_no_story_is_left_over() -> None:
    """Each story is some case's."""
    assert {path.stem for path in STORIES.glob("*.txt")} == set(CASES)
    assert set(CASES) > QUICK


@pytest.mark.slow
def test_the_compiler_rounds_by_what_stands_around_a_solve() -> None:
    """Bare diffrax, alone and as the forward half of a gradient: not the same bits from jax 0.11 on.

    So a backsolve of ours does not run in chunks. When this fails, the compiler has been mended, and it may again.
    """
    saveat = dfx.SaveAt(ts=jnp.array([0.25, 0.5, 1.0]))
    solve = lambda y: run(dfx.diffeqsolve, y, adjoint=BACKSOLVE, saveat=saveat).ys

    @jax.jit
    def both_halves(y: jax.Array) -> tuple[jax.Array, tuple[jax.Array]]:
        ys, back = jax.vjp(solve, y)
        return ys, back(jnp.ones_like(ys))

    assert (bits(jax.jit(solve)(Y)) == bits(both_halves(Y)[0])) == (jax.__version_info__ < (0, 11))
