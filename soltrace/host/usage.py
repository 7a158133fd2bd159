"""What the process takes while its passes run: memory, processors, and the memory of its devices.

Host side, on the worker thread. This machine alone is asked, which takes microseconds; jax is asked only where it
computes already, and its answer waits for no device.
"""

import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from msgspec import UNSET, UnsetType

from soltrace.wire.losses import Losses, What
from soltrace.wire.records import Usage
from soltrace.wire.resource import jax_in_use

ASKED_EVERY_S: Final = 1.0
"""Many open passes have many heartbeats, which share an answer for so long: a shorter time tells nothing of a share."""
STATM: Final = Path("/proc/self/statm")
_RESIDENT: Final = 1
"""Of the numbers in `STATM`, the pages that are in memory."""


class UsageReader:
    """Answers with what is in use now; of processors, since the answer before."""

    def __init__(
        self,
        every_s: float,
        losses: Losses,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        process_s: Callable[[], float] = time.process_time,
        find_jax: Callable[[], Any] = jax_in_use,
    ) -> None:
        """Ask nothing yet.

        Args:
            every_s: How often it is to be asked, in seconds. Where it was not for much longer, its processors are not
                known: nothing was open meanwhile, and the share would be that of another time.
            losses: Count what could not be found out.
            monotonic: Tells the time.
            process_s: Tells how many seconds of processors the process has had.
            find_jax: Finds jax, if it computes.
        """
        self._too_long_s, self._losses = 2 * (every_s + ASKED_EVERY_S), losses
        self._monotonic, self._process_s, self._find_jax = monotonic, process_s, find_jax
        self._asked_at, self._had_s = -math.inf, 0.0
        self._answer = Usage()
        self._devices_fail = False

    def __call__(self) -> Usage:
        """Say what is in use."""
        now = self._monotonic()
        if now - self._asked_at >= ASKED_EVERY_S:
            in_use, limit = self._devices()
            self._answer = Usage(
                memory_bytes=_resident(),
                cpu_utilization=self._processors(now),
                device_memory_bytes=in_use,
                device_memory_limit_bytes=limit,
            )
        return self._answer

    def _processors(self, now: float) -> float | UnsetType:
        elapsed_s, had_s = now - self._asked_at, self._had_s
        self._asked_at, self._had_s = now, self._process_s()
        if elapsed_s > self._too_long_s:
            return UNSET
        return min(max((self._had_s - had_s) / elapsed_s / _available(), 0.0), 1.0)

    def _devices(self) -> tuple[int | UnsetType, int | UnsetType]:
        jax = None if self._devices_fail else self._find_jax()
        if jax is None:
            return UNSET, UNSET
        try:
            told: list[dict[str, int]] = [device.memory_stats() or {} for device in jax.local_devices()]
        except Exception as error:  # noqa: BLE001 - a backend may not have it; the rest is told
            self._devices_fail = True
            self._losses.failed(What.USAGE, error)
            return UNSET, UNSET
        return _total(told, "bytes_in_use"), _total(told, "bytes_limit")


def _total(told: list[dict[str, int]], name: str) -> int | UnsetType:
    """Add up what devices tell; UNSET unless all do: CPUs tell nothing."""
    return sum(one[name] for one in told) if told and all(name in one for one in told) else UNSET


def _resident() -> int | UnsetType:
    """Bytes of the process that are in memory. Not `getrusage`, which knows the most that there ever were."""
    try:
        return int(STATM.read_bytes().split()[_RESIDENT]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # Linux has it, but a sandbox may not
        return UNSET


def _available() -> int:
    """Processors that the process may use: a job often has a part of them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
