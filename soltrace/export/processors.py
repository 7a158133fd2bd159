"""What the SDK's providers call when a span has ended, a log record was emitted, metrics were collected.

Host side, on the thread of whoever does that: it goes into a `Batch`, and nothing waits.
"""

import copy
import os
import threading
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.sdk._logs import LogRecordProcessor, ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk.metrics.export import MetricExporter, MetricReader, MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from soltrace.export.batch import Batch

_AS_EXPORTERS_DO_MS: Final = 30_000


class Spans(SpanProcessor):
    """Exports spans that have ended and are sampled."""

    def __init__(self, batch: Batch[ReadableSpan]) -> None:
        """Put them into this batch."""
        self._batch = batch

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span."""
        if span.context is not None and span.context.trace_flags.sampled:
            self._batch.put(span)

    def shutdown(self) -> None:
        """Export what is in here and end."""
        self._batch.stop(_AS_EXPORTERS_DO_MS / 1000)

    def force_flush(self, timeout_millis: int = _AS_EXPORTERS_DO_MS) -> bool:
        """Export what is in here, within so long; say whether it was delivered."""
        return self._batch.deliver(timeout_millis / 1000)


class LogRecords(LogRecordProcessor):
    """Exports log records."""

    def __init__(self, batch: Batch[ReadableLogRecord]) -> None:
        """Put them into this batch."""
        self._batch = batch

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Take a record, without the context that it was made in: the ids are in it by now, and that may be large."""
        record = copy.copy(log_record.log_record)
        record.context = Context()
        self._batch.put(
            ReadableLogRecord(
                log_record=record,
                resource=log_record.resource or Resource.get_empty(),
                instrumentation_scope=log_record.instrumentation_scope,
                limits=log_record.limits,
            )
        )

    def shutdown(self) -> None:
        """Export what is in here and end."""
        self._batch.stop(_AS_EXPORTERS_DO_MS / 1000)

    def force_flush(self, timeout_millis: int = _AS_EXPORTERS_DO_MS) -> bool:
        """Export what is in here, within so long; say whether it was delivered."""
        return self._batch.deliver(timeout_millis / 1000)


class Collector(MetricReader):
    """Collects all metrics now and then. Not the SDK's periodic reader: its flush waits for a dead backend."""

    def __init__(self, exporter: MetricExporter, batch: Batch[MetricsData], interval_s: float) -> None:
        """Collect in this interval, as the exporter prefers to have it."""
        # The SDK's reader reads them too: they have no public name.
        super().__init__(
            preferred_temporality=exporter._preferred_temporality,  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
            preferred_aggregation=exporter._preferred_aggregation,  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        )
        self._batch, self._interval_s, self._pid = batch, interval_s, os.getpid()
        self._over = threading.Event()
        threading.Thread(target=self._run, name="soltrace-metrics", daemon=True).start()

    def _run(self) -> None:
        while not self._over.wait(self._interval_s):
            self.collect()

    def _receive_metrics(self, metrics_data: MetricsData, timeout_millis: float = 0, **kwargs: Any) -> None:  # noqa: ARG002
        if self._pid == os.getpid():  # after a fork the sums are the parent's, which exports them
            self._batch.put(metrics_data)

    def force_flush(self, timeout_millis: float = _AS_EXPORTERS_DO_MS) -> bool:
        """Collect now, and export within so long; say whether it was delivered."""
        self.collect()
        return self._batch.deliver(timeout_millis / 1000)

    def shutdown(self, timeout_millis: float = _AS_EXPORTERS_DO_MS, **kwargs: Any) -> None:  # noqa: ARG002
        """Collect for the last time, export and end."""
        if not self._over.is_set():
            self._over.set()
            self.collect()
            self._batch.stop(timeout_millis / 1000)


def points(data: MetricsData) -> int:
    """How many data points there are."""
    return sum(
        len(metric.data.data_points)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    )
