"""diffrax's progress meters: ours through their interface, and theirs beside us."""

import functools as ft
import re
from collections.abc import Callable
from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

import soltrace
from soltrace.testing import capture
from tests.traced.cases import Y, loss, run
from tests.traced.rarely import some
from tests.traced.stories import bits, story

pytestmark = [pytest.mark.slow, pytest.mark.shares]


class Counting(dfx.AbstractProgressMeter[Any]):
    """A user's own meter: its state is a count, told when it is closed."""

    tell: Callable[[int], None] = eqx.field(static=True)

    def init(self) -> Any:
        return jnp.asarray(0)

    def step(self, state: Any, progress: Any) -> Any:
        return state + 1

    def close(self, state: Any) -> None:
        jax.debug.callback(lambda n: self.tell(int(n)), state)


TRANSFORMED: dict[str, Callable[[Callable[[Any], Any]], Callable[[Any], Any]]] = {
    "eager": lambda f: f,
    "jit": jax.jit,
    "grad": lambda f: jax.jit(jax.value_and_grad(f)),
    "vmap": lambda f: lambda y: jax.jit(jax.vmap(f))(jnp.stack([y, y])),
}


@pytest.mark.parametrize("transform", TRANSFORMED)
@pytest.mark.parametrize("meter", some(["text", "tqdm", "own"], "text"))
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
            "own": Counting(told.append),
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
    """Progress, and no more than that."""
    solve, expected = METERED[name]
    bare = solve(dfx.NoProgressMeter())
    with capture(every=2) as c:
        values = jax.block_until_ready(solve(soltrace.ProgressMeter()))
        jax.effects_barrier()
        events = c.events()
    assert bits(values) == bits(bare)
    assert story(events) == expected


class Both(dfx.AbstractProgressMeter[Any]):
    """Two meters as one, as a library might put ours beside its own."""

    first: dfx.AbstractProgressMeter[Any]
    second: dfx.AbstractProgressMeter[Any]

    def init(self) -> Any:
        return {"first": self.first.init(), "second": self.second.init()}

    def step(self, state: Any, progress: Any) -> Any:
        return {
            "first": self.first.step(state["first"], progress),
            "second": self.second.step(state["second"], progress),
        }

    def close(self, state: Any) -> None:
        self.first.close(state["first"])
        self.second.close(state["second"])


class Hidden(dfx.AbstractProgressMeter[Any]):
    """Ours where no pytree shows it."""

    meter: Any = eqx.field(static=True)

    def init(self) -> Any:
        return self.meter.init()

    def step(self, state: Any, progress: Any) -> Any:
        return self.meter.step(state, progress)

    def close(self, state: Any) -> None:
        self.meter.close(state)


OURS: dict[str, Callable[[], dfx.AbstractProgressMeter[Any]]] = {
    "alone": soltrace.ProgressMeter,
    "wrapped": lambda: Both(dfx.NoProgressMeter(), Both(soltrace.ProgressMeter(), dfx.NoProgressMeter())),
    "hidden": lambda: Hidden(soltrace.ProgressMeter()),
}
REPORTING: dict[str, Callable[..., Any]] = {
    "soltrace.diffeqsolve": lambda y, **kwargs: loss(soltrace.diffeqsolve, y, **kwargs),
    "TracedAdjoint": lambda y, **kwargs: loss(dfx.diffeqsolve, y, adjoint=soltrace.TracedAdjoint(), **kwargs),
}


def told(function: Callable[[Any], Any]) -> tuple[list[str], Any]:
    """The passes that a program tells, in short, and its values."""
    with capture(every=2, fraction=0.5) as c:
        values = jax.block_until_ready(function(Y))
        jax.effects_barrier()
        return story(c.events()), values


@pytest.mark.parametrize("transform", TRANSFORMED)
@pytest.mark.parametrize("solve", some(["soltrace.diffeqsolve", "TracedAdjoint"], "soltrace.diffeqsolve"))
def test_our_meter_beside_our_adjoint_tells_one_solve(transform: str, solve: str) -> None:
    """What the solve tells without it, whatever the meter is in: that sees the same pass, and less of it."""
    expected, expected_values = told(TRANSFORMED[transform](REPORTING[solve]))
    for name, ours in OURS.items():
        stories, values = told(TRANSFORMED[transform](ft.partial(REPORTING[solve], progress_meter=ours())))
        assert (name, stories) == (name, expected)
        assert bits(values) == bits(expected_values)


def test_the_meter_beside_ours_goes_on() -> None:
    """In the same wrapper."""
    counts: list[int] = []
    meter = Both(Counting(counts.append), soltrace.ProgressMeter())
    for solve in REPORTING.values():
        assert told(ft.partial(solve, progress_meter=meter))[0] == told(solve)[0]
    assert counts == [4, 4]


@pytest.mark.parametrize("ours", OURS)
@pytest.mark.parametrize("solve", REPORTING)
def test_without_jit_too_there_is_one_solve(solve: str, ours: str) -> None:
    """A meter that can't be silenced has told its start when the adjoint is asked: then it tells the rest too."""
    adjoint = dfx.ForwardMode()
    ways = {
        "soltrace.diffeqsolve": lambda y: run(soltrace.diffeqsolve, y, adjoint=adjoint, progress_meter=OURS[ours]()).ys,
        "TracedAdjoint": lambda y: (
            run(dfx.diffeqsolve, y, adjoint=soltrace.TracedAdjoint(adjoint), progress_meter=OURS[ours]()).ys
        ),
    }
    with jax.disable_jit():
        stories, values = told(ways[solve])
        expected = run(dfx.diffeqsolve, adjoint=adjoint).ys
    whole = ["1.forward started", "1.forward 2/0.500", "1.forward ended 4/1.000 4+0"]
    assert stories == (whole if solve == "soltrace.diffeqsolve" and ours != "hidden" else FORWARD)
    assert bits(values) == bits(expected)


@pytest.mark.parametrize("solve", REPORTING)
def test_disabled_neither_tells(solve: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does a wrapper."""
    with capture() as c:
        monkeypatch.setattr("soltrace.host.process.PROCESS.over", True)
        for ours in OURS.values():
            jax.jit(ft.partial(REPORTING[solve], progress_meter=ours()))(Y)
            REPORTING[solve](Y, progress_meter=ours())
        assert c.events() == []


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
