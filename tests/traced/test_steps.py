"""What is told of every step: to the bit what a plain loop finds, and the numbers stay the same."""

from typing import Any

import diffrax as dfx
import jax
import jax.numpy as jnp
import pytest
from msgspec import UNSET

import soltrace
from soltrace.testing import Capture, capture
from soltrace.wire.records import PassSteps
from tests.traced.by_hand import Row, shortest, steps_by_hand, vdp
from tests.traced.cases import CASES, YS, Y, run
from tests.traced.stories import bits

pytestmark = [pytest.mark.slow, pytest.mark.shares]

PID = dfx.PIDController(rtol=1e-4, atol=1e-6)
START = jnp.array([2.0, 0.0])


def telling(*args: Any, **kwargs: Any) -> Any:
    return soltrace.diffeqsolve(*args, detail="steps", **kwargs)


def told(captured: Capture) -> list[Any]:
    """The columns of what was told."""
    return [record.attempts for record in captured.records if isinstance(record, PassSteps)]


def rows(columns: list[Any]) -> list[Row]:
    return [
        row
        for part in columns
        for row in zip(
            part.step, part.t, part.dt, part.accepted, map(float, part.scaled_error), part.error_in, strict=True
        )
    ]


@pytest.mark.parametrize(
    ("solver", "controller"),
    [
        (dfx.Tsit5(), PID),
        (dfx.Bosh3(), dfx.PIDController(rtol=1e-4, atol=1e-6, pcoeff=0.3, icoeff=0.3, dcoeff=0.1)),
        # What solves their equations has the tolerances that diffrax would give it.
        (dfx.Kvaerno3(root_finder=dfx.VeryChord(rtol=1e-4, atol=1e-6)), PID),
        pytest.param(
            dfx.Kvaerno5(root_finder=dfx.VeryChord(rtol=1e-4, atol=1e-6)),
            dfx.PIDController(rtol=1e-4, atol=1e-6, pcoeff=0.3, icoeff=0.3, dcoeff=0.1),
            marks=pytest.mark.once,
        ),
    ],
    ids=lambda part: type(part).__name__,
)
def test_every_step_is_what_a_plain_loop_finds(solver: Any, controller: Any) -> None:
    """Value by value, those of rejected steps too."""
    expected = steps_by_hand(vdp(8.0), solver, controller, 3.0, 0.1, START)
    with capture() as captured:
        jax.jit(lambda y: telling(vdp(8.0), solver, 0.0, 3.0, 0.1, y, stepsize_controller=controller).ys)(START)
        columns = told(captured)
    assert rows(columns) == expected
    assert [bool(reason) for part in columns for reason in part.reason] == [not row[3] for row in expected]
    assert not all(row[3] for row in expected)


@pytest.mark.once
def test_why_a_step_was_rejected_or_ended_there() -> None:
    """Each reason, by a solve that has it."""
    clipped = dfx.ClipStepSizeController(PID, jump_ts=jnp.array([0.5]))
    smallest = dfx.PIDController(rtol=1e-6, atol=1e-9, dtmin=0.2)
    reasons = {
        "error": {},
        "jump": {"stepsize_controller": clipped},
        "dtmin": {"stepsize_controller": smallest},
        "event": {"event": dfx.Event(lambda t, y, args, **_: t > 0.3)},
        "nonlinear": {"solver": dfx.Kvaerno3(root_finder=dfx.VeryChord(rtol=1e-9, atol=1e-9)), "dt0": 0.9},
        "nonfinite": {"term": dfx.ODETerm(lambda t, y, _: jnp.where(t > 0.6, jnp.nan, -y)), "max_steps": 20},
    }
    for reason, options in reasons.items():
        given = {"stepsize_controller": PID, "max_steps": 4096, "dt0": 0.5, "throw": False, "solver": dfx.Tsit5()}
        given |= options
        term, solver = given.pop("term", vdp(8.0)), given.pop("solver")
        with capture() as captured:
            telling(term, solver, 0.0, 1.0, given.pop("dt0"), START, **given)
            assert reason in {said for part in told(captured) for said in part.reason}


