"""What rules make of records, where a real solve would show it only by chance."""

from datetime import UTC, datetime

import pytest
from msgspec import UNSET

from soltrace.host.judging import Judge
from soltrace.verdict import judge as rules
from soltrace.verdict.evidence import Evidence, Gatherings
from soltrace.verdict.finding import about, seconds, share
from soltrace.verdict.judge import findings
from soltrace.verdict.retries import retries
from soltrace.verdict.run_course import RunCourse
from soltrace.wire.losses import Losses
from soltrace.wire.record_parts import Steps
from soltrace.wire.records import LaneNonfinite, PassEnded, PassStarted, PassSteps, ProgramCompiled
from soltrace.wire.step_fields import AttemptedSteps, ExplodedGradient, Nonfinite

COMMON = {"timestamp": datetime(2026, 1, 1, tzinfo=UTC), "run_id": "run", "experiment": None, "attributes": {}}
SOLVER = {"solver": "Tsit5", "adjoint": "RecursiveCheckpointAdjoint", "controller": "PIDController", "batch_shape": []}


def of_pass(phase="forward", solve=1):
    return COMMON | {"solve_id": f"run.{solve}", "pass_id": f"run.{solve}.{phase}", "phase": phase}


def ended(phase="forward", solve=1, **more):
    values = {"status": "ok", "result": "successful", "duration_s": 1.0, "progress": 1.0, "t": 1.0, "step": 100}
    return PassEnded(**of_pass(phase, solve) | values | more)


def nonfinite(found_in, step, phase="forward", **more):
    where = {"t": 0.5, "dt": 0.01, "path": "y['membrane'][3]", "value": "NaN"}
    value = Nonfinite(step=step, found_in=found_in, **where | more)
    return LaneNonfinite(**of_pass(phase), nonfinite=value)


def judged(*records):
    """What is found of the pass that these are about."""
    gatherings = Gatherings()
    (evidence,) = [found for record in records if (found := gatherings.add(record)) is not None]
    return findings(evidence)


def test_the_first_value_that_is_not_finite():
    """Forwards the earliest, with what was there before; backwards the one that the gradient meets first."""
    started = PassStarted(**of_pass(), **SOLVER)
    failed = {"status": "error", "result": "max_steps_reached", "progress": 0.505, "t": 0.505}
    (found,) = judged(started, nonfinite("state", 41, before=0.25), ended(**failed))
    assert found.kind == "nonfinite"
    assert found.text == (
        "The first value that was not finite: NaN in y['membrane'][3], in the state, in step 41, from t=0.5 on with "
        "dt=0.01; it was 0.25 when the step began."
    )
    back = PassStarted(**of_pass("backward"), **SOLVER)
    more = {"before": 2.0, "primal": 0.0}
    cotangents = [nonfinite("cotangent of the state", step, "backward", **more) for step in (7, 9)]
    (found,) = judged(back, *cotangents, ended("backward"))
    assert found.numbers == {"t": 0.5, "step": 9, "path": "y['membrane'][3]", "found_in": "cotangent of the state"}
    assert found.text == (
        "The solve is finite, its gradient is not: on its way back, the cotangent of y['membrane'][3] became NaN in "
        "step 9, from t=0.5 on with dt=0.01. It was 2 where that step ends. y['membrane'][3] is 0 where it begins."
    )


