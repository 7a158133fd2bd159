"""What passes tell, field by field, and that they stay apart."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

import soltrace
from soltrace.testing import Capture, capture
from tests.traced.cases import PID, Y, field, loss, run
from tests.traced.rarely import some
from tests.traced.stories import story

solve = soltrace.diffeqsolve


def told(events: list[dict[str, Any]], **same: Any) -> list[dict[str, Any]]:
    """Take what is the same on every line off, once it has been compared."""
    for event in events:
        assert {key: event.pop(key) for key in same} == same
    return events


def test_gradient_field_by_field() -> None:
    """A forward and a backward pass, each from 0 to 1, with a start, progress and an end of its own."""
    with capture(every=2, fraction=0.5) as c:
        jax.jit(jax.grad(lambda y: loss(solve, y, attributes={"seed": 3})))(Y)
        events = told(c.events(), level="info", experiment=None, attributes={"seed": 3}, solve_id="run.1")
    forward = {"pass_id": "run.1.forward", "phase": "forward"}
    made_of = {"dtype": "float32"}
    backward = {"pass_id": "run.1.backward", "phase": "backward"}
    start = {
        "event": "pass.started",
        "solver": "Heun",
        "adjoint": "RecursiveCheckpointAdjoint",
        "controller": "ConstantStepSize",
        "t0": 0.0,
        "t1": 1.0,
        "max_steps": 16,
        "batch_shape": [],
    }
    end = {"event": "pass.ended", "status": "ok", "result": "successful", "progress": 1.0, "step": 4}
    progress = {"event": "pass.progress"}
    half = progress | {"step": 2, "progress": 0.5, "t": 0.5}
    assert events == [
        start | forward | made_of,
        half | forward | {"steps": {"accepted": 2, "rejected": 0}},
        end | forward | {"t": 1.0, "steps": {"accepted": 4, "rejected": 0}},
        start | backward | {"forward_pass_id": "run.1.forward"},
        half | backward,
        progress | backward | {"step": 4, "progress": 1.0, "t": 0.0},
        end | backward | {"t": 0.0, "steps": {"accepted": 4, "rejected": 0, "recomputed": 4}},
    ]


def test_batch_field_by_field() -> None:
    """A lane that has finished is said to have, once; the batch as a whole stands where its slowest lane is."""
    with capture(every=2) as c:
        jax.jit(jax.vmap(lambda y, t1: run(solve, y, t1=t1).ys))(jnp.stack([Y, Y]), jnp.array([0.5, 1.0]))
        same = {"level": "info", "experiment": None, "attributes": {}, "solve_id": "run.1", "phase": "forward"}
        events = told(c.events(), pass_id="run.1.forward", **same)
    ended = {"event": "lane.ended", "status": "ok", "result": "successful", "progress": 1.0, "t0": 0.0}
    lanes = {"total": 2, "finished": 1, "failed": 0}
    assert events == [
        {
            "event": "pass.started",
            "solver": "Heun",
            "adjoint": "RecursiveCheckpointAdjoint",
            "controller": "ConstantStepSize",
            "t0": 0.0,
            "max_steps": 16,
            "dtype": "float32",
            "batch_shape": [2],
        },
        ended | {"batch_index": [0], "t": 0.5, "t1": 0.5, "step": 2, "steps": {"accepted": 2, "rejected": 0}},
        {
            "event": "pass.progress",
            "batch_index": [1],
            "step": 2,
            "progress": 0.5,
            "t": 0.5,
            "steps": {"accepted": 2, "rejected": 0},
        },
        {
            "event": "pass.progress",
            "step": 2,
            "progress": 0.5,
            "t": 0.5,
            "steps": {"accepted": 4, "rejected": 0},
            "lanes": lanes | {"progress_min": 0.5, "progress_median": 0.75, "progress_max": 1.0},
        },
        ended | {"batch_index": [1], "t": 1.0, "t1": 1.0, "step": 4, "steps": {"accepted": 4, "rejected": 0}},
        {
            "event": "pass.ended",
            "status": "ok",
            "result": "successful",
            "step": 4,
            "progress": 1.0,
            "t": 1.0,
            "steps": {"accepted": 6, "rejected": 0},
            "lanes": lanes | {"finished": 2, "progress_min": 1.0, "progress_median": 1.0, "progress_max": 1.0},
        },
    ]


DIFFERING: dict[str, Callable[[Any, Any], Any]] = {
    "step size": lambda y, x: run(solve, y, dt0=x),
    "field of the controller": lambda y, x: run(solve, y, stepsize_controller=dfx.PIDController(0.1, 0.1, dtmax=x)),
    "threshold of an event": lambda y, x: run(solve, y, event=dfx.Event(lambda t, y, args, **_: t >= 1 + x)),
    "times that are saved": lambda y, x: run(solve, y, saveat=dfx.SaveAt(ts=x[None])),
    "what is saved": lambda y, x: run(solve, y, saveat=dfx.SaveAt(t1=True, fn=lambda t, y, args: x * y)),
}
"""Solves, of a number in which alone the lanes of a batch differ."""


@pytest.mark.parametrize("name", some(DIFFERING, "step size", "what is saved"))
@pytest.mark.parametrize("outermost", [True, False], ids=["outermost", "innermost"])
def test_the_start_knows_of_each_batch(name: str, *, outermost: bool) -> None:
    """Whatever its lanes differ in: of the batch that the state has, it was told alone otherwise."""
    of = DIFFERING[name]
    over_y = lambda f: jax.vmap(f, in_axes=(0, None))
    over_x = lambda f: jax.vmap(f, in_axes=(None, 0))
    batch = over_x(over_y(of)) if outermost else over_y(over_x(of))
    shape = [2, 3] if outermost else [3, 2]
    with capture(every=99) as c:
        jax.jit(lambda *args: batch(*args).ys)(jnp.stack([Y, 2 * Y, 3 * Y]), jnp.array([0.25, 0.5]))
        events = c.events()
    lanes = [[i, j] for i in range(shape[0]) for j in range(shape[1])]
    assert [e["batch_shape"] for e in events if e["event"] == "pass.started"] == [shape]
    assert [e["batch_index"] for e in events if e["event"] == "lane.ended"] == lanes


def test_time_runs_backwards() -> None:
    """`t` is the user's, whichever way it goes."""
    with capture(every=2, fraction=0.5) as c:
        jax.grad(lambda y: loss(solve, y, t0=3.0, t1=1.0, dt0=-0.5))(Y)
        times = [(e["phase"], e["event"], e.get("t"), e.get("t0"), e.get("t1")) for e in c.events()]
    assert times == [
        ("forward", "pass.started", None, 3.0, 1.0),
        ("forward", "pass.progress", 2.0, None, None),
        ("forward", "pass.ended", 1.0, None, None),
        ("backward", "pass.started", None, 3.0, 1.0),
        ("backward", "pass.progress", 2.0, None, None),
        ("backward", "pass.progress", 3.0, None, None),
        ("backward", "pass.ended", 3.0, None, None),
    ]


