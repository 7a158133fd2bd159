"""What the SDK's own processors can't do, which is why soltrace has some. A failure here may make those superfluous."""

import inspect
import threading
import time

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    InMemoryMetricReader,
    MetricExporter,
    MetricExportResult,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

TAKES_S = 0.5
"""How long an export takes, in seconds. A flush is told to wait for a tenth of that."""


class SlowSpans(SpanExporter):
    """Takes its time over each batch, unless it is released."""

    def __init__(self):
        self.released = threading.Event()

    def export(self, spans):
        self.released.wait(TAKES_S)
        return SpanExportResult.FAILURE


class SlowMetrics(MetricExporter):
    """Does the same for metrics, and remembers the timeout of its shutdown."""

    def export(self, metrics_data, timeout_millis=0, **kwargs):
        time.sleep(TAKES_S)
        return MetricExportResult.FAILURE

    def force_flush(self, timeout_millis=0):
        return True

    def shutdown(self, timeout_millis=30_000, **kwargs):
        self.told_ms = timeout_millis


@pytest.fixture
def ended():
    """Makes a processor that has taken so many spans, and counts by a metric what becomes of them."""
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)

    def ended(count):
        processor = BatchSpanProcessor(
            SlowSpans(),
            max_queue_size=10,
            max_export_batch_size=1,
            schedule_delay_millis=3_600_000,
            meter_provider=meters,
        )
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(processor)
        for _ in range(count):
            provider.get_tracer("test").start_span("span").end()
        return processor

    ended.reader = reader
    yield ended
    meters.shutdown()


def points(reader):
    """What became of the spans, according to that metric."""
    data = reader.get_metrics_data()
    return [
        (point.attributes.get("error.type"), point.value)
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == "otel.sdk.processor.span.processed"
        for point in metric.data.data_points
    ]


def test_its_flush_ignores_its_timeout(ended):
    """It also returns True when every export has failed: open-telemetry/opentelemetry-python#4568."""
    processor = ended(1)
    began = time.monotonic()
    assert processor.force_flush(int(TAKES_S * 100))
    assert time.monotonic() - began >= TAKES_S * 0.9
    processor.shutdown()


def test_its_shutdown_can_not_be_told_how_long_it_may_take():
    """It always takes up to half a minute."""
    assert list(inspect.signature(BatchSpanProcessor.shutdown).parameters) == ["self"]


def test_its_shutdown_does_not_count_what_it_gives_up(ended, monkeypatch):
    """Of three spans, one is being exported. The others are never heard of, even with the metric switched on."""
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    processor = ended(3)
    processor._batch_processor.shutdown(timeout_millis=1)
    processor.span_exporter.released.set()
    processor._batch_processor._worker_thread.join(10)
    assert sum(value for _, value in points(ended.reader)) < 3


def test_it_does_not_tell_what_it_drops(ended):
    """Unless a metric is switched on, which is off by default: open-telemetry/opentelemetry-python#3152."""
    processor = ended(20)
    assert points(ended.reader) == []
    processor.span_exporter.released.set()
    processor.shutdown()


def test_its_metric_reader_ignores_the_timeout_of_a_flush():
    """The caller's own thread exports, and waits: open-telemetry/opentelemetry-python#4555."""
    provider = MeterProvider([PeriodicExportingMetricReader(SlowMetrics(), 3_600_000)], shutdown_on_exit=False)
    provider.get_meter("test").create_counter("counter").add(1)
    began = time.monotonic()
    assert provider.force_flush(TAKES_S * 100)
    assert time.monotonic() - began >= TAKES_S * 0.9
    provider.shutdown()


def test_its_metric_reader_discards_the_timeout_of_a_shutdown():
    """The exporter is never told: open-telemetry/opentelemetry-python#5574."""
    exporter = SlowMetrics()
    MeterProvider([PeriodicExportingMetricReader(exporter, 3_600_000)], shutdown_on_exit=False).shutdown(1_000)
    assert exporter.told_ms == 30_000