def test_what_a_gradient_owes_to_others():
    """To the loss, to a forward pass that is lost, to its growth, or to the lanes that wait for one another."""
    back = PassStarted(**of_pass("backward"), **SOLVER)

    def said(found_in, **more):
        (found,) = judged(back, nonfinite(found_in, **{"step": UNSET, "phase": "backward"} | more), ended("backward"))
        return found.text, found.advice

    of_a_loss = {"path": "ys[0, 1]", "dt": UNSET, "value": "Infinity"}
    text, advice = said("cotangent of the result", primal=0.0, **of_a_loss)
    assert text == (
        "The solve is finite, its gradient is not: the cotangent of ys[0, 1], saved at t=0.5, is Infinity where the "
        "backward pass begins. It comes from what is computed of the result, such as a loss, and not from the solve. "
        "It is 0 there."
    )
    assert advice.startswith("Look at what your loss does with that value")
    text, advice = said("cotangent of the result", primal="NaN", **of_a_loss)
    assert (text.split(":")[0], advice.split(":")[0]) == (
        "Neither the solve nor its gradient is finite",
        "The forward pass has lost it already",
    )
    text, _ = said("cotangent of an input", path="args['k']", t=UNSET, dt=UNSET, primal=0.0)
    assert text == (
        "The solve is finite, its gradient is not: the cotangent of args['k'], which is 0, is NaN. Those of the state "
        "were finite in every step: it arises where the vector field uses this value."
    )
    _, advice = said("cotangent of the state", before=1e37, value="Infinity")
    assert advice.startswith("The gradient exploded")
    of_a_solve = {"step": 7, "stage": 2, "dt": -0.25, "before": 0.5}
    text, advice = said("vector field", path="cotangent of y[1]", **of_a_solve)
    assert text == (
        "The solve is finite, its gradient is not: in the solve back, the first value that was not finite is NaN in "
        "the cotangent of y[1], in the vector field, in step 7 in its stage 2, from t=0.5 on with dt=-0.25; it was 0.5 "
        "when the step began."
    )
    assert advice.startswith("Look at what the vector field does with that state")
    text, advice = said("state", path="y[1]", value="Infinity", **of_a_solve | {"stage": UNSET})
    assert "not finite is Infinity in y[1], in the state, in step 7, from" in text
    assert advice.startswith("This adjoint solves the state backwards anew")
    text, _ = said("initial state", path="y[1]", step=1, dt=-0.25)
    assert text.startswith("Neither the solve nor its gradient is finite")
    text, _ = said("cotangent of the state", before="NaN")
    assert "from those of other lanes that it waited for" in text


def test_where_a_gradient_exploded():
    """From what to what, and since when, where that is known; a value that is not finite is said before."""
    back = PassStarted(**of_pass("backward"), **SOLVER)
    numbers = {"path": "y[2]", "value": 1.25e7, "primal": 30.0, "arrived": 1.5, "largest": 4e9}
    told = ExplodedGradient(batch_index=[2], lanes=3, step=1416, t=15.5, dt=0.25, **numbers)
    (found,) = judged(back, ended("backward", exploded=told))
    assert found.kind == "exploding_gradient"
    assert found.text == (
        "The gradient of lane 2 exploded, as in 3 lanes: its cotangents grew from 1.5, where the backward pass begins, "
        "to 4e+09. From t=15.5 on back, in step 1,416, what rounding does to y[2] changes the result by more than its "
        "own size: the cotangent of y[2], which is 30, is 1.25e+07 there."
    )
    assert found.numbers == {"from": 1.5, "to": 4e9, "path": "y[2]", "t": 15.5, "step": 1416}
    (found,) = judged(back, ended("backward", exploded=ExplodedGradient(**numbers | {"path": "y0[2]"})))
    assert "to 4e+09. At the beginning, what rounding does to y0[2] changes the result" in found.text
    both = nonfinite("cotangent of the state", 7, "backward"), ended("backward", exploded=told)
    assert [found.kind for found in judged(back, *both)] == ["nonfinite", "exploding_gradient"]


def test_a_step_that_was_tried_in_vain_is_no_trouble():
    """A first step far too large meets NaN, is rejected, and nothing is lost."""
    tried = nonfinite("vector field", 1)
    steps = Steps(accepted=80, rejected=20)
    assert judged(PassStarted(**of_pass(), **SOLVER), tried, ended(steps=steps)) == []
    short = {"status": "error", "result": "max_steps_reached", "progress": 0.9, "t": 0.9, "steps": steps}
    (found,) = judged(PassStarted(**of_pass(), **SOLVER), tried, ended(**short))
    assert found.kind == "max_steps"


def test_of_what_is_not_known_nothing_is_said():
    """Of a pass whose end never came, and of one that only a meter tells of."""
    assert judged(ended(status="error", result="abandoned", steps=Steps(accepted=1, rejected=99))) == []
    assert judged(ended(result="unknown")) == []