def test_lanes_and_long_passes() -> None:
    """A batch tells of each lane as far as it goes; when the rows are full they are handed over, none is lost."""
    with capture() as captured:
        jax.jit(jax.vmap(lambda y, t1: run(telling, y, t1=t1).ys))(YS, jnp.array([0.5, 1.0, 0.75]))
        (columns,) = told(captured)
    assert list(zip(columns.batch_index, columns.step, columns.t, strict=True)) == [
        ([lane], step, (step - 1) / 4) for lane, steps in enumerate((2, 4, 3)) for step in range(1, steps + 1)
    ]
    with capture() as captured:
        jax.jit(lambda y: run(telling, y, dt0=1 / 4096, max_steps=4096).ys)(Y)
        parts = told(captured)
    assert [step for part in parts for step in part.step] == list(range(1, 4097))
    assert [t for part in parts for t in part.t] == [shortest(step / 4096) for step in range(4096)]


def errors_in(columns: list[Any]) -> list[tuple[str, float]]:
    return [row for part in columns for row in zip(part.error_in, part.error_share, strict=True)]


@pytest.mark.once
@pytest.mark.parametrize("detail", ["steps", "failures"])
def test_which_number_of_the_state_the_error_is_of(detail: str) -> None:
    """By its path, and its share in the sum of the squares, of each lane its own; nothing where there is no error."""
    options: Any = {"stepsize_controller": dfx.PIDController(rtol=0.0, atol=8.0), "max_steps": 4, "throw": False}
    solver, options = _Erring(dfx.Euler()), options | {"detail": detail}
    # Of which lane the error is where; 4 steps are not enough.
    errors = {"a": jnp.array([0.0, 2.0]), "b": jnp.full((2, 2), 1.0)}, {"a": jnp.zeros(2), "b": jnp.zeros((2, 2))}
    lanes = jax.tree.map(lambda *xs: jnp.stack(xs), errors[0], jax.tree.map(lambda x: x[::-1], errors[0]), errors[1])
    start = jax.tree.map(jnp.zeros_like, errors[0])
    term = dfx.ODETerm(lambda t, y, error: error)
    solve = lambda error: soltrace.diffeqsolve(term, solver, 0.0, 1e9, 1.0, start, error, **options).ys
    with capture() as captured:
        jax.jit(jax.vmap(solve))(lanes)
        columns = told(captured)
    by_lane = {0: ("y['a'][1]", 0.5), 1: ("y['a'][0]", 0.5), 2: ("", "NaN")}
    lanes_told = [lane for part in columns for (lane,) in part.batch_index]
    assert errors_in(columns) == [by_lane[lane] for lane in lanes_told]
    assert {lane: lanes_told.count(lane) for lane in by_lane} == {0: 4, 1: 4, 2: 4}


@pytest.mark.once
def test_of_what_it_is_not_told() -> None:
    """Of a state of one number, and by a norm of which it is not known what it makes of each."""
    term, solver = dfx.ODETerm(lambda t, y, _: -y), dfx.Tsit5()
    solve = lambda y, how: telling(term, solver, 0.0, 1.0, 0.1, y, stepsize_controller=how).ys
    for start, controller in (
        (jnp.ones(1), PID),
        (START, dfx.PIDController(rtol=1e-4, atol=1e-6, norm=lambda x: jnp.abs(x[0]))),
        (START, dfx.ConstantStepSize()),
    ):
        with capture() as captured:
            solve(start, controller)
            columns = told(captured)
        assert [(part.error_in, part.error_share) for part in columns] == [(UNSET, UNSET)] * len(columns) != []


@pytest.mark.once
def test_what_a_solve_of_a_backward_pass_errs_in() -> None:
    """In the state, or in what is integrated beside it."""
    field = dfx.ODETerm(lambda t, y, args: -args["rate"] * y)
    solve = lambda args: telling(
        field, dfx.Tsit5(), 0.0, 1.0, 0.1, START, args, stepsize_controller=PID, adjoint=dfx.BacksolveAdjoint()
    )
    with capture() as captured:
        jax.jit(jax.grad(lambda args: solve(args).ys.sum()))({"rate": jnp.array([1.0, 4.0])})
        events = [event for event in captured.events() if event["event"] == "pass.steps"]
    names = {event["phase"]: set(event["attempts"]["error_in"]) for event in events}
    assert names["forward"] <= {"y[0]", "y[1]"}
    parts = ("y", "cotangent of y", "cotangent of args['rate']")
    assert names["backward"] <= {f"{part}[{i}]" for part in parts for i in (0, 1)}
    assert any(name.startswith("cotangent") for name in names["backward"])


