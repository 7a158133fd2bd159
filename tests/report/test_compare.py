"""Passes side by side."""

import pytest

from soltrace.report.compare import MOST_VALUES, differences
from soltrace.report.facts import Group
from soltrace.report.gather import gather
from soltrace.wire.record_parts import Steps


def test_by_any_attribute_that_differs(tmp_path, logs):
    """Numbers in their order, those without the attribute last; what all have alike is not compared by."""
    path = tmp_path / "run.jsonl"
    for number, (value, duration_s) in enumerate([({"lr": 10}, 4.0), ({"lr": 9}, 2.0), ({}, 1.0)]):
        log = logs(solver_name="x", **value)
        log.append(path, log.started(number, number), log.ended(number, number, duration_s=duration_s))

    (comparison,) = gather([path]).comparisons

    assert (comparison.by, [group.value for group in comparison.groups.rows]) == ("lr", ["9", "10", None])
    assert comparison.differences == ["lr=10 takes longest in a forward pass: 4 s, 4 times as much as lr=none (1 s)"]


@pytest.mark.parametrize("name", ['a"b', "a/b~c", "a.b", "$x", "*", "'", "COMPARED_BY", "experiment", "ü"])
def test_whatever_an_attribute_is_called(tmp_path, logs, name):
    """Its name is a name, and no path, no pattern and no expression."""
    path = tmp_path / "run.jsonl"
    for number in (1, 2):
        log = logs(**{name: number})
        log.append(path, log.ended(number, number))

    comparisons = gather([path]).comparisons

    assert [(it.by, [group.value for group in it.groups.rows]) for it in comparisons] == [(name, ["1", "2"])]


def test_what_has_too_many_values_is_named(tmp_path, logs):
    """The number of an iteration tells nothing when compared by."""
    path = tmp_path / "run.jsonl"
    path.write_bytes(b"".join(logs(i=n).line(logs(i=n).ended(n, n)) for n in range(4 * MOST_VALUES)))

    report = gather([path])

    assert (report.comparisons, list(report.too_many)) == ([], ["i"])
    assert report.too_many["i"] == pytest.approx(4 * MOST_VALUES, rel=0.2)


def test_the_solver_is_compared_by_too(tmp_path, log):
    """And what else tells passes apart."""
    path = tmp_path / "run.jsonl"
    log.append(
        path,
        *(
            r
            for n, solver in enumerate(("Tsit5", "Dopri5"))
            for r in (log.started(n, n, solver=solver), log.ended(n, n))
        ),
    )

    assert [comparison.by for comparison in gather([path]).comparisons] == ["solver"]


def group(value: str, **more) -> Group:
    values = {"passes": 10, "failed": 0, "steps": 100, "rejected": 0, "forward_s": 1.0, "backward_s": 0.0}
    return Group(value, **values | {"median_forward_s": 0.1, "median_backward_s": None} | more)


def test_differences_are_named_the_largest_first():
    """Ratios, then shares; what hardly differs is not said."""
    groups = [group("1", steps=1000, failed=5, rejected=500), group("2", median_forward_s=0.15), group("3", steps=101)]

    assert differences("lr", groups) == [
        "lr=1 takes most steps in a pass: 100 steps, 10 times as much as lr=2 (10 steps)",
        "lr=2 takes longest in a forward pass: 150 ms, 1.5 times as much as lr=1 (100 ms)",
        "lr=1 fails most often: 50.0 %, and lr=2 (0.0 %) least",
        "lr=1 rejects most steps: 50.0 %, and lr=2 (0.0 %) least",
    ]
    assert differences("lr", [group("1"), group("2")]) == []
    assert differences("lr", [group("1")]) == []


def test_steps_that_are_not_known(tmp_path, logs):
    """Make no difference that can be named."""
    path = tmp_path / "run.jsonl"
    for seed, steps in ((1, Steps(accepted=0, rejected=0)), (2, Steps(accepted=9, rejected=1))):
        log = logs(seed=seed)
        log.append(path, log.ended(seed, seed, steps=steps))

    assert gather([path]).comparisons[0].differences == []
