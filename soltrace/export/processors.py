"""The ends of the SDK's three pipelines: they take what has been recorded, and put it into a `BatchProcessor`.

Host side, on the thread of whoever ends a span, emits a log record or collects metrics. None of them waits. They are
named after what sets them apart from the SDK's own: a flush or shutdown takes no longer than it may.
"""

import copy
import logging
import os
import threading
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.sdk._logs import LogRecordProcessor, ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk.metrics.export import MetricExporter, MetricReader, MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from soltrace.export.batch import BatchProcessor
from soltrace.wire.losses import failures
from soltrace.wire.start_thread import start_thread

_LOG: Final = logging.getLogger("soltrace")
SDKS_TIMEOUT_MS: Final = 30_000
"""How long the SDK's own processors wait, unless they are told otherwise."""


class BoundedSpanProcessor(SpanProcessor):
    """Exports sampled spans as they end."""

    def __init__(self, batches: BatchProcessor[ReadableSpan]) -> None:
        """Put spans into this batch processor."""
        self._batches = batches

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span that has ended."""
        if span.context is not None and span.context.trace_flags.sampled:
            self._batches.put(span)

    def shutdown(self) -> None:
        """Export the spans taken so far, and take no more."""
        self._batches.stop(SDKS_TIMEOUT_MS / 1000)

    def force_flush(self, timeout_millis: int = SDKS_TIMEOUT_MS) -> bool:
        """Export the spans taken so far, and return whether they arrived in time."""
        return self._batches.deliver(timeout_millis / 1000)


class BoundedLogRecordProcessor(LogRecordProcessor):
    """Exports log records as they are emitted."""

    def __init__(self, batches: BatchProcessor[ReadableLogRecord]) -> None:
        """Put log records into this batch processor."""
        self._batches = batches

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Take a log record, without the context it was made in: that may be large, and its ids are in the record."""
        record = copy.copy(log_record.log_record)
        record.context = Context()
        self._batches.put(
            ReadableLogRecord(
                log_record=record,
                resource=log_record.resource or Resource.get_empty(),
                instrumentation_scope=log_record.instrumentation_scope,
                limits=log_record.limits,
            )
        )

    def shutdown(self) -> None:
        """Export the log records taken so far, and take no more."""
        self._batches.stop(SDKS_TIMEOUT_MS / 1000)

    def force_flush(self, timeout_millis: int = SDKS_TIMEOUT_MS) -> bool:
        """Export the log records taken so far, and return whether they arrived in time."""
        return self._batches.deliver(timeout_millis / 1000)


class BoundedMetricReader(MetricReader):
    """Collects all metrics at an interval, and exports them.

    Not the SDK's periodic reader: that one exports on the thread of whoever flushes, which waits for a dead backend as
    long as the exporter does, and it discards the timeout of its shutdown
    (https://github.com/open-telemetry/opentelemetry-python/issues/5574).
    """

    def __init__(self, exporter: MetricExporter, batches: BatchProcessor[MetricsData], interval_s: float) -> None:
        """Start collecting.

        Args:
            exporter: the one that `batches` exports to: it decides on temporality and aggregation.
            batches: where collections are put.
            interval_s: the time between two collections, in seconds.
        """
        # They have no public names, though the SDK's reader reads them too.
        super().__init__(
            preferred_temporality=exporter._preferred_temporality,  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
            preferred_aggregation=exporter._preferred_aggregation,  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        )
        self._batches, self._interval_s, self._pid = batches, interval_s, os.getpid()
        self._over = threading.Event()
        start_thread(self._run, "soltrace-metrics")  # If none can be started, the process is ending, and will flush.

    def _run(self) -> None:
        while not self._over.wait(self._interval_s):
            self.gather()

    def cancel(self) -> None:
        """Collect no more, and nothing for the last time: there is no provider to collect from."""
        self._over.set()

    def gather(self) -> bool:
        """Collect all metrics, and return whether that worked. Never raises.

        The SDK gives up a collection, and raises, if the program's own observable instruments take too long. Nothing is
        lost by that: the next collection includes the same sums.
        """
        try:
            self.collect()
        except failures() as error:  # whatever it is, the next collection may work
            _LOG.warning("soltrace: metrics were not collected: %s: %s", type(error).__name__, error)
            return False
        return True

    def _receive_metrics(self, metrics_data: MetricsData, timeout_millis: float = 0, **kwargs: Any) -> None:  # noqa: ARG002
        if self._pid == os.getpid():  # after a fork the sums are still the parent's, which exports them
            self._batches.put(metrics_data)

    def force_flush(self, timeout_millis: float = SDKS_TIMEOUT_MS) -> bool:
        """Collect and export all metrics now, and return whether they arrived in time."""
        return self.gather() and self._batches.deliver(timeout_millis / 1000)

    def shutdown(self, timeout_millis: float = SDKS_TIMEOUT_MS, **kwargs: Any) -> None:  # noqa: ARG002
        """Collect and export all metrics for the last time."""
        if not self._over.is_set():
            self._over.set()
            self.gather()
            self._batches.stop(timeout_millis / 1000)


def data_points(data: MetricsData) -> int:
    """Return how many data points a collection has."""
    return sum(
        len(metric.data.data_points)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    )
