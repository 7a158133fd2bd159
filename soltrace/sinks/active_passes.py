"""The passes that are open now, as metrics see them.

Host side: the worker's thread writes, the thread that collects metrics reads.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from math import prod
from typing import Final

from msgspec import UNSET

from soltrace.sinks.groups import PassGroup
from soltrace.wire.records import PassHeartbeat, PassProgress, PassStarted, Steps

ACTIVE_AT_MOST: Final = 10_000
"""Every pass ends, and be it as abandoned; should one not, it is forgotten when so many have begun after it."""


@dataclass(slots=True)
class ActivePass:
    """One of them."""

    group: PassGroup
    started: datetime
    lanes: int
    """That have not ended."""
    progress: float = 0.0
    eta_s: float | None = None
    """Not known of a pass that has not moved."""
    stalled: bool = False
    _counted: dict[str, int] = field(default_factory=dict[str, int])

    def new_steps(self, steps: Steps) -> Iterator[tuple[str, int]]:
        """Steps by outcome that were not counted yet; never negative."""
        totals = ("accepted", steps.accepted), ("rejected", steps.rejected), ("recomputed", steps.recomputed)
        for outcome, total in totals:
            if total is not UNSET:
                before = self._counted.get(outcome, 0)
                self._counted[outcome] = max(total, before)
                yield outcome, max(total - before, 0)

    def moved(self, record: PassProgress) -> None:
        """Take over where it is. A report is a sign of life, of a lane too."""
        self.stalled = False
        if record.batch_index is not UNSET:
            return
        self.progress = record.progress
        if record.lanes is not UNSET:
            self.lanes = record.lanes.total - record.lanes.finished
        if record.progress > 0.0:
            open_s = (record.timestamp - self.started).total_seconds()
            self.eta_s = max(open_s * (1.0 - record.progress) / record.progress, 0.0)

    def beat(self, record: PassHeartbeat) -> None:
        """Take over what a heartbeat says."""
        self.stalled, self.progress = record.stalled, record.progress
        if record.eta_s is not UNSET:
            self.eta_s = record.eta_s


class ActivePasses:
    """The table, by pass."""

    def __init__(self) -> None:
        """Begin empty."""
        self._lock = threading.Lock()
        self._passes: OrderedDict[str, ActivePass] = OrderedDict()

    def start(self, record: PassStarted, group: PassGroup) -> None:
        """Add one."""
        with self._lock:
            self._passes[record.pass_id] = ActivePass(group, record.timestamp, prod(record.batch_shape))
            if len(self._passes) > ACTIVE_AT_MOST:
                self._passes.popitem(last=False)

    def find(self, pass_id: str) -> ActivePass | None:
        """The pass, if its start was seen."""
        return self._passes.get(pass_id)

    def end(self, pass_id: str) -> ActivePass | None:
        """Take one out."""
        with self._lock:
            return self._passes.pop(pass_id, None)

    def all(self) -> list[ActivePass]:
        """All of them."""
        with self._lock:
            return list(self._passes.values())
