"""Counters: totals since the process began, which are read when metrics are collected.

Host side: the worker's thread adds, and the thread that collects reads. Not OpenTelemetry's own counters: one `add`
costs its SDK some 10 us, and a pass needs ten of them; and the child of a fork would go on with its parent's numbers.
There is one table for the process, because the SDK asks only the callbacks that an instrument was first made with.
"""

import threading
from collections.abc import Iterable
from functools import partial
from typing import Final

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from soltrace.sinks.groups import PassGroup
from soltrace.sinks.otel import observation
from soltrace.wire.names import (
    METRIC_EVENTS_DROPPED,
    METRIC_EVENTS_EMITTED,
    METRIC_EXPORT_FAILURES,
    METRIC_LANES,
    METRIC_PASS_VERDICTS,
    METRIC_STEPS,
)

COUNTERS: Final = {
    METRIC_STEPS: ("{step}", "Steps of all lanes, by what became of them."),
    METRIC_LANES: ("{lane}", "Lanes that have ended; a single solve is one."),
    METRIC_PASS_VERDICTS: ("{pass}", "Passes that ended with a verdict, by what is wrong with them."),
    METRIC_EVENTS_EMITTED: ("{event}", "Events that were written."),
    METRIC_EVENTS_DROPPED: ("{event}", "What was lost before it was written."),
    METRIC_EXPORT_FAILURES: ("{item}", "Items that did not reach the backend."),
}
"""Unit and description of each."""


class Counts:
    """The totals, and the instruments through which they are read."""

    def __init__(self) -> None:
        """Begin with nothing counted."""
        self._lock = threading.Lock()
        self._totals: dict[str, dict[tuple[PassGroup | None, str, str], int]] = {name: {} for name in COUNTERS}

    def add(self, counter: str, number: int, name: str, value: str, group: PassGroup | None = None) -> None:
        """Add to a total.

        Args:
            counter: The metric, one of `COUNTERS`.
            number: How many.
            name: The attribute that the metric is told apart by.
            value: Its value.
            group: The passes that it is about, if it is about passes.
        """
        totals, key = self._totals[counter], (group, name, value)
        with self._lock:
            totals[key] = totals.get(key, 0) + number

    def totals(self, counter: str) -> list[tuple[dict[str, str], int]]:
        """Return the totals of a metric, each with what it is told apart by."""
        with self._lock:
            totals = list(self._totals[counter].items())
        return [
            ({**({} if group is None else group.attributes), name: value}, total)
            for (group, name, value), total in totals
        ]

    def make(self, meter: Meter) -> None:
        """Make the instruments of a meter."""
        for name, (unit, description) in COUNTERS.items():
            meter.create_observable_counter(name, [partial(self._observe, name)], unit, description)

    def _observe(self, counter: str, _: CallbackOptions) -> Iterable[Observation]:
        return [observation(total, attributes) for attributes, total in self.totals(counter)]


COUNTS: Final = Counts()
"""Those of this process."""
