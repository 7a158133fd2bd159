"""Which scheduler has started this process, and what it says: the job, the task, the rank, and which attempt it is.

Any side. By variables of the environment; HTCondor has a file.
"""

import os
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from soltrace.wire.job_ad import with_job_ad


class Scheduler(NamedTuple):
    """How a scheduler tells a process who it is."""

    marks: str
    """The variable that is only set where it runs."""
    variables: Mapping[str, tuple[str, ...]]
    """Where to look for each fact, in this order."""
    seen: Callable[[Mapping[str, str]], Mapping[str, str]] = lambda environ: environ
    """Finds what is looked at, from the environment."""
    no_array: tuple[str, str] | None = None
    """The variable, and what it says, of a job that is no array; None: the task's is not there then."""
    again: str | None = None
    """What the one of `restart` says of a further attempt, where these are not counted."""
    first: int | None = None
    """What it says of the first attempt, where that is counted too."""


# Of those that start the ranks, wherever: their own comes first. `mpirun` in an allocation of Slurm's leaves each rank
# the SLURM_PROCID of the script that has called it, or of its own daemon on the node.
_MPI_RANKS: Final = ("PMIX_RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK")
SCHEDULERS: Final[Mapping[str, Scheduler]] = {
    # These two run within jobs of others, whose variables a process then sees too.
    "flux": Scheduler(
        "FLUX_JOB_ID",
        {"job": ("FLUX_JOB_ID",), "rank": ("FLUX_TASK_RANK",), "array_task": ("FLUX_JOB_CC",)},
    ),
    "condor": Scheduler(
        "_CONDOR_JOB_AD",
        {
            "job": ("ClusterId",),
            "rank": (*_MPI_RANKS, "_CONDOR_PROCNO"),
            "array_task": ("ProcId",),
            "restart": ("NumJobStarts",),
        },
        with_job_ad,
        no_array=("TotalSubmitProcs", "1"),
        first=0,
    ),
    "slurm": Scheduler(
        "SLURM_JOB_ID",
        {
            # An array task has a job id of its own; people know the array's.
            "job": ("SLURM_ARRAY_JOB_ID", "SLURM_JOB_ID"),
            "rank": (*_MPI_RANKS, "SLURM_PROCID"),
            "array_task": ("SLURM_ARRAY_TASK_ID",),
            "restart": ("SLURM_RESTART_COUNT",),
        },
    ),
    "pbs": Scheduler(
        "PBS_JOBID",
        {"job": ("PBS_JOBID",), "rank": _MPI_RANKS, "array_task": ("PBS_ARRAY_INDEX", "PBS_ARRAYID")},
    ),
    "lsf": Scheduler(
        "LSB_JOBID",
        {
            "job": ("LSB_JOBID",),
            "rank": _MPI_RANKS,
            "array_task": ("LSB_JOBINDEX",),
            "restart": ("LSB_RESTART",),
        },
        no_array=("LSB_JOBINDEX", "0"),
        again="Y",
    ),
    # Grid Engine, whoever's it is. Its `JOB_ID` alone would be anybody's.
    "sge": Scheduler(
        "SGE_TASK_ID",
        {
            "job": ("JOB_ID",),
            "rank": _MPI_RANKS,
            "array_task": ("SGE_TASK_ID",),
            "restart": ("RESTARTED",),
        },
        no_array=("SGE_TASK_ID", "undefined"),
        again="1",
    ),
    # A job alone is an array of one.
    "oar": Scheduler(
        "OAR_JOB_ID",
        {"job": ("OAR_ARRAY_ID", "OAR_JOB_ID"), "rank": _MPI_RANKS, "array_task": ("OAR_ARRAY_INDEX",)},
    ),
    "awsbatch": Scheduler(
        "AWS_BATCH_JOB_ID",
        {
            "job": ("AWS_BATCH_JOB_ID",),
            "rank": (*_MPI_RANKS, "AWS_BATCH_JOB_NODE_INDEX"),
            "array_task": ("AWS_BATCH_JOB_ARRAY_INDEX",),
            "restart": ("AWS_BATCH_JOB_ATTEMPT",),
        },
        first=1,
    ),
    # The index is Kubernetes' own, of an indexed Job; the names are what its documentation calls them in a pod's `env`.
    # A pod's host name is its name. Behind the others, which may run inside it.
    "kubernetes": Scheduler(
        "KUBERNETES_SERVICE_HOST",
        {
            "job": ("JOB_NAME",),
            "array_task": ("JOB_COMPLETION_INDEX",),
            "pod": ("POD_NAME", "MY_POD_NAME", "HOSTNAME"),
            "namespace": ("POD_NAMESPACE", "MY_POD_NAMESPACE"),
            "node": ("NODE_NAME", "MY_NODE_NAME"),
        },
    ),
    # Open MPI's, and whoever else starts processes by PMIx. Last of all: the others know more, and start it.
    "mpirun": Scheduler("PMIX_NAMESPACE", {"job": ("PMIX_NAMESPACE",), "rank": _MPI_RANKS}),
}


def is_scheduled(environ: Mapping[str, str] = os.environ) -> bool:
    """Say whether a scheduler has started this process, and may end it."""
    return any(environ.get(scheduler.marks) for scheduler in SCHEDULERS.values())


def job(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Say what the first scheduler says that is there: its name as `scheduler`, and the facts that it knows."""
    for name, scheduler in SCHEDULERS.items():
        if not environ.get(scheduler.marks):
            continue
        seen = scheduler.seen(environ)
        found = {
            key: next((seen[variable] for variable in variables if seen.get(variable)), None)
            for key, variables in scheduler.variables.items()
        }
        if scheduler.no_array is not None and seen.get(scheduler.no_array[0]) == scheduler.no_array[1]:
            found["array_task"] = None
        if restart := found.get("restart"):
            found["restart"] = _restart(scheduler, restart)
        return {"scheduler": name, **{key: value for key, value in found.items() if value}}
    return {}


def _restart(scheduler: Scheduler, said: str) -> str | None:
    """Say which attempt it is, from 1 on; None: the first, of a scheduler that says something of that too."""
    if scheduler.again is not None:
        return "1" if said == scheduler.again else None
    if scheduler.first is not None and said.isascii() and said.isdigit():
        return str(int(said) - scheduler.first) if int(said) > scheduler.first else None
    return said
