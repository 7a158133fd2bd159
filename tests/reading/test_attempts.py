"""Which run replaces which: only where the scheduler itself says so."""

import pytest
from msgspec import structs

from soltrace.reading.attempts import Attempts

SLURM = {"scheduler": "slurm", "job": "7", "array_task": "3"}
POD = {"scheduler": "kubernetes", "job": "fit", "array_task": "3", "namespace": "lab"}


def _known(resource):
    return {name: value for name, value in resource.items() if value is not None}


@pytest.mark.parametrize(
    "first,second,replaced",
    [
        (SLURM, SLURM | {"restart": "1"}, True),
        (SLURM | {"restart": "9"}, SLURM | {"restart": "10"}, True),
        (SLURM | {"restart": "2"}, SLURM | {"restart": "1"}, False),
        (SLURM | {"rank": "1"}, SLURM | {"rank": "0", "restart": "1"}, True),
        (SLURM, SLURM, False),
        (SLURM, SLURM | {"array_task": "4", "restart": "1"}, False),
        (SLURM, SLURM | {"job": "8", "restart": "1"}, False),
        (SLURM, SLURM | {"restart": "many"}, False),
        (SLURM | {"scheduler": "lsf"}, SLURM | {"scheduler": "lsf", "restart": "1"}, True),
        (SLURM | {"scheduler": "sge"}, SLURM | {"scheduler": "sge", "restart": "1"}, True),
        (SLURM | {"scheduler": "condor"}, SLURM | {"scheduler": "condor", "restart": "1"}, True),
        (SLURM | {"scheduler": "awsbatch"}, SLURM | {"scheduler": "awsbatch", "restart": "1"}, True),
        (POD | {"pod": "fit-3-a"}, POD | {"pod": "fit-3-b"}, True),
        (POD | {"pod": "fit-3-a"}, POD | {"pod": "fit-3-a"}, False),
        (
            {"scheduler": "kubernetes", "job": "fit", "pod": "a"},
            {"scheduler": "kubernetes", "job": "fit", "pod": "b"},
            False,
        ),
        ({"scheduler": "pbs", "job": "7"}, {"scheduler": "pbs", "job": "7"}, False),
        ({}, {}, False),
    ],
)
def test_a_retry_replaces_what_its_scheduler_has_killed(logs, first, second, replaced):
    """It is the same job, task or index, and a later attempt."""
    attempts = Attempts()
    attempts.opened(logs("a").opened(0, **_known(first)))
    assert not attempts.replaced("a")
    attempts.opened(logs("b").opened(100, **_known(second)))
    assert attempts.replaced("a") is replaced
    assert attempts.replaced("b") is (first.get("restart") == "2")


def test_a_later_part_of_a_log_is_no_later_attempt(logs):
    """It begins with the line that its first part began with, at a time of its own."""
    attempts = Attempts()
    attempts.opened(logs("a").opened(0, **POD, pod="fit-3-a"))
    attempts.opened(logs("b").opened(100, **POD, pod="fit-3-b"))
    attempts.opened(structs.replace(logs("a").opened(200, **POD, pod="fit-3-a"), part=2))
    assert [attempts.replaced(run) for run in ("a", "b")] == [True, False]
