"""Gauges: what is open now and how full the queue is, read when metrics are collected.

Host side, on the thread that collects. There is one object for the process: OpenTelemetry's SDK asks only the callbacks
that an instrument was first made with, so those of a second `configure` would never be asked if each had its own.
"""

import os
import threading
from collections.abc import Callable, Iterable
from typing import Final

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from soltrace.sinks.active_passes import ActivePass, ActivePasses
from soltrace.sinks.counts import COUNTS
from soltrace.sinks.groups import GROUPS, PassGroup
from soltrace.sinks.otel import observation
from soltrace.wire.names import (
    METRIC_LANES_ACTIVE,
    METRIC_PASS_ETA,
    METRIC_PASS_PROGRESS,
    METRIC_PASSES_ACTIVE,
    METRIC_PASSES_STALLED,
    METRIC_QUEUE_CAPACITY,
    METRIC_QUEUE_SIZE,
)

QueueLevel = Callable[[], tuple[int, int]]
"""Tells how many items wait, and how many may."""


class Gauges:
    """What is read, and the instruments through which it is."""

    def __init__(self) -> None:
        """Begin with nothing to read."""
        self._lock = threading.Lock()
        self._tables: list[ActivePasses] = []
        self._queues: list[QueueLevel] = []

    def read(self, table: ActivePasses, queue: QueueLevel | None) -> None:
        """Read this table and this queue from now on."""
        with self._lock:
            self._tables.append(table)
            if queue is not None:
                self._queues.append(queue)

    def forget(self, table: ActivePasses, queue: QueueLevel | None) -> None:
        """Read this table and this queue no more."""
        with self._lock:
            self._tables = [kept for kept in self._tables if kept is not table]
            self._queues = [kept for kept in self._queues if kept is not queue]

    def make(self, meter: Meter) -> None:
        """Make the instruments of a meter."""
        gauge = meter.create_observable_gauge
        meter.create_observable_up_down_counter(METRIC_PASSES_ACTIVE, [self._active], "{pass}", "Passes that are open.")
        gauge(METRIC_PASSES_STALLED, [self._stalled], "{pass}", "Open passes that have been silent for unusually long.")
        gauge(METRIC_LANES_ACTIVE, [self._lanes], "{lane}", "Lanes of open passes that have not ended.")
        gauge(METRIC_PASS_PROGRESS, [self._progress], "1", "Progress, from 0 to 1, of the open pass that is least far.")
        gauge(
            METRIC_PASS_ETA, [self._eta], "s", "Time until the open pass that takes longest is over, if all goes on so."
        )
        gauge(METRIC_QUEUE_SIZE, [self._queue_size], "{event}", "Events that wait to be written.")
        gauge(
            METRIC_QUEUE_CAPACITY,
            [self._queue_capacity],
            "{event}",
            "Events that may wait; beyond it progress is dropped.",
        )

    def _active(self, _: CallbackOptions) -> Iterable[Observation]:
        return self._count(lambda _: 1)

    def _stalled(self, _: CallbackOptions) -> Iterable[Observation]:
        return self._count(lambda active: int(active.stalled))

    def _lanes(self, _: CallbackOptions) -> Iterable[Observation]:
        return self._count(lambda active: active.lanes)

    def _progress(self, _: CallbackOptions) -> Iterable[Observation]:
        return self._extreme(lambda active: active.progress, min)

    def _eta(self, _: CallbackOptions) -> Iterable[Observation]:
        return self._extreme(lambda active: active.eta_s, max)

    def _queue_size(self, _: CallbackOptions) -> Iterable[Observation]:
        return [observation(queue()[0], {}) for queue in self._queues[-1:]]

    def _queue_capacity(self, _: CallbackOptions) -> Iterable[Observation]:
        return [observation(queue()[1], {}) for queue in self._queues[-1:]]

    def _active_passes(self) -> list[ActivePass]:
        with self._lock:
            tables = list(self._tables)
        return [active for table in tables for active in table.all()]

    def _count(self, count: Callable[[ActivePass], int]) -> list[Observation]:
        """Add up a count over the open passes of every group that there ever was.

        A group that went missing would keep its last value in the backend for minutes.
        """
        active_passes = self._active_passes()  # before the groups are asked for: then each has its group there
        counts = dict.fromkeys(GROUPS.known(), 0)
        for active in active_passes:
            counts[active.group] += count(active)
        return [observation(number, group.attributes) for group, number in counts.items()]

    def _extreme(
        self, value: Callable[[ActivePass], float | None], extreme: Callable[[list[float]], float]
    ) -> list[Observation]:
        """Pick the extreme value of each group that has an open pass: there is no number that stands for none."""
        values: dict[PassGroup, list[float]] = {}
        for active in self._active_passes():
            if (known := value(active)) is not None:
                values.setdefault(active.group, []).append(known)
        return [observation(extreme(known), group.attributes) for group, known in values.items()]


def start_afresh() -> None:
    """Forget all that was counted.

    The child of a fork does so: its parent tells what it did itself, and its locks may be held.
    """
    for table in (GROUPS, COUNTS, GAUGES):
        table.__init__()


GAUGES: Final = Gauges()
"""Those of this process."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=start_afresh)
