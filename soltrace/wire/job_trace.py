"""The trace that all processes of a scheduler's job share: its id is made of what names the job in each of them.

Any side. So the tasks of an array, the ranks of a task, and a task that is run again meet in one trace, though nobody
has told them of each other.
"""

import os
import re
from collections.abc import Mapping
from typing import Final

from soltrace.wire.derived_ids import derived_trace_id
from soltrace.wire.job_ad import SUBMITTED_FROM
from soltrace.wire.records import Attribute
from soltrace.wire.schedulers import SCHEDULERS

_JOB_UID: Final = "JOB_UID"
_CLUSTER: Final[Mapping[str, tuple[str, ...]]] = {
    # Numbers count from the start of the instance: of one's own, one within another job, there are many. Over several
    # nodes such a one has another address on each, and the jobs in it a trace a node.
    "flux": ("FLUX_URI",),
    "condor": (SUBMITTED_FROM,),
    "slurm": ("SLURM_CLUSTER_NAME",),
    "pbs": (),  # a job's number has its server's name behind it
    "lsf": ("LSB_SUB_HOST",),
    "sge": ("SGE_CLUSTER_NAME", "SGE_ROOT", "SGE_CELL"),
    "oar": ("OAR_USER", "OAR_O_WORKDIR"),  # it has no name for itself
    "awsbatch": (),  # a job's number is unique
    # A name is free again once its job is deleted. The number is not there by itself: the downward API gives it.
    "kubernetes": (_JOB_UID,),
    # From Open MPI 5 on the name of a job has the host and the process of `mpirun` in it. Before, it is a number, made
    # of a hash of 16 bits; but where `mpirun` listens, and a key that is made up at random, all ranks are told too.
    "mpirun": ("OMPI_MCA_orte_hnp_uri", "OMPI_MCA_orte_precondition_transports"),
}
"""Variables that tell jobs apart which have the same number: those of other clusters, or of other days."""
_INDEX: Final[Mapping[str, re.Pattern[str]]] = {
    "pbs": re.compile(r"\[\d+\]|-\d+(?=\.)"),  # as PBS and as older Torque writes it
    "awsbatch": re.compile(r"[:#]\d+$"),
}
"""In the number of a job: which task of the array, or which node."""


def job_trace_id(facts: Mapping[str, Attribute], environ: Mapping[str, str] = os.environ) -> int | None:
    """Return the id of the trace of the job that this process is of.

    Args:
        facts: What is known of where it runs: see `soltrace.wire.resource`.
        environ: The variables that it sees.

    Returns:
        The same number in each of the job's processes; None where no scheduler's job is known.
    """
    scheduler, job = str(facts.get("scheduler", "")), facts.get("job")
    if scheduler not in _CLUSTER or job is None:
        return None
    # In a pod, others give a `JOB_NAME` too: Jenkins, for instance, the same one to each build.
    if scheduler == "kubernetes" and "array_task" not in facts and not environ.get(_JOB_UID):
        return None
    seen = SCHEDULERS[scheduler].seen(environ)
    cluster = [seen.get(variable, "") for variable in _CLUSTER[scheduler]]
    if scheduler == "mpirun" and str(job).isdigit() and not any(cluster):
        return None
    whole = _INDEX[scheduler].sub("", str(job)) if scheduler in _INDEX else str(job)
    return derived_trace_id(scheduler, *cluster, str(facts.get("namespace", "")), whole)