def test_retries_are_compared_with_themselves_alone():
    """An accepted step, another place, or an error that is not finite tells nothing."""
    columns = [
        (0.0, 0.4, False, 32.0),
        (0.0, 0.2, False, 1.0),  # a fifth order
        (0.0, 0.1, True, 0.5),  # a first order
        (0.1, 0.2, False, "Infinity"),
        (0.1, 0.1, True, 0.5),
        (0.2, 0.05, True, 0.5),
    ]
    t, dt, accepted, error = map(list, zip(*columns, strict=True))
    attempts = AttemptedSteps(
        step=[1, 2, 3, 4, 5, 6], t=t, dt=dt, accepted=accepted, reason=[""] * 6, scaled_error=error, batch_index=UNSET
    )
    gatherings = Gatherings()
    for record in (PassStarted(**of_pass(), **SOLVER), PassSteps(**of_pass(), attempts=attempts)):
        assert gatherings.add(record) is None
    evidence = gatherings.add(ended())
    assert isinstance(evidence, Evidence)
    found = retries(evidence.telling)
    assert found is not None
    assert list(found.exponents) == pytest.approx([1.0, 5.0])
    assert (found.attempted, found.rejected) == (6, 3)


def test_what_dominates_the_error_is_said_where_steps_are_the_trouble():
    """Its path and shares, if it does so in most steps; and nothing of a pass that is in order."""

    def steps(error_in, error_share):
        count = len(error_in)
        columns = {"t": [0.1 * i for i in range(count)], "dt": [0.1] * count, "scaled_error": [0.5] * count}
        same = {"step": [*range(1, count + 1)], "accepted": [True] * count, "reason": [""] * count}
        return PassSteps(
            **of_pass(), attempts=AttemptedSteps(**columns, **same, error_in=error_in, error_share=error_share)
        )

    started = PassStarted(**of_pass(), **SOLVER)
    short = ended(status="error", result="max_steps_reached", progress=0.5, t=0.5)
    (found,) = judged(started, steps(["y['k'][3]"] * 3 + [""], [1.0, 0.75, 0.5, "NaN"]), short)
    assert found.text.endswith(
        " y['k'][3] dominates the error: it was the largest in 75 % of 4 recorded steps, with 75 % of the squares on "
        "average."
    )
    assert {name: found.numbers[name] for name in ("error_in", "steps_share", "error_share")} == {
        "error_in": "y['k'][3]",
        "steps_share": 0.75,
        "error_share": 0.75,
    }
    for columns in ((["y[0]", "y[1]"] * 2, [0.9] * 4), (["y[0]"] * 4, [0.4] * 4), ([""] * 4, ["NaN"] * 4)):
        (found,) = judged(started, steps(*columns), short)
        assert "error_in" not in found.numbers
        assert "dominates" not in found.text
    assert judged(started, steps(["y[0]"] * 4, [0.9] * 4), ended()) == []


def test_what_changed_between_compilations():
    """The argument by its place, and no more than a few of its types."""
    course = RunCourse()
    for size in range(6):
        took = {"trace_s": 0.5, "lower_s": 0.1, "compile_s": 0.4}
        course.add(ProgramCompiled(**COMMON, function="fit", **took, arguments=["float32[2]", f"float32[{size}]"]))
        course.add(PassStarted(**of_pass(solve=size), **SOLVER))
        course.add(ended(solve=size))
    (found,) = course.findings()
    assert found.kind == "recompiled"
    assert found.text == (
        "fit was compiled 6 times for 6 solves, which took 6 s. What changed: the type of argument 1 (float32[0], "
        "float32[1], float32[2], float32[3], …)."
    )


def test_a_rule_that_fails_costs_its_verdict_alone(monkeypatch):
    """The pass is told without, and the failure is counted."""

    def broken(evidence):
        raise ZeroDivisionError

    monkeypatch.setattr(rules, "RULES", (broken,))
    losses = Losses()
    record = ended(status="error", result="max_steps_reached")
    assert Judge(losses)([record]) == [record]
    assert [(loss.what, loss.dropped) for loss in losses.take()] == [("record", 1)]


def test_numbers_in_words():
    """Two digits, and no more than is known."""
    assert [share(x) for x in (0.0, 0.0001, 0.337, 0.996, 1.0)] == ["0 %", "less than 0.1 %", "34 %", "100 %", "100 %"]
    assert [about(x) for x in (7.4, 123.0, 45_678.0, 3e12)] == ["about 7", "about 120", "about 46,000", "about 3.0e+12"]
    assert [seconds(x) for x in (0.0123, 3.0, 250.0, 1e5)] == ["12 ms", "3 s", "4.2 min", "1,667 min"]
