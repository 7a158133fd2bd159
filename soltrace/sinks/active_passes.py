"""The passes that are open now, as metrics see them.

Host side: the worker's thread writes, and the thread that collects metrics reads.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from typing import Final

from msgspec import UNSET

from soltrace.sinks.groups import PassGroup
from soltrace.wire.progress import RecentProgress
from soltrace.wire.record_parts import Steps
from soltrace.wire.records import PassHeartbeat, PassProgress, PassStarted

ACTIVE_AT_MOST: Final = 10_000
"""Passes that are kept. Each ends, if only as abandoned; should one not, it is forgotten once so many are open."""


@dataclass(slots=True)
class ActivePass:
    """What is known of one pass that is open."""

    group: PassGroup
    """The series of metrics that it belongs to."""
    lanes: int
    """Lanes that have not ended; 1 for a single solve."""
    progress: float = 0.0
    """Progress at the last report: unitless, in [0, 1]."""
    stalled: bool = False
    """Whether the last that was heard of it is that it stalls."""
    started_s: float = 0.0
    """When it began, in seconds since 1970."""
    _recent: RecentProgress | None = None
    """From which its end is estimated; None of a pass that has not reported, as most short ones never do."""
    _counted: dict[str, int] = field(default_factory=dict[str, int])
    """Steps that have been counted, by outcome."""

    def new_steps(self, steps: Steps) -> Iterator[tuple[str, int]]:
        """Yield the outcomes, each with the steps that have not been counted yet; never less than 0."""
        totals = ("accepted", steps.accepted), ("rejected", steps.rejected), ("recomputed", steps.recomputed)
        for outcome, total in totals:
            if total is not UNSET:
                before = self._counted.get(outcome, 0)
                self._counted[outcome] = max(total, before)
                yield outcome, max(total - before, 0)

    @property
    def eta_s(self) -> float | None:
        """Seconds from the last report until its end, if it goes on like that; None as long as that is not known."""
        return None if self._recent is None else self._recent.eta_s

    def moved(self, record: PassProgress) -> None:
        """Take over what a report says. It is a sign of life, even if it is about one lane."""
        self.stalled = False
        if record.batch_index is not UNSET:
            return
        self.progress = record.progress
        if record.lanes is not UNSET:
            self.lanes = record.lanes.total - record.lanes.finished
        if (recent := self._recent) is None:
            recent = RecentProgress()
            recent.add(self.started_s, 0.0)
        recent.add(record.time_ns / 1e9, record.progress)
        self._recent = recent

    def beat(self, record: PassHeartbeat) -> None:
        """Take over what a heartbeat says."""
        self.stalled, self.progress = record.stalled, record.progress


class ActivePasses:
    """The table of them, by the id of the pass."""

    def __init__(self) -> None:
        """Begin without any."""
        self._lock = threading.Lock()
        self._passes: OrderedDict[str, ActivePass] = OrderedDict()

    def start(self, record: PassStarted, group: PassGroup) -> None:
        """Add a pass that starts."""
        active = ActivePass(group, prod(record.batch_shape), started_s=record.time_ns / 1e9)
        with self._lock:
            self._passes[record.pass_id] = active
            if len(self._passes) > ACTIVE_AT_MOST:
                self._passes.popitem(last=False)

    def find(self, pass_id: str) -> ActivePass | None:
        """Return an open pass, or None if its start was not seen."""
        return self._passes.get(pass_id)

    def end(self, pass_id: str) -> ActivePass | None:
        """Remove a pass that ends, and return it; None if its start was not seen."""
        with self._lock:
            return self._passes.pop(pass_id, None)

    def all(self) -> list[ActivePass]:
        """Return all that are open."""
        with self._lock:
            return list(self._passes.values())
