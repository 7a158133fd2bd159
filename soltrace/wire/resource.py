"""Where a run lives: the facts of the log's first line and of OpenTelemetry's resource (`soltrace.export.detector`).

Host side, any thread. Versions are read from the installed packages' metadata, devices from jax if it is in use:
nothing is imported or started for them.
"""

import os
import platform
import socket
import sys
from collections.abc import Mapping
from importlib import metadata
from typing import Any, Final, NamedTuple

from msgspec import UNSET, UnsetType

from soltrace.wire.plain_text import plain_text
from soltrace.wire.records import Attribute

PACKAGES: Final = ("soltrace", "jax", "jaxlib", "diffrax")


class Scheduler(NamedTuple):
    """How a scheduler tells a process who it is."""

    marks: str
    """The variable that is only set where it runs."""
    variables: Mapping[str, tuple[str, ...]]
    """Where to look for each fact, in this order."""


_MPI_RANKS: Final = ("PMIX_RANK", "OMPI_COMM_WORLD_RANK")
SCHEDULERS: Final[Mapping[str, Scheduler]] = {
    "slurm": Scheduler(
        "SLURM_JOB_ID",
        {
            # An array task has a job id of its own; people know the array's.
            "job": ("SLURM_ARRAY_JOB_ID", "SLURM_JOB_ID"),
            "rank": ("SLURM_PROCID",),
            "array_task": ("SLURM_ARRAY_TASK_ID",),
            "restart": ("SLURM_RESTART_COUNT",),
        },
    ),
    "pbs": Scheduler(
        "PBS_JOBID",
        {
            "job": ("PBS_JOBID",),
            "rank": (*_MPI_RANKS, "PMI_RANK"),
            "array_task": ("PBS_ARRAY_INDEX", "PBS_ARRAYID"),
        },
    ),
    "lsf": Scheduler(
        "LSB_JOBID",
        {
            "job": ("LSB_JOBID",),
            "rank": _MPI_RANKS,
            "array_task": ("LSB_JOBINDEX",),
            "restart": ("LSB_RESTART",),
        },
    ),
    # Grid Engine, whoever's it is. Its `JOB_ID` alone would be anybody's.
    "sge": Scheduler(
        "SGE_TASK_ID",
        {
            "job": ("JOB_ID",),
            "rank": (*_MPI_RANKS, "PMI_RANK"),
            "array_task": ("SGE_TASK_ID",),
            "restart": ("RESTARTED",),
        },
    ),
    # The index is Kubernetes' own, of an indexed Job; the names are what its documentation calls them in a pod's `env`.
    # A pod's host name is its name. Last: the others may run inside it.
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

_NO_ARRAY: Final[Mapping[str, str]] = {"lsf": "0", "sge": "undefined"}
"""How a scheduler says that a job is no array."""
_AGAIN: Final[Mapping[str, str]] = {"lsf": "Y", "sge": "1"}
"""How one says that a job is run again which does not count how often."""


def resource(environ: Mapping[str, str] = os.environ) -> dict[str, Attribute]:
    """Describe this process: host, versions, devices where they are known, the scheduler's job where there is one."""
    facts: dict[str, Attribute] = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "argv0": sys.argv[0] if sys.argv else "",
        "executable": sys.executable,
        "python": platform.python_version(),
        **_versions(),
        **devices(),
        **_job(environ),
    }
    return {key: plain_text(fact) if isinstance(fact, str) else fact for key, fact in facts.items()}


def is_scheduled(environ: Mapping[str, str] = os.environ) -> bool:
    """Say whether a scheduler has started this process, and may end it."""
    return any(environ.get(scheduler.marks) for scheduler in SCHEDULERS.values())


def devices() -> dict[str, Attribute]:
    """Say what jax computes on: `backend`, `devices` (how many, of all processes), `device_kinds`, and which process.

    The last only where there are several: the number of one alone would look like a rank.

    Returns:
        Nothing before jax has found that out for itself: asking would make it take a GPU, or join its other processes.
    """
    jax = jax_in_use()
    if jax is None:
        return {}
    found = jax.devices()
    return {
        "backend": jax.default_backend(),
        "devices": len(found),
        "device_kinds": sorted({device.device_kind for device in found}),
        **({} if jax.process_count() == 1 else {"process_index": jax.process_index()}),
        "process_count": jax.process_count(),
    }


def completed(known: Mapping[str, Attribute]) -> dict[str, Attribute]:
    """Add to a resource what jax computes on, once it does; nothing, as long as that is not known."""
    found = devices()
    return {**known, **found} if found else {}


_FOUND: Final[list[int | UnsetType]] = []
"""What `process_index` has found; it stays so."""


def process_index() -> int | UnsetType:
    """Say which of the processes of one jax program this is; UNSET where there is one alone, or before jax knows."""
    if not _FOUND and (jax := jax_in_use()) is not None:  # asked for each record
        _FOUND.append(UNSET if jax.process_count() == 1 else jax.process_index())
    return _FOUND[0] if _FOUND else UNSET


def jax_in_use() -> Any:
    """The module jax if its backend has been started, by whoever that was."""
    # Not through the traced room: that would import jax and diffrax where nobody may want them. jax has no public way
    # to ask whether its backend has been started.
    jax, bridge = sys.modules.get("jax"), sys.modules.get("jax._src.xla_bridge")
    started = getattr(bridge, "backends_are_initialized", None)
    return jax if started is not None and started() else None


def _versions() -> dict[str, Attribute]:
    versions: dict[str, Attribute] = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _job(environ: Mapping[str, str]) -> dict[str, Attribute]:
    """What the first scheduler says that is there."""
    for name, scheduler in SCHEDULERS.items():
        if not environ.get(scheduler.marks):
            continue
        found = {
            key: next((environ[variable] for variable in variables if environ.get(variable)), None)
            for key, variables in scheduler.variables.items()
        }
        if found.get("array_task") == _NO_ARRAY.get(name):
            found.pop("array_task", None)
        if name in _AGAIN and found["restart"] is not None:
            found["restart"] = "1" if found["restart"] == _AGAIN[name] else None
        return {"scheduler": name, **{key: value for key, value in found.items() if value}}
    return {}