def test_steps_of_several_solves_of_a_backward_pass_are_counted_by_lane() -> None:
    """One after the other in each lane, whose solves take as many steps as it needs."""
    field = dfx.ODETerm(lambda t, y, rate: -rate * y)
    solve = lambda rate: telling(
        *(field, dfx.Tsit5(), 0.0, 1.0, 0.1, START, rate),
        stepsize_controller=PID,
        adjoint=dfx.BacksolveAdjoint(),
        saveat=dfx.SaveAt(ts=jnp.array([0.3, 0.6, 1.0])),
    )
    with capture() as captured:
        jax.jit(jax.vmap(jax.grad(lambda rate: solve(rate).ys.sum())))(jnp.array([1.0, 50.0, 10.0]))
        events = captured.events()
    backward = [event for event in events if event["phase"] == "backward"]
    taken = {
        tuple(event["batch_index"]): event["steps"]["accepted"] + event["steps"]["rejected"]
        for event in backward
        if event["event"] == "lane.ended"
    }
    counted: dict[tuple[int, ...], list[int]] = {lane: [] for lane in taken}
    for event in backward:
        if event["event"] == "pass.steps":
            for lane, step in zip(event["attempts"]["batch_index"], event["attempts"]["step"], strict=True):
                counted[tuple(lane)].append(step)
    assert counted == {lane: list(range(1, steps + 1)) for lane, steps in taken.items()}
    assert len(set(taken.values())) == len(taken) == 3


class _Erring(dfx.AbstractWrappedSolver):
    """Makes of the field its error."""

    solver: Any

    @property
    def term_structure(self) -> Any:
        return self.solver.term_structure

    @property
    def interpolation_cls(self) -> Any:
        return self.solver.interpolation_cls

    def order(self, terms: Any) -> Any:
        return self.solver.order(terms)

    def error_order(self, terms: Any) -> Any:
        return 1

    def init(self, *args: Any) -> Any:
        return self.solver.init(*args)

    def func(self, terms: Any, t0: Any, y0: Any, args: Any) -> Any:
        return self.solver.func(terms, t0, y0, args)

    def step(self, terms: Any, t0: Any, t1: Any, y0: Any, args: Any, *rest: Any) -> Any:
        y1, _, dense, state, result = self.solver.step(terms, t0, t1, y0, args, *rest)
        return y1, args, dense, state, result


@pytest.mark.once
def test_the_last_steps_of_what_fails() -> None:
    """Of one lane among three, and of none where all is well."""
    term = dfx.ODETerm(lambda t, y, lane: jnp.where((t > 0.5) & (lane == 1), jnp.nan, -y))
    options: Any = {"stepsize_controller": PID, "max_steps": 64, "detail": "failures", "throw": False}
    solve = lambda lane: soltrace.diffeqsolve(term, dfx.Tsit5(), 0.0, 1.0, 0.1, jnp.ones(2), lane, **options).ys
    with capture() as captured:
        jax.jit(jax.vmap(solve))(jnp.arange(3))
        jax.jit(solve)(0)
        (columns,) = told(captured)
    assert (columns.step, columns.batch_index) == (list(range(33, 65)), [[1]] * 32)
    assert set(columns.reason) == {"", "nonfinite"}


@pytest.mark.once
@pytest.mark.parametrize(
    "name",
    ["jvp", "grad_of_vmap", "direct_vmap_of_grad", "backsolve_vmap_of_grad", "effect_in_the_field"],
)
def test_the_numbers_stay_the_same(name: str) -> None:
    """To the bit, and the steps are told under each transformation."""
    make, args = CASES[name]
    expected = bits(make(dfx.diffeqsolve)(*args))
    with capture() as captured:
        assert bits(jax.block_until_ready(make(telling)(*args))) == expected
        events = [event for event in captured.events() if event["event"] in ("pass.steps", "pass.ended")]
    # Of other backward passes, the steps are those of the forward one.
    told_of = ("forward", "backward") if "backsolve" in name else ("forward",)
    ended = [event for event in events if event["event"] == "pass.ended" and event["phase"] in told_of]
    counted = sum(event["steps"]["accepted"] + event["steps"]["rejected"] for event in ended)
    assert sum(len(event["attempts"]["step"]) for event in events if "attempts" in event) == counted
