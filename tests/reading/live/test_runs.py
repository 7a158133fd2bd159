import pytest

from soltrace.reading.live.runs import Runs


@pytest.mark.parametrize(
    "resource,name",
    [
        ({"host": "node07", "pid": 4295}, "node07 4295"),
        ({"host": "node07.cluster.example", "pid": 4295, "rank": "3"}, "rank 3"),
        ({"host": "node07", "pid": 4295, "array_task": "12", "rank": "0"}, "task 12"),
        ({"host": "node07", "pid": 4295, "array_task": "12", "rank": "1"}, "task 12 rank 1"),
        ({"process_index": 2}, "rank 2"),
        ({"rank": "\x1b[31m"}, r"rank \x1b[31m"),
        ({}, "r1"),
    ],
)
def test_a_run_is_named_by_its_place(logs, resource, name):
    """People know tasks and ranks; without a job, machines and processes; without a first line, ids."""
    runs = Runs()
    runs.opened(logs().opened(**resource))

    assert runs.name(logs().experiment_started(0)) == name


def test_one_run_needs_no_name(logs):
    """As soon as there are two, each has one."""
    a, b = logs("a"), logs("b")
    runs = Runs()
    assert runs.column(a.experiment_started(0)) == ""

    assert runs.column(b.experiment_started(0)) == "b"
    assert runs.column(a.experiment_started(0)) == "a"


def test_two_runs_are_never_called_the_same(logs):
    """Rank 3 of another job goes by its id."""
    runs = Runs()
    for run in ("a", "b"):
        runs.opened(logs(run).opened(rank="3"))

    assert [runs.name(logs(run).experiment_started(0)) for run in "aba"] == ["rank 3", "b", "rank 3"]


def test_a_process_of_a_jax_program_says_which_it_is(logs):
    """On its lines, where its log was opened before jax knew."""
    log = logs()
    record = log.started(0, process_index=5)

    assert Runs().name(record) == "rank 5"


def test_runs_without_end_do_not_grow_it(logs):
    """The oldest are forgotten."""
    runs = Runs()
    for i in range(10_100):
        runs.opened(logs(f"r{i}").opened(rank=i))
        runs.name(logs(f"r{i}").experiment_started(0))

    assert (len(runs._resources), len(runs._names), len(runs._taken)) == (10_000, 10_000, 10_000)
