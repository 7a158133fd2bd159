"""The pictures' specifications."""

import importlib.util
from pathlib import Path

import pytest
import vl_convert

from soltrace.report.charts import charts
from soltrace.report.gather import ATTEMPTS, gather
from soltrace.report.step_facts import StepsDrawn

_spec = importlib.util.spec_from_file_location("report_samples", Path(__file__).with_name("conftest.py"))
_samples = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_samples)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The charts of the story."""
    directory = tmp_path_factory.mktemp("story")
    _samples.write_story(directory)
    return charts(gather(sorted(directory.glob("*.jsonl"))))


def test_all_are_valid(drawn):
    """Vega-Lite takes each of them, and none is without data."""
    for name, spec in drawn.items():
        assert vl_convert.vegalite_to_vega(spec)["marks"], name
        assert spec["data"]["values"], name


def test_times_by_stage(drawn):
    """Compiling stage by stage, then forward and backward."""
    assert drawn["times"]["data"]["values"] == [
        {"stage": "trace", "seconds": 0.8, "colour": "compile"},
        {"stage": "lower", "seconds": 0.1, "colour": "compile"},
        {"stage": "compile", "seconds": 1.1, "colour": "compile"},
        {"stage": "forward", "seconds": 7.0, "colour": "forward"},
        {"stage": "backward", "seconds": 9.0, "colour": "backward"},
    ]


def test_progress_over_time(drawn):
    """From the start to the end of a pass, in seconds since its start."""
    rows = [row for row in drawn["progress"]["data"]["values"] if row["pass"] == "a.1.forward"]
    assert [(row["seconds"], row["progress"]) for row in rows] == [(0.0, 0.0), (1.0, 0.25), (2.0, 0.5), (4.0, 1.0)]


def _rows(chart: dict, **chosen) -> list[dict]:
    return [row for row in chart["data"]["values"] if all(row[key] == value for key, value in chosen.items())]


def test_step_sizes_over_solver_time(drawn):
    """Every step where they were recorded, else the means between reports; rejected ones, and the first NaN, there."""
    sizes = drawn["sizes"]
    every = {"pass": "b.2.forward", "phase": "forward", "experiment": "sweep/warm", "told": "step by step"}
    mean = {"pass": "a.1.forward", "phase": "forward", "experiment": "fit", "told": "between reports"}
    last = every | {"pass": "b.1.forward"}
    found = {key: value for key, value in last.items() if key != "told"}
    assert sizes["data"]["values"] == [
        every | {"t": 0.0, "what": "error", "steps": 1, "dt": 8.0},
        every | {"t": 0.0, "what": "accepted", "steps": 1, "dt": 1.0},
        every | {"t": 1.0, "what": "accepted", "steps": 1, "dt": 3.0},
        every | {"t": 4.0, "what": "accepted", "steps": 1, "dt": 3.0},
        mean | {"t": 25.0, "dt": 3.125, "what": "accepted"},
        mean | {"t": 50.0, "dt": 5.0, "what": "accepted"},
        mean | {"t": 100.0, "dt": 10.0, "what": "accepted"},
        last | {"t": 9.5, "what": "error", "steps": 1, "dt": 1.0},
        last | {"t": 9.5, "what": "accepted", "steps": 1, "dt": 0.5},
        last | {"t": 10.0, "what": "nonfinite", "steps": 1, "dt": 0.5},
        found | {"t": 10.0, "dt": 0.5, "what": "not finite", "first": "y['gate'][0] = NaN"},
        mean | {"pass": "a.1.backward", "phase": "backward", "t": 0.0, "dt": 50 / 9, "what": "accepted"},
    ]
    shapes = sizes["layer"][1]["encoding"]["shape"]["scale"]
    assert shapes == {"domain": ["error", "nonfinite"], "range": ["cross", "triangle-up"]}


def test_scaled_errors_over_solver_time(drawn):
    """Of the steps that were recorded: one that is not finite has no place."""
    values = drawn["errors"]["data"]["values"]
    assert [(row["pass"], row["t"], row["error"], row["what"]) for row in values] == [
        ("b.2.forward", 0.0, 16.0, "error"),
        ("b.2.forward", 0.0, 0.25, "accepted"),
        ("b.2.forward", 1.0, 0.5, "accepted"),
        ("b.2.forward", 4.0, 0.75, "accepted"),
        ("b.1.forward", 9.5, 4.0, "error"),
        ("b.1.forward", 9.5, 0.5, "accepted"),
    ]


def test_what_steps_were_taken_for(drawn):
    """One picture of the work: forward, in vain, again and backward; by experiment, and by solve."""
    fit = [("forward, accepted", 18), ("forward, rejected", 2), ("recomputed", 36), ("backward", 20)]
    for name in ("work", "solves"):
        assert [(row["for"], row["steps"]) for row in _rows(drawn[name], experiment="fit")] == fit
    assert [row["name"] for row in drawn["solves"]["data"]["values"][::4]] == ["sweep/warm  b.1", "fit  a.1"]
    reasons = drawn["reasons"]
    assert [(row["name"], row["why"], row["steps"]) for row in reasons["data"]["values"]] == [
        ("sweep/warm  forward", "error", 2),
        ("sweep/warm  forward", "nonfinite", 1),
    ]
    assert reasons["encoding"]["color"]["scale"]["domain"] == ["error", "nonfinite"]


def test_what_users_watch_over_solver_time(drawn):
    """A chart for each quantity, of the passes that tell it; what is not finite has no place."""
    assert [name for name in drawn if name.startswith("watched")] == ["watched-0"]
    assert drawn["watched-0"]["encoding"]["y"]["title"] == "energy"
    about = {"pass": "a.1.forward", "phase": "forward", "experiment": "fit"}
    assert drawn["watched-0"]["data"]["values"] == [
        about | {"t": 25.0, "value": 4.0},
        about | {"t": 50.0, "value": 3.5},
    ]


@pytest.mark.once
def test_many_steps_are_drawn_together(tmp_path, log):
    """As many points as there is room for: of one fate each, with how many steps they are."""
    count = 3 * ATTEMPTS
    steps = log.steps(
        1,
        step=[*range(1, count + 1)],
        t=[i / 4 for i in range(count)],
        dt=[0.25] * count,
        accepted=[i % 3 != 0 for i in range(count)],
        reason=["" if i % 3 else "error" for i in range(count)],
    )
    log.append(tmp_path / "run.jsonl", log.started(0), steps, log.ended(2))

    (curve,) = gather([tmp_path / "run.jsonl"]).curves

    assert curve.every_step
    assert curve.attempts[:3] == [
        StepsDrawn(0.0, 0.25, None, 1, "error"),
        StepsDrawn(0.25, 0.25, None, 2, None),
        StepsDrawn(0.75, 0.25, None, 1, "error"),
    ]
    assert (len(curve.attempts), sum(it.steps for it in curve.attempts)) == (2 * ATTEMPTS, count)
