"""`soltrace explain`: why passes failed, for people and for programs, and one pass by its name."""

import json

import pytest
from msgspec import structs

from soltrace.wire.record_parts import Steps
from soltrace.wire.verdicts import Verdict

WHY = (
    "It stopped at max_steps=100 with 25 % done at t=25. Had it gone on at that rate, the whole would have taken "
    "about 400 steps."
)
TRY = (
    "Raise max_steps to 500 steps, loosen the tolerances, or take a solver of higher order. If that is more than you "
    "expect, detail='steps' tells whether the model is stiff or not smooth."
)


@pytest.fixture
def runs(tmp_path, log):
    """The directory that is read by default: a solve that is in order, and one that runs out of steps."""
    path = tmp_path / "soltrace-runs"
    path.mkdir()
    short = {"status": "error", "result": "max_steps_reached", "progress": 0.25, "t": 25.0, "step": 100}
    log.append(
        path / "run.jsonl",
        *(log.started(0), log.ended(2, duration_s=2.0)),
        log.started(2, 2, max_steps=100, rtol=1e-5, atol=1e-5, dtype="float32"),
        log.ended(3, 2, **short, duration_s=0.5, steps=Steps(accepted=80, rejected=20)),
    )
    return path


def test_what_is_wrong_is_said_with_its_evidence(soltrace, runs):
    """A pass that is in order is counted, and no more."""
    facts = "Tsit5 PIDController RecursiveCheckpointAdjoint, rtol 1e-05, atol 1e-05, float32, at most 100 steps"
    assert soltrace.run("explain") == (
        0,
        [
            "fit  #2 forward  FAILED in 500 ms: max_steps_reached at 25.0 %, t=25  (r1.2.forward)",
            f"  evidence: {facts}, 100 steps (20 rejected)",
            f"  max_steps: {WHY}",
            f"    try: {TRY}",
            "",
            "2 passes ended, 1 of them failed: with 1 something is wrong.",
        ],
        [],
    )


@pytest.mark.parametrize("name", ["#2", "2", "2.forward", "2 forward", "r1.2", "r1.2.forward"])
def test_one_pass_by_its_name(soltrace, runs, name):
    """By what the live view and the report call it, or as the log does; where it is told is said before or after."""
    orders = [("--json", name), (runs, "--json", name), (name, runs, "--json")]
    answers = [soltrace.run("explain", *arguments) for arguments in orders]
    assert [(status, err) for status, _, err in answers] == [(0, [])] * 3
    assert answers[0][1] == answers[1][1] == answers[2][1]
    (line,) = answers[0][1]
    assert json.loads(line) == {
        "run_id": "r1",
        "solve_id": "r1.2",
        "pass_id": "r1.2.forward",
        "phase": "forward",
        "experiment": "fit",
        "status": "error",
        "result": "max_steps_reached",
        "duration_s": 0.5,
        "progress": 0.25,
        "t": 25.0,
        "step": 100,
        "steps.accepted": 80,
        "steps.rejected": 20,
        "solver": "Tsit5",
        "adjoint": "RecursiveCheckpointAdjoint",
        "controller": "PIDController",
        "dtype": "float32",
        "rtol": 1e-05,
        "atol": 1e-05,
        "t0": 0.0,
        "t1": 100.0,
        "max_steps": 100,
        "batch_shape": [],
        "recorded_steps": 0,
        "verdicts": [
            {
                "kind": "max_steps",
                "text": WHY,
                "advice": TRY,
                "numbers": {"steps": 100, "progress": 0.25, "needed_steps": 400.0},
            }
        ],
    }


def test_a_pass_that_is_in_order_is_said_to_be(soltrace, runs):
    """Whoever asks for it gets an answer."""
    status, out, err = soltrace.run("explain", "#1")
    assert (status, err) == (0, [])
    assert out == [
        "fit  #1 forward  ok in 2 s: successful at 100.0 %, t=100  (r1.1.forward)",
        "  evidence: Tsit5 PIDController RecursiveCheckpointAdjoint, at most 4,096 steps, 4,602 steps (17 rejected)",
        "  Nothing is wrong with it, as far as its records tell.",
        "",
    ]


def test_what_dominates_the_error_of_its_steps(soltrace, tmp_path, log):
    """Is said of a pass that is asked for, and once where its verdict says it too."""
    columns = {"step": [1, 2], "t": [0.0, 0.5], "dt": [0.5, 0.5], "accepted": [True] * 2, "reason": ["", ""]}
    known = columns | {"scaled_error": [0.5, 0.25], "error_in": ["y['k']"] * 2, "error_share": [0.75, 1.0]}
    short = {"status": "error", "result": "max_steps_reached", "progress": 0.25, "t": 25.0, "step": 100}
    log.append(
        tmp_path / "run.jsonl",
        *(log.started(0), log.steps(1, **known), log.ended(1)),
        *(log.started(2, 2, max_steps=100), log.steps(3, 2, **known), log.ended(3, 2, **short)),
    )
    said = "y['k'] dominates the error: it was the largest in 100 % of 2 recorded steps, with 88 % of the squares on"
    for name, line in (("#1", f"  error: {said} average."), ("#2", f"  max_steps: {WHY} {said} average.")):
        _, out, _ = soltrace.run("explain", tmp_path, name)
        assert [shown for shown in out if "dominates" in shown] == [line]
        _, (shown,), _ = soltrace.run("explain", tmp_path, name, "--json")
        assert json.loads(shown)["error"] == {"in": "y['k']", "steps_share": 1.0, "error_share": 0.875}


def test_what_the_process_knew_and_its_log_does_not(soltrace, tmp_path, log):
    """The verdict that a line carries is said too: the steps from which it follows may not be there."""
    verdict = Verdict(kind="stiff", text="The model is stiff.", advice="Take an implicit solver.")
    log.append(tmp_path / "run.jsonl", log.started(0), structs.replace(log.ended(1), verdict=verdict))
    _, out, _ = soltrace.run("explain", "--json", tmp_path)
    assert json.loads(out[0])["verdicts"] == [
        {"kind": "stiff", "text": "The model is stiff.", "advice": "Take an implicit solver.", "numbers": {}}
    ]


def test_many_alike_are_counted(soltrace, tmp_path, log):
    """Three are shown."""
    short = {"status": "error", "result": "dt_min_reached", "progress": 0.25, "t": 25.0, "step": 10}
    passes = [record for i in range(1, 11) for record in (log.started(i, i), log.ended(i + 0.5, i, **short))]
    log.append(tmp_path / "run.jsonl", *passes)
    status, out, err = soltrace.run("explain", tmp_path)
    assert (status, err) == (0, [])
    assert [line for line in out if line.startswith("  dtmin")] == [
        "  dtmin: It stopped at t=25: the error wanted a step smaller than dtmin."
    ] * 3
    assert out[-2:] == [
        "and 7 more forward passes in fit like these: dtmin",
        "10 passes ended, 10 of them failed: with 10 something is wrong.",
    ]


def test_what_is_not_there(soltrace, runs):
    """No such pass, two of them, no log: each is said, with the exit status of a wrong call."""
    said = {
        ("#9",): "soltrace explain: there is no pass #9 that has ended in soltrace-runs",
        ("#1", "#2"): "soltrace explain: expected one pass, got 2: #1, #2",
        ("nothing",): "soltrace explain: nothing does not exist: give a file or a directory that soltrace has written",
    }
    assert {arguments: soltrace.run("explain", *arguments) for arguments in said} == {
        arguments: (2, [], [message]) for arguments, message in said.items()
    }
