"""On what was it measured: the machine and the versions, as lines of markdown."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("jax", "jaxlib", "diffrax", "equinox", "structlog", "opentelemetry-sdk", "tqdm", "soltrace")


def describe() -> str:
    """Name the processor, how many of it, the system, and the versions."""
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{_processor()}, {cores} cores, {system}.\n{versions}."


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"
