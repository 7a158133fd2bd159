"""diffrax's progress meters: ours through their interface, and theirs beside us."""

import functools as ft
import re
from collections.abc import Callable
from typing import Any

import diffrax as dfx
import jax
import jax.numpy as jnp
import pytest

import soltrace
from soltrace.testing import capture
from tests.traced.cases import Y, loss, run
from tests.traced.stories import bits, story


class Counting(dfx.AbstractProgressMeter[Any]):
    """A user's own meter: its state is a count, told when it is closed."""

    told: list[int]

    def init(self) -> Any:
        return jnp.asarray(0)

    def step(self, state: Any, progress: Any) -> Any:
        return state + 1

    def close(self, state: Any) -> None:
        jax.debug.callback(lambda n: self.told.append(int(n)), state)


TRANSFORMED: dict[str, Callable[[Callable[[Any], Any]], Callable[[Any], Any]]] = {
    "eager": lambda f: f,
    "jit": jax.jit,
    "grad": lambda f: jax.jit(jax.value_and_grad(f)),
    "vmap": lambda f: lambda y: jax.jit(jax.vmap(f))(jnp.stack([y, y])),
}


@pytest.mark.parametrize("transform", TRANSFORMED)
@pytest.mark.parametrize("meter", ["text", "tqdm", "own"])
def test_the_users_meter_shows_what_it_shows_alone(
    transform: str, meter: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Beside soltrace it is called as often, with the same progress, and is closed."""
    seen: list[Any] = []
    values: list[Any] = []
    for solve in (dfx.diffeqsolve, soltrace.diffeqsolve):
        told: list[int] = []
        meters = {
            "text": dfx.TextProgressMeter(),
            "tqdm": dfx.TqdmProgressMeter(refresh_steps=2),
            "own": Counting(told),
        }
        metered = ft.partial(loss, solve, progress_meter=meters[meter])
        with capture() as c:
            values.append(TRANSFORMED[transform](metered)(Y))
            jax.block_until_ready(values)
            jax.effects_barrier()
            events = c.events()
        out = capfd.readouterr()
        assert "Traceback" not in out.err
        shown = re.sub(r"\[.*?\]|█|#", "", out.err)  # times differ
        seen.append((out.out, re.findall(r"[\d.]+%", shown), told))
    assert seen[1] == seen[0]
    assert bits(values[1]) == bits(values[0])
    assert sum(event["event"] == "pass.ended" for event in events) == (2 if transform == "grad" else 1)


FORWARD = ["1.forward started", "1.forward 2/0.500", "1.forward ended 4/1.000 ok unknown"]
BATCH = [
    "1.forward started",
    "1.forward[0] 2/1.000",
    "1.forward[1] 2/0.500",
    "1.forward 2/0.500",
    "1.forward[0] ended 2/1.000 ok unknown",
    "1.forward[1] ended 4/1.000 ok unknown",
    "1.forward ended 4/1.000 ok unknown",
]
METERED: dict[str, tuple[Callable[[dfx.AbstractProgressMeter[Any]], Any], list[str]]] = {
    "eager": (lambda meter: run(dfx.diffeqsolve, progress_meter=meter).ys, FORWARD),
    "jit": (lambda meter: jax.jit(lambda y: run(dfx.diffeqsolve, y, progress_meter=meter).ys)(Y), FORWARD),
    "vmap": (
        lambda meter: jax.jit(jax.vmap(lambda t1: run(dfx.diffeqsolve, t1=t1, progress_meter=meter).ys))(
            jnp.array([0.5, 1.0])
        ),
        BATCH,
    ),
    "grad": (lambda meter: jax.jit(jax.grad(lambda y: loss(dfx.diffeqsolve, y, progress_meter=meter)))(Y), FORWARD),
}


@pytest.mark.parametrize("name", METERED)
def test_progress_meter_reports_the_forward_pass(name: str) -> None:
    """The smaller door: progress, and no more than that."""
    solve, expected = METERED[name]
    bare = solve(dfx.NoProgressMeter())
    with capture(every=2) as c:
        values = jax.block_until_ready(solve(soltrace.ProgressMeter()))
        jax.effects_barrier()
        events = c.events()
    assert bits(values) == bits(bare)
    assert story(events) == expected


def test_gradient_through_a_meter_tells_two_passes() -> None:
    """This program once ended in a traceback (diffrax#396): a gradient through a solve with a progress meter."""

    @jax.value_and_grad
    def program(y: jax.Array) -> jax.Array:
        term = dfx.ODETerm(lambda t, y, args: -y)
        meter = dfx.TextProgressMeter()
        return soltrace.diffeqsolve(term, dfx.Tsit5(), 0.0, 1.0, 0.1, y, progress_meter=meter).ys[0]

    with capture(every=5, fraction=0.5) as c:
        program(jnp.float32(1.0))
        assert story(c.events()) == [
            "1.forward started",
            "1.forward 5/0.500",
            "1.forward ended 10/1.000 10+0",
            "1.backward started",
            "1.backward 5/0.500",
            "1.backward 10/1.000",
            "1.backward ended 10/1.000 10+0&10",
        ]
