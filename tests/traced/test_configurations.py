"""The same numbers and events whatever jax is configured to be, and whatever is computed with."""

import contextlib
from collections.abc import Iterator
from typing import Any

import diffrax as dfx
import jax
import jax.numpy as jnp
import pytest

import soltrace
from soltrace.testing import capture
from tests.traced.cases import BACKSOLVE, DIRECT, PID, loss, run
from tests.traced.stories import bits, story

pytestmark = pytest.mark.slow

FORWARD_AND_BACKWARD = [
    "1.forward started",
    "1.forward 2/0.500",
    "1.forward ended 4/1.000 4+0",
    "1.backward started",
    "1.backward 2/0.500",
    "1.backward 4/1.000",
    "1.backward ended 4/1.000 4+0&4",
]


@contextlib.contextmanager
def x64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


@contextlib.contextmanager
def strict() -> Iterator[None]:
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


@contextlib.contextmanager
def strict_x64() -> Iterator[None]:
    with x64(), strict():
        yield


def gradient(solve: Any, y: Any, **kwargs: Any) -> Any:
    return jax.jit(jax.value_and_grad(lambda y: loss(solve, y, **kwargs)))(y)


@pytest.mark.parametrize("settings", [x64, strict, strict_x64])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_settings_and_dtypes(settings: Any, dtype: str) -> None:
    """Our own arithmetic depends neither on the user's promotion rules nor on the solve's precision."""
    with settings():
        y = jnp.asarray([1.0, 0.5], "float32" if dtype == "float64" and not jax.config.jax_enable_x64 else dtype)
        expected = gradient(dfx.diffeqsolve, y)
        with capture(every=2, fraction=0.5) as told:
            values = gradient(soltrace.diffeqsolve, y)
            events = told.events()
    assert bits(values) == bits(expected)
    assert story(events) == FORWARD_AND_BACKWARD


@pytest.mark.parametrize("settings", [contextlib.nullcontext, strict_x64])
def test_vmap_of_grad_with_settings(settings: Any) -> None:
    """Batching is our own arithmetic too."""
    with settings():
        ys, t1s = jnp.asarray([[1.0, 0.5], [2.0, 1.0]]), jnp.asarray([0.5, 1.0])
        make = lambda solve: jax.jit(jax.vmap(jax.grad(lambda y, t1: loss(solve, y, t1=t1))))(ys, t1s)
        expected = make(dfx.diffeqsolve)
        with capture(every=2, fraction=0.5) as told:
            values = make(soltrace.diffeqsolve)
            events = told.events()
    assert bits(values) == bits(expected)
    assert story(events) == [
        "1.forward started [2]",
        "1.forward[0] ended 2/1.000 2+0",
        "1.forward[1] 2/0.500",
        "1.forward 2/0.500",
        "1.forward[1] ended 4/1.000 4+0",
        "1.forward ended 4/1.000 6+0",
        "1.backward started [2]",
        "1.backward[0] 0/0.000",
        "1.backward[1] 2/0.500",
        "1.backward 0/0.000",
        "1.backward[0] 1/0.500",
        "1.backward[1] 3/0.750",
        "1.backward 1/0.500",
        "1.backward[0] 2/1.000",
        "1.backward[1] 4/1.000",
        "1.backward 4/1.000",
        "1.backward[0] ended 2/1.000 2+0&4",
        "1.backward[1] ended 4/1.000 4+0&4",
        "1.backward ended 4/1.000 6+0&8",
    ]


@pytest.mark.filterwarnings("ignore:Complex dtype support in Diffrax")
@pytest.mark.parametrize("settings", [contextlib.nullcontext, x64])
def test_complex(settings: Any) -> None:
    """Cotangents may be complex."""
    with settings():
        y = jnp.asarray([1.0 + 0.5j, 0.5])
        make = lambda solve: jax.jit(jax.grad(lambda y: jnp.abs(run(solve, y).ys).sum()))(y)
        expected = make(dfx.diffeqsolve)
        with capture(every=2, fraction=0.5) as told:
            values = make(soltrace.diffeqsolve)
            events = told.events()
    assert bits(values) == bits(expected)
    assert story(events) == FORWARD_AND_BACKWARD


@pytest.mark.parametrize("adjoint", [dfx.ForwardMode(), DIRECT, BACKSOLVE], ids=lambda a: type(a).__name__)
def test_disable_jit(adjoint: dfx.AbstractAdjoint) -> None:
    """Without a compiler each operation rounds by itself; then our loop must be Python's too."""
    y = jnp.asarray([1.0, 0.5])
    forward = isinstance(adjoint, dfx.ForwardMode)
    make = lambda solve: run(solve, y).ys if forward else jax.grad(lambda y: loss(solve, y, adjoint=adjoint))(y)
    with jax.disable_jit():
        expected = make(dfx.diffeqsolve)
        with capture(every=2, fraction=0.5) as told:
            values = make(soltrace.diffeqsolve)
            events = told.events()
    assert bits(values) == bits(expected)
    story_ = [line.removesuffix("&4").removesuffix("&0") for line in story(events)]
    assert story_ == [line.removesuffix("&4") for line in FORWARD_AND_BACKWARD[: 3 if forward else None]]


def test_adaptive_float64() -> None:
    """Times keep the digits of their dtype."""
    with x64(), capture(every=1000) as told:
        run(soltrace.diffeqsolve, jnp.asarray([1.0, 0.5]), t1=1 / 3, stepsize_controller=PID)
        ended = told.events()[-1]
    assert ended["t"] == 1 / 3
