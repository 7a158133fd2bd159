"""Counters: totals since the process began, which are looked at when metrics are collected.

Host side: the worker's thread adds, the thread that collects reads. Not OpenTelemetry's own counters: one `add` costs
its SDK some 10 us, of which a pass takes ten, and the child of a fork would go on with its parent's numbers. One table
for the process, as the SDK asks only the callbacks with which an instrument was made first.
"""

import threading
from collections.abc import Iterable
from functools import partial
from typing import Final

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from soltrace.sinks.groups import Group
from soltrace.sinks.otel import observation
from soltrace.wire.names import EVENTS_DROPPED, EVENTS_EMITTED, EXPORT_FAILURES, LANES, STEPS

COUNTERS: Final = {
    STEPS: ("{step}", "Steps of all lanes, by what became of them."),
    LANES: ("{lane}", "Lanes that have ended; a single solve is one."),
    EVENTS_EMITTED: ("{event}", "Events that were written."),
    EVENTS_DROPPED: ("{event}", "What was lost before it was written."),
    EXPORT_FAILURES: ("{item}", "Items that did not reach the backend."),
}


class Counts:
    """The totals, and the instruments that read them."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self._lock = threading.Lock()
        self._totals: dict[str, dict[tuple[Group | None, str, str], int]] = {name: {} for name in COUNTERS}

    def add(self, counter: str, number: int, name: str, value: str, group: Group | None = None) -> None:
        """Add to the total of a counter for one value of the attribute `name`, of the passes of a group."""
        totals, key = self._totals[counter], (group, name, value)
        with self._lock:
            totals[key] = totals.get(key, 0) + number

    def make(self, meter: Meter) -> None:
        """Make the instruments."""
        for name, (unit, description) in COUNTERS.items():
            meter.create_observable_counter(name, [partial(self._observe, name)], unit, description)

    def _observe(self, counter: str, _: CallbackOptions) -> Iterable[Observation]:
        with self._lock:
            totals = list(self._totals[counter].items())
        return [
            observation(total, {**({} if group is None else group.attributes), name: value})
            for (group, name, value), total in totals
        ]


COUNTS: Final = Counts()
