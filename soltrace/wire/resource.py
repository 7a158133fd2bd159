"""Where a run lives: the facts of the log's first line and of OpenTelemetry's resource (`soltrace.export.detector`).

Host side, any thread. Versions are read from the installed packages' metadata, or from modules that are imported, and
devices from jax if it is in use: nothing is imported or started for them.
"""

import os
import platform
import socket
import sys
from collections.abc import Mapping
from typing import Any, Final

from msgspec import UNSET, UnsetType

from soltrace.wire.package_version import package_version
from soltrace.wire.plain_text import plain_text
from soltrace.wire.records import Attribute
from soltrace.wire.schedulers import job

PACKAGES: Final = ("soltrace", "jax", "jaxlib", "diffrax")


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
        **job(environ),
    }
    return {key: plain_text(fact) if isinstance(fact, str) else fact for key, fact in facts.items()}


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
    return {**known, **_versions(), **found} if found else {}


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
    versions = {package: package_version(package) for package in PACKAGES}
    return {package: version for package, version in versions.items() if version is not None}
