"""The flame graph: as speedscope's own schema has it, and what it adds up to."""

import json
from pathlib import Path

import jsonschema
import pytest

from soltrace.report.loading import Converted
from soltrace.report.pictures.drawing import draw

pytestmark = pytest.mark.once

# From the package `speedscope` 1.25.0, where it is dist/release/file-format-schema.json; its licence lies beside it.
SCHEMA = Path(__file__).parents[1] / "expected" / "speedscope-schema.json"


@pytest.fixture
def graph(files, tmp_path):
    """The profiles of two runs, by name: how much each stack weighs."""
    target = tmp_path / "speedscope.json"
    assert draw("speedscope", files, target) == Converted(records=30, skipped=2)
    whole = json.loads(target.read_text())
    jsonschema.Draft7Validator(json.loads(SCHEMA.read_text())).validate(whole)
    names = [frame["name"] for frame in whole["shared"]["frames"]]
    stacks = {}
    for profile in whole["profiles"]:
        assert profile["endValue"] == pytest.approx(sum(profile["weights"]))
        named = (" > ".join(names[frame] for frame in stack) for stack in profile["samples"])
        stacks[profile["name"], profile["unit"]] = dict(zip(named, profile["weights"], strict=True))
    return stacks


def test_seconds_by_experiment_and_stage(graph):
    """What was rejected or recomputed has its share of the pass; the stages of an experiment add up to what it took."""
    assert graph["seconds, all runs", "seconds"] == pytest.approx(
        {
            "fit > compile > fit > tracing": 0.8,
            "fit > compile > fit > lowering": 0.1,
            "fit > compile > fit > compiling": 1.1,
            "fit > forward": 3.6,
            "fit > forward > rejected (share of steps)": 0.4,
            "fit > backward": 8 * 20 / 56,
            "fit > backward > recomputed (share of steps)": 8 * 36 / 56,
            "sweep > warm > forward": 2.5,
            "sweep > warm > forward > rejected (share of steps)": 0.5,
            "sweep > warm > forward > lost": 12.0,
            "sweep > warm > backward": 1.0,
        }
    )


def test_steps(graph):
    """Are counted, and not estimated."""
    assert graph["steps, all runs", "none"] == {
        "fit > forward": 18,
        "fit > forward > rejected": 2,
        "fit > backward": 20,
        "fit > backward > recomputed": 36,
        "sweep > warm > forward": 250,
        "sweep > warm > forward > rejected": 50,
        "sweep > warm > forward > lost": 50,
    }


def test_each_run_has_a_graph_of_its_own(graph):
    """Beside that of all of them."""
    assert list(graph) == [
        (f"{unit}, {name}", shown)
        for name in ("all runs", "a", "b")
        for unit, shown in (("seconds", "seconds"), ("steps", "none"))
    ]
    assert set(graph["steps, b", "none"]) == {name for name in graph["steps, all runs", "none"] if "sweep" in name}


def test_outside_of_experiments(tmp_path, logs):
    """A pass has a place too, and what there was is replaced at once."""
    log = logs("r1", None)
    log.append(
        tmp_path / "run.jsonl", log.started(0), log.ended(2, duration_s=2.0, steps={"accepted": 4, "rejected": 0})
    )
    target = tmp_path / "x.speedscope.json"
    target.write_text("old")
    draw("speedscope", [tmp_path / "run.jsonl"], target)
    frames = json.loads(target.read_text())["shared"]["frames"]
    assert frames == [{"name": "outside any experiment"}, {"name": "forward"}]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.jsonl", "x.speedscope.json"]