def test_traced_attributes_travel_with_the_start() -> None:
    """Values that change from call to call of one program, and from lane to lane."""
    step = jax.jit(lambda y, epoch: run(solve, y, attributes={"epoch": epoch, "name": "a", "list": [1, 2]}).ys)
    with capture() as c:
        step(Y, 1)
        step(Y, 2)
        c.flush()
        jax.vmap(step, in_axes=(None, 0))(Y, jnp.array([0.5, 0.25]))
        events = c.events()
    fixed = {"name": "a", "list": [1, 2]}
    starts = [e["attributes"] for e in events if e["event"] == "pass.started"]
    assert starts == [fixed | {"epoch": 1}, fixed | {"epoch": 2}, fixed]
    assert [(e["batch_index"], e["attributes"]) for e in events if e["event"] == "lane.ended"] == [
        ([0], fixed | {"epoch": 0.5}),
        ([1], fixed | {"epoch": 0.25}),
    ]


def test_own_adjoint_and_own_attributes_meet() -> None:
    """A `TracedAdjoint` handed to our `diffeqsolve` is not wrapped twice."""
    with capture(every=9) as c:
        run(solve, adjoint=soltrace.TracedAdjoint(attributes={"a": 1, "b": 1}), attributes={"b": 2})
        run(dfx.diffeqsolve, adjoint=soltrace.TracedAdjoint(attributes={"a": 3}))
        events = c.events()
    assert [(e["event"], e["attributes"]) for e in events] == [
        ("pass.started", {"a": 1, "b": 2}),
        ("pass.ended", {"a": 1, "b": 2}),
        ("pass.started", {"a": 3}),
        ("pass.ended", {"a": 3}),
    ]


@pytest.mark.parametrize("diffeqsolve", [dfx.diffeqsolve, solve], ids=["diffrax's", "ours"])
def test_a_program_takes_the_experiment_as_data(diffeqsolve: Any) -> None:
    """The token of one that is open, which is not the innermost."""
    program = jax.jit(lambda y, token: run(diffeqsolve, y, adjoint=soltrace.TracedAdjoint(context=token)).ys)
    with capture(every=9) as c, soltrace.experiment("outer", seed=3) as outer, soltrace.experiment("inner") as inner:
        for token in (outer.token, inner.token, 0):
            jax.block_until_ready(program(Y, token))
        starts = [(e["experiment"], e["attributes"]) for e in c.events() if e["event"] == "pass.started"]
    assert starts == [(name, {"seed": 3}) for name in ("outer", "outer/inner", "outer/inner")]


def endings(c: Capture) -> list[tuple[Any, ...]]:
    return [
        (e["status"], e["result"], e["level"], e["progress"], e["t"]) for e in c.events() if e["event"] == "pass.ended"
    ]


