"""What a run has counted, as far as it was read: counters and histograms, by the code that counts in a running program.

Gauges are left out: what was open at some moment says nothing of the whole.
"""

import struct
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.metrics import Histogram, Meter, MeterProvider, NoOpMeter
from opentelemetry.util.types import Attributes

from soltrace.export.otlp_bytes import attribute_bytes, field_bytes
from soltrace.sinks.counts import COUNTERS, Counts
from soltrace.sinks.metrics import Metrics
from soltrace.wire.names import SCOPE
from soltrace.wire.records import AnyRecord

_CUMULATIVE: Final = b"\x10\x02"
_MONOTONIC: Final = b"\x18\x01"
_TIMES: Final = struct.Struct("<BQBQ").pack
_COUNTED: Final = struct.Struct("<BQBd").pack
_INTEGER: Final = struct.Struct("<Bq").pack
_LEAST_AND_LARGEST: Final = struct.Struct("<BdBd").pack


@dataclass
class _Series:
    """What was recorded under the same attributes."""

    buckets: list[int]
    total: float = 0.0
    least: float = float("inf")
    largest: float = float("-inf")


class ReplayedHistogram(Histogram):
    """Sums up, as the SDK's does by buckets."""

    def __init__(self, name: str, unit: str, description: str, bounds: Sequence[float]) -> None:
        """Begin with nothing recorded."""
        self.name, self.unit, self.description, self._bounds = name, unit, description, bounds
        self._series: dict[tuple[tuple[str, Any], ...], _Series] = {}

    def record(self, amount: float, attributes: Attributes = None, context: Context | None = None) -> None:
        """Record a value."""
        del context
        key = tuple((attributes or {}).items())
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = _Series([0] * (len(self._bounds) + 1))
        series.buckets[bisect_left(self._bounds, amount)] += 1
        series.total += amount
        series.least, series.largest = min(series.least, amount), max(series.largest, amount)

    def points(self, times: bytes) -> Iterator[bytes]:
        """Encode its data points, with these times."""
        bounds = struct.pack(f"<{len(self._bounds)}d", *self._bounds)
        for key, series in self._series.items():
            counts = struct.pack(f"<{len(series.buckets)}Q", *series.buckets)
            yield b"".join(
                (
                    times,
                    _COUNTED(0x21, sum(series.buckets), 0x29, series.total),
                    field_bytes(6, counts),
                    field_bytes(7, bounds),
                    attribute_bytes(9, dict(key)),
                    _LEAST_AND_LARGEST(0x59, series.least, 0x61, series.largest),
                )
            )


class _ReplayMeter(NoOpMeter):
    """Makes histograms, and nothing of all else."""

    def __init__(self) -> None:
        super().__init__(SCOPE)
        self.histograms: list[ReplayedHistogram] = []

    def create_histogram(
        self,
        name: str,
        unit: str = "",
        description: str = "",
        *,
        explicit_bucket_boundaries_advisory: Sequence[float] | None = None,
    ) -> Histogram:
        made = ReplayedHistogram(name, unit, description, explicit_bucket_boundaries_advisory or ())
        self.histograms.append(made)
        return made


class _ReplayMeterProvider(MeterProvider):
    """Has that one meter."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def get_meter(
        self,
        name: str,  # noqa: ARG002 - as it is declared
        version: str | None = None,  # noqa: ARG002
        schema_url: str | None = None,  # noqa: ARG002
        attributes: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> Meter:
        return self._meter


class RunMetrics:
    """The metrics of one run."""

    def __init__(self) -> None:
        self._counts, self._meter = Counts(), _ReplayMeter()
        self._metrics = Metrics(_ReplayMeterProvider(self._meter), counts=self._counts)
        # The gauges of this process would read its table of open passes.
        self._metrics.close()
        self._began_ns = self._time_ns = 0

    def feed(self, record: AnyRecord) -> None:
        """Count a record."""
        self._began_ns = self._began_ns or record.time_ns
        self._time_ns = max(self._time_ns, record.time_ns)
        self._metrics.handle(record)

    def messages(self) -> Iterator[bytes]:
        """Encode them: sums from the beginning of the run to its last record."""
        times = _TIMES(0x11, self._began_ns, 0x19, self._time_ns)
        for histogram in self._meter.histograms:
            points = b"".join(field_bytes(1, point) for point in histogram.points(times))
            if points:
                yield _described(histogram.name, histogram.description, histogram.unit) + field_bytes(
                    9, points + _CUMULATIVE
                )
        for name, (unit, description) in COUNTERS.items():
            points = b"".join(
                field_bytes(1, times + _INTEGER(0x31, total) + attribute_bytes(7, attributes))
                for attributes, total in self._counts.totals(name)
            )
            if points:
                yield _described(name, description, unit) + field_bytes(7, points + _CUMULATIVE + _MONOTONIC)


def _described(name: str, description: str, unit: str) -> bytes:
    return b"".join(field_bytes(number, text.encode()) for number, text in enumerate((name, description, unit), 1))
