"""`jax.experimental.checkify` finds in a step of a solve that reports what it finds in diffrax's."""

from collections.abc import Callable
from typing import Any

import diffrax as dfx
import jax
import jax.numpy as jnp
import pytest
from jax.experimental import checkify

import soltrace
from soltrace.testing import capture
from tests.traced.cases import BACKSOLVE, DIRECT, FORWARD, RC, Y
from tests.traced.stories import bits

pytestmark = [pytest.mark.slow, pytest.mark.shares]

TABLE = jnp.arange(4.0)
FIELDS: dict[str, tuple[Callable[..., Any], Any, str]] = {
    "index": (lambda t, y, k: -y * k * TABLE[jnp.int32(k)], checkify.index_checks, "index 7 is out of bounds"),
    "division": (lambda t, y, k: jnp.where(t < 9, -y, y / (k - 7.0)), checkify.div_checks, "division by zero"),
    "nan": (lambda t, y, k: jnp.where(jnp.isnan(jnp.log(k - 9.0)), -y, y), checkify.nan_checks, "primitive: log"),
    "the user's": (lambda t, y, k: -y + 0 * _small(k), checkify.user_checks, "it is 7.0"),
}
TRANSFORMATIONS: dict[str, Callable[[Callable[[Any], Any]], Callable[[Any], Any]]] = {
    "jit": lambda f: f,
    "vmap": lambda f: lambda k: jax.vmap(f)(jnp.stack([k, 0 * k])),
    "grad": lambda f: jax.value_and_grad(lambda k: jnp.sum(f(k))),
    "scan": lambda f: lambda k: jax.lax.scan(lambda total, _: (total + jnp.sum(f(k)), None), k, length=2)[0],
}


def _small(k: Any) -> Any:
    checkify.check(k < 5, "it is {k}", k=k)
    return k


def found(solve: Any, field: Any, wanted: Any, adjoint: Any, transformation: str, k: float) -> tuple[Any, Any]:
    """What goes wrong, in words, and the numbers."""
    options = {"args": None, "max_steps": 16, "throw": False, "adjoint": adjoint}
    ys = lambda k: solve(dfx.ODETerm(field), dfx.Heun(), 0.0, 1.0, 0.25, Y, **options | {"args": k}).ys
    checked = checkify.checkify(TRANSFORMATIONS[transformation](ys), errors=wanted)
    error, values = jax.jit(checked)(jnp.array(k))
    return error.get(), bits(values)


@pytest.mark.parametrize(
    ("field", "adjoint", "transformation"),
    [
        ("index", RC, "jit"),
        ("index", RC, "vmap"),
        ("index", DIRECT, "grad"),
        pytest.param("index", BACKSOLVE, "jit", marks=pytest.mark.once),
        pytest.param("division", FORWARD, "jit", marks=pytest.mark.once),
        ("division", RC, "scan"),
        pytest.param("nan", RC, "jit", marks=pytest.mark.once),
        pytest.param("nan", DIRECT, "vmap", marks=pytest.mark.once),
        ("the user's", RC, "jit"),
    ],
)
def test_what_it_finds_in_a_step(field: str, adjoint: Any, transformation: str) -> None:
    """The same error and the same numbers; and the passes are told."""
    function, wanted, words = FIELDS[field]
    expected = found(dfx.diffeqsolve, function, wanted, adjoint, transformation, 7.0)
    assert words in expected[0]
    with capture() as told:
        assert found(soltrace.diffeqsolve, function, wanted, adjoint, transformation, 7.0) == expected
        kinds = [event["event"] for event in told.events() if "batch_index" not in event]
    assert kinds.count("pass.started") == kinds.count("pass.ended") == {"grad": 2, "scan": 2}.get(transformation, 1)


def test_where_nothing_is_wrong_it_finds_nothing() -> None:
    """And what it computes is diffrax's."""
    arguments = (FIELDS["index"][0], checkify.automatic_checks, RC, "jit", 1.0)
    expected = found(dfx.diffeqsolve, *arguments)
    assert expected[0] is None
    with capture():
        assert found(soltrace.diffeqsolve, *arguments) == expected