@pytest.mark.parametrize("throw", [True, False])
def test_a_solve_that_fails_is_closed(*, throw: bool) -> None:
    """Whether diffrax raises or not, and inside a compiled program too, which its error stops."""
    failing = eqx.filter_jit(lambda y: run(solve, y, max_steps=3, throw=throw).ys)
    with capture() as c:
        if throw:
            with pytest.raises(eqx.EquinoxRuntimeError, match="maximum number of solver steps"):
                jax.block_until_ready(failing(Y))
        else:
            jax.block_until_ready(failing(Y))
        assert endings(c) == [("error", "max_steps_reached", "error", 0.75, 0.75)]


def test_non_finite_numbers_are_told_as_strings() -> None:
    """A null would hide them."""
    with capture() as c:
        run(solve, t1=jnp.nan, throw=False)
        event = c.events()[0]
    assert event["t1"] == "NaN"


def test_the_same_program_at_once_on_two_threads() -> None:
    """The start's answer is a handle that every later call carries: passes never mix."""
    program = jax.jit(jax.value_and_grad(lambda y: loss(solve, y, dt0=0.005, max_steps=256)))
    with capture(every=10, fraction=0.05) as c:
        jax.block_until_ready(program(Y))
        c.clear()
        both = threading.Barrier(2)
        work = lambda y: (both.wait(), [jax.block_until_ready(program(y)) for _ in range(5)])[1]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(work, [Y, 2 * Y]))
        events = c.events()
    stories: dict[str, list[str]] = {}
    for line in story(events):
        name, _, what = line.partition(" ")
        stories.setdefault(name, []).append(what)
    assert set(stories) == {f"{n}.{phase}" for n in range(2, 12) for phase in ("forward", "backward")}
    for phase in ("forward", "backward"):
        assert [stories[f"{n}.{phase}"] for n in range(2, 12)] == [stories[f"2.{phase}"]] * 10
    expected = [f"{10 * i}/{i / 20:.3f}" for i in range(1, 20)]
    assert stories["2.forward"] == ["started", *expected, "ended 200/1.000 200+0"]


def test_a_pass_whose_program_died_is_given_up() -> None:
    """An error inside the field stops the program: no end will come."""

    def broken(t: Any, y: Any, args: Any) -> Any:
        return field(t, eqx.error_if(y, t > 0.6, "broken on purpose"), args)

    with capture(abandon_after_s=0.0) as c:
        with pytest.raises(eqx.EquinoxRuntimeError, match="broken on purpose"):
            jax.block_until_ready(solve(dfx.ODETerm(broken), dfx.Heun(), 0.0, 1.0, 0.25, Y).ys)
        c.recorder.close(timeout_s=30.0)
        passes = [event for event in c.events() if "pass_id" in event]
        assert story(passes)[-1] == "1.forward ended 2/0.500 2+0 error abandoned"


@pytest.mark.parametrize(
    ("kwargs", "transform"),
    [
        ({"max_steps": None}, jax.grad),
        ({"adjoint": dfx.ForwardMode()}, jax.grad),
        ({"adjoint": dfx.ForwardMode()}, lambda f: jax.grad(jax.checkpoint(f))),
        ({"adjoint": dfx.ForwardMode()}, lambda f: jax.jit(jax.hessian(jax.checkpoint(f)))),
        ({}, lambda f: lambda y: jax.jvp(f, (y,), (y,))),
        ({"adjoint": dfx.BacksolveAdjoint()}, lambda f: lambda y: jax.jvp(f, (y,), (y,))),
        ({"adjoint": dfx.BacksolveAdjoint(), "saveat": dfx.SaveAt(steps=True)}, jax.grad),
        ({"solver": dfx.Kvaerno3()}, lambda f: f),
        ({"dt0": -0.1}, lambda f: f),
        ({"saveat": dfx.SaveAt(ts=jnp.array([0.5, 0.1]))}, lambda f: f),
        ({"stepsize_controller": PID, "solver": dfx.Euler()}, lambda f: f),
    ],
    ids=[
        "unbounded",
        "forward-mode",
        "remat",
        "remat-twice",
        "jvp",
        "jvp-backsolve",
        "backsolve-steps",
        "tolerances",
        "dt0",
        "ts",
        "no-error",
    ],
)
def test_what_diffrax_refuses_is_refused_with_its_own_error(kwargs: dict[str, Any], transform: Any) -> None:
    """Type and words are diffrax's or jax's."""
    errors = []
    for diffeqsolve in (dfx.diffeqsolve, solve):
        with pytest.raises(Exception) as error:  # noqa: PT011 - whatever diffrax raises
            jax.block_until_ready(transform(lambda y, s=diffeqsolve: loss(s, y, **kwargs))(Y))
        errors.append((type(error.value), str(error.value).split("\n")[0]))
    assert errors[1] == errors[0]
