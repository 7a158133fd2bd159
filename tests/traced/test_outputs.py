"""Whatever is read of a solution, or differentiated: its passes are told from start to end, and the numbers stay."""

import itertools
import os
import random
from collections.abc import Callable, Sequence
from typing import Any

import diffrax as dfx
import jax
import jax.numpy as jnp
import optimistix as optx
import pytest

from tests.traced.cases import BACKSOLVE, DIRECT, FORWARD, IMPLICIT, PID, RC, Solve, Y, run
from tests.traced.rarely import some
from tests.traced.stories import by_pass, story, told_by

pytestmark = pytest.mark.shares

STOPS = dfx.Event(lambda t, y, args, **_: y[0] - 0.8, optx.Newton(1e-5, 1e-5))
JUMP = dfx.ClipStepSizeController(PID, jump_ts=jnp.array([0.5]))
Read = Callable[[dfx.Solution], Any]

FIELDS: dict[str, tuple[dict[str, Any], Read]] = {
    "ts": ({}, lambda sol: sol.ts),
    "ys": ({}, lambda sol: sol.ys),
    "stats": ({}, lambda sol: sol.stats["num_accepted_steps"]),
    "result": ({}, lambda sol: sol.result == dfx.RESULTS.successful),
    "event_mask": ({"event": STOPS}, lambda sol: sol.event_mask),
    "event_time": ({"event": STOPS}, lambda sol: sol.ts),
    "solver_state": ({"saveat": {"solver_state": True}, "solver": dfx.Bosh3()}, lambda sol: sol.solver_state),
    "controller_state": (
        {"saveat": {"controller_state": True}, "stepsize_controller": PID},
        lambda sol: sol.controller_state,
    ),
    "made_jump": ({"saveat": {"made_jump": True}, "stepsize_controller": JUMP}, lambda sol: sol.made_jump),
    "interpolation": ({"saveat": {"dense": True}}, lambda sol: sol.evaluate(0.1)),
}
"""How to solve, and what to read."""
ADJOINTS = {"checkpoint": RC, "direct": DIRECT, "forward": FORWARD, "backsolve": BACKSOLVE, "implicit": IMPLICIT}
ALLOWED = {  # by diffrax
    "backsolve": {"ts", "ys", "stats", "result", "solver_state", "controller_state", "made_jump"},
    "implicit": {"ts", "ys", "stats", "result", "event_mask", "event_time"},
}
DIFFERENTIABLE = {  # as far as a cotangent that comes through it goes on into the loop
    "checkpoint": {"ys", "event_time", "solver_state", "interpolation"},
    "direct": {"ys", "event_time", "solver_state", "interpolation"},
    "backsolve": {"ys"},
    "implicit": {"ys"},
}


def solved(solve: Solve, y: Any, fields: Sequence[str], **kwargs: Any) -> list[Any]:
    """Solve as all of these fields need it, and read them."""
    asked: dict[str, Any] = {}
    saveat: dict[str, Any] = {"t1": True}
    for field in fields:
        needs = dict(FIELDS[field][0])
        saveat |= needs.pop("saveat", {})
        asked |= needs
    solution = run(solve, y, saveat=dfx.SaveAt(**saveat), **asked, **kwargs)
    return [FIELDS[field][1](solution) for field in fields]


def total(values: Any) -> Any:
    """The sum of all that can be differentiated."""
    return sum(jnp.sum(x) for x in jax.tree.leaves(values) if jnp.issubdtype(jnp.result_type(x), jnp.floating))


def starts_and_ends(events: Sequence[dict[str, Any]]) -> list[str]:
    """In short, pass by pass, without where they stood."""
    kept = [event for event in events if event["event"] != "pass.progress"]
    return [line.split(" ", 2)[0] + " " + line.split(" ", 2)[1] for line in by_pass(story(kept))]


def both(*passes: str) -> list[str]:
    return [f"{name} {what}" for name in sorted(passes) for what in ("started", "ended")]


