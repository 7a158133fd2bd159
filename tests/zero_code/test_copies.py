"""Copies of diffrax's patched function, made as libraries make them: they solve as bare does.

`copy.deepcopy` is what `sklearn.clone`, hydra and dataclasses do; by cloudpickle, joblib, dask and submitit send what a
function names to their workers.
"""

import copy
import functools
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import cloudpickle
import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from soltrace.testing import capture
from soltrace.zero_code.patch import patch, unpatch
from tests.traced.stories import story

pytestmark = pytest.mark.slow

SOLVE: Any = dfx.diffeqsolve
START: Any = (dfx.ODETerm(lambda t, y, args: -y), dfx.Heun(), 0.0, 1.0, 0.25)
FORWARD = ["1.forward started", "1.forward 2/0.500", "1.forward ended 4/1.000 4+0"]


class Model(eqx.Module):
    solve: Any = SOLVE
    rate: Any = eqx.field(default_factory=lambda: jnp.array(1.0))


WAYS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "deepcopy of one": lambda solve: copy.deepcopy(copy.deepcopy(solve)),
    "deepcopy in a module": lambda solve: copy.deepcopy(Model(solve)).solve,
    "cloudpickle": lambda solve: cloudpickle.loads(cloudpickle.dumps(solve)),
    "cloudpickle of a partial": lambda solve: cloudpickle.loads(cloudpickle.dumps(functools.partial(solve))),
    "a leaf replaced": lambda solve: eqx.tree_at(lambda m: m.rate, Model(solve), jnp.array(2.0)).solve,
    "jax.tree.map": lambda solve: jax.tree.map(lambda x: x, solve),
    "eqx.Partial": eqx.Partial,
    "filter_jit": eqx.filter_jit,
    "wraps": lambda solve: functools.wraps(solve)(functools.partial(solve)),
}


@pytest.fixture(autouse=True)
def _diffrax_is_as_it_was() -> Iterator[None]:
    yield
    unpatch()


def solve(function: Any) -> tuple[list[str], str]:
    """What a solve tells, and its value to the bit."""
    with capture(every=2, fraction=0.5) as c:
        value = float(function(*START, jnp.array(1.0)).ys[0]).hex()
        return story(c.events()), value


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_is_as_the_solve_itself(way: str) -> None:
    """It gives what the bare one gives, and reports while that is instrumented: no longer, and not in part."""
    _, value = solve(SOLVE)
    patch()
    duplicate = WAYS[way](SOLVE)
    assert solve(duplicate) == (FORWARD, value)
    unpatch()
    if way == "filter_jit":
        jax.clear_caches()  # what the user compiled stays as it was compiled until then
    assert solve(duplicate) == ([], value)


def test_equal_copies_are_equal() -> None:
    """As they are where nothing is patched."""
    ways = [copy.copy, lambda solve: jax.tree.map(lambda x: x, solve)]
    facts = lambda: [(way(SOLVE) == SOLVE, hash(way(SOLVE)) == hash(SOLVE)) for way in ways]
    bare = facts()
    patch()
    assert facts() == bare == [(True, True)] * 2


def test_workers_need_no_soltrace() -> None:
    """What is sent to them names nothing of ours, and they have the same value."""

    def amount(rate: float) -> str:
        solution = SOLVE(dfx.ODETerm(lambda t, y, args: -rate * y), dfx.Heun(), 0.0, 1.0, 0.25, 1.0)
        return float(solution.ys[0]).hex()

    patch()
    worker = (
        "import sys; sys.modules['soltrace'] = None; import pickle; "
        "amount, model, solution = pickle.load(sys.stdin.buffer); print(amount(2.0), 'soltrace.wire' in sys.modules)"
    )
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    try:
        sent = cloudpickle.dumps((amount, Model(), SOLVE(*START, jnp.array(1.0))))
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
    done = subprocess.run([sys.executable, "-c", worker], input=sent, capture_output=True, timeout=120, check=False)
    assert (done.returncode, done.stdout.decode().split()) == (0, [amount(2.0), "False"]), done.stderr.decode()
