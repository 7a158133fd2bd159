"""What the process takes while its passes run: memory, processors, and its accelerators.

Host side, on the worker thread. This machine alone is asked, which takes microseconds; jax is asked only where it
computes already, and its answer waits for no device.
"""

import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import UNSET, UnsetType

from soltrace.host.accelerators import Gpus, UntilItFails, memory
from soltrace.wire.losses import Losses
from soltrace.wire.record_parts import Usage
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
        self._too_long_s = 2 * (every_s + ASKED_EVERY_S)
        self._monotonic, self._process_s, self._find_jax = monotonic, process_s, find_jax
        self._asked_at, self._had_s = -math.inf, 0.0
        self._answer = Usage()
        gpus = Gpus()
        self._memory = UntilItFails(lambda: memory(self._devices()), losses)
        self._busy = UntilItFails(lambda: gpus.busy(self._devices()), losses)

    def __call__(self) -> Usage:
        """Say what is in use."""
        now = self._monotonic()
        if now - self._asked_at >= ASKED_EVERY_S:
            in_use, limit = self._memory() or (UNSET, UNSET)
            busy = self._busy()
            self._answer = Usage(
                memory_bytes=_resident(),
                cpu_utilization=self._processors(now),
                device_memory_bytes=in_use,
                device_memory_limit_bytes=limit,
                device_utilization=UNSET if busy is None else busy,
            )
        return self._answer

    def _processors(self, now: float) -> float | UnsetType:
        elapsed_s, had_s = now - self._asked_at, self._had_s
        self._asked_at, self._had_s = now, self._process_s()
        if elapsed_s > self._too_long_s:
            return UNSET
        return min(max((self._had_s - had_s) / elapsed_s / _available(), 0.0), 1.0)

    def _devices(self) -> Sequence[Any]:
        jax = self._find_jax()
        return [] if jax is None else jax.local_devices()


def _resident() -> int | UnsetType:
    """Bytes of the process that are in memory. Not `getrusage`, which knows the most that there ever were."""
    try:
        return int(STATM.read_bytes().split()[_RESIDENT]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # Linux has it, but a sandbox may not
        return UNSET


def _available() -> int:
    """Processors that the process may use: a job often has a part of them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