@pytest.mark.slow
@pytest.mark.parametrize("adjoint", some(ADJOINTS, "backsolve"))
def test_each_field_alone_brings_the_end(adjoint: str) -> None:
    """One solve for each, which raises or not, and nothing but that field is read of it."""
    fields = [name for name in FIELDS if name in ALLOWED.get(adjoint, FIELDS)]

    def program(solve: Solve) -> Any:
        kwargs = {"adjoint": ADJOINTS[adjoint]}
        return jax.jit(
            lambda y: [solved(solve, y, [name], throw=i % 3 == 0, **kwargs) for i, name in enumerate(fields)]
        )

    passes = [f"{number}.forward" for number in range(1, len(fields) + 1)]
    assert starts_and_ends(told_by(program, Y)) == both(*passes)


@pytest.mark.slow
def test_only_what_is_no_ys() -> None:
    """Of a solve that does not raise its event's time is read, and the gradient comes through that alone."""
    time = lambda solve: jax.jit(jax.grad(lambda y: total(solved(solve, y, ["event_time"], throw=False))))
    assert starts_and_ends(told_by(time, Y)) == both("1.forward", "1.backward")


@pytest.mark.slow
@pytest.mark.parametrize("adjoint", some(DIFFERENTIABLE, "checkpoint", "backsolve"))
def test_each_field_alone_has_its_backward_pass(adjoint: str) -> None:
    """One solve for each, differentiated through nothing but that field; its value is read or not."""
    fields = sorted(DIFFERENTIABLE[adjoint])
    loss = lambda solve, y, name: total(solved(solve, y, [name], throw=False, adjoint=ADJOINTS[adjoint]))
    if adjoint == "implicit":  # which goes back to the parameters alone
        loss = lambda solve, a, name: total(solved(solve, Y, [name], args=a[0], throw=False, adjoint=IMPLICIT))

    def program(solve: Solve) -> Any:
        transforms = [jax.grad if i % 2 else jax.value_and_grad for i in range(len(fields))]
        return jax.jit(
            lambda y: [
                transform(lambda y, name=name: loss(solve, y, name))(y)
                for transform, name in zip(transforms, fields, strict=True)
            ]
        )

    passes = [f"{n}.{phase}" for n in range(1, len(fields) + 1) for phase in ("forward", "backward")]
    assert starts_and_ends(told_by(program, Y)) == both(*passes)


SEED = os.environ.get("PAIRS_SEED", "1")
"""Printed where a test fails; set the variable to try others."""


@pytest.mark.slow
@pytest.mark.parametrize("number", range(2))
def test_any_pair_of_fields(number: int) -> None:
    """Read and differentiated together: one backward pass, which starts once and ends once."""
    choose = random.Random(f"{SEED} {number}")
    adjoint = choose.choice(list(DIFFERENTIABLE))
    allowed = sorted(ALLOWED.get(adjoint, set(FIELDS)))
    pair = choose.choice(list(itertools.combinations(allowed, 2)))
    throw, value = choose.random() < 0.5, choose.random() < 0.5
    chosen = f"seed {SEED}: {pair} under {adjoint}, throw={throw}, value={value}"
    through = [field for field in pair if field in DIFFERENTIABLE[adjoint]]

    def program(solve: Solve) -> Any:
        def loss(y: Any) -> Any:
            args, y0 = (y[0], Y) if adjoint == "implicit" else (None, y)
            values = solved(solve, y0, pair, args=args, throw=throw, adjoint=ADJOINTS[adjoint])
            return total([x for x, field in zip(values, pair, strict=True) if field in through]) + 0 * y.sum(), values

        return jax.jit((jax.value_and_grad if value else jax.grad)(loss, has_aux=True))

    expected = both("1.forward", *(["1.backward"] if through else []))
    assert (chosen, starts_and_ends(told_by(program, Y))) == (chosen, expected)


def test_what_nobody_reads_is_no_pass() -> None:
    """The compiler drops the solve, and its start with it."""

    def unread(solve: Solve) -> Any:
        def program(y: Any) -> Any:
            run(solve, y)
            return y + 1, run(solve, y, throw=False).t1

        return jax.jit(program)

    assert told_by(unread, Y) == []


@pytest.mark.slow
def test_nothing_to_go_back_through_is_no_backward_pass() -> None:
    """What is saved depends on a parameter that the solve does not."""
    saved = lambda a: dfx.SaveAt(t1=True, fn=lambda t, y, args: a * y)
    program = lambda solve: jax.jit(jax.grad(lambda a: run(solve, saveat=saved(a)).ys.sum()))
    assert starts_and_ends(told_by(program, jnp.float32(2.0))) == both("1.forward")
