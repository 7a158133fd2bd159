"""Where a run lives: what the first line of its log says.

Host side. Versions are read from the installed packages' metadata: nothing is imported for them.
"""

import os
import platform
import socket
import sys
from collections.abc import Mapping
from importlib import metadata
from typing import Final

from soltrace.records import Attribute

PACKAGES: Final = ("soltrace", "jax", "jaxlib", "diffrax")
SCHEDULERS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "slurm": {
        # An array task has a job id of its own; people know the array's.
        "job": ("SLURM_ARRAY_JOB_ID", "SLURM_JOB_ID"),
        "rank": ("SLURM_PROCID",),
        "array_task": ("SLURM_ARRAY_TASK_ID",),
    },
    "pbs": {
        "job": ("PBS_JOBID",),
        "rank": ("PMIX_RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK"),
        "array_task": ("PBS_ARRAY_INDEX", "PBS_ARRAYID"),
    },
    "lsf": {"job": ("LSB_JOBID",), "rank": ("PMIX_RANK", "OMPI_COMM_WORLD_RANK"), "array_task": ("LSB_JOBINDEX",)},
}


def resource(environ: Mapping[str, str] = os.environ) -> dict[str, Attribute]:
    """Describe this process: host, versions, and the scheduler's job where there is one."""
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "argv0": sys.argv[0] if sys.argv else "",
        "python": platform.python_version(),
        **_versions(),
        **_job(environ),
    }


def _versions() -> dict[str, Attribute]:
    versions: dict[str, Attribute] = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _job(environ: Mapping[str, str]) -> dict[str, Attribute]:
    """The first scheduler that says which job this is."""
    for scheduler, names in SCHEDULERS.items():
        found = {
            key: next((environ[name] for name in variables if environ.get(name)), None)
            for key, variables in names.items()
        }
        # LSF sets the index to 0 in a job that is no array.
        if found["job"]:
            known = {key: value for key, value in found.items() if value and (key, value) != ("array_task", "0")}
            return {"scheduler": scheduler, **known}
    return {}
