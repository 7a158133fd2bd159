import threading
import time

import pytest
from opentelemetry.sdk.metrics import MeterProvider, MetricsTimeoutError
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter

from soltrace.export.batch import BatchProcessor, Limits
from soltrace.export.processors import BoundedMetricReader, data_points


@pytest.fixture
def collections():
    """The number of data points in each exported collection."""
    return []


@pytest.fixture
def reader(collections):
    """Makes a reader that collects one counter at an interval."""
    providers = []

    def reader(interval_s):
        batches = BatchProcessor(
            lambda batch: not collections.append(data_points(batch[0])), print, Limits(3600.0, 4, 1)
        )
        reader = BoundedMetricReader(ConsoleMetricExporter(), batches, interval_s)
        providers.append(MeterProvider([reader], shutdown_on_exit=False))
        providers[-1].get_meter("test").create_counter("counter").add(1)
        return reader

    yield reader
    for provider in providers:
        provider.shutdown()


class Failing:
    """Stands in for `collect`, and fails so many times before it does the same."""

    def __init__(self, collect, times):
        self.collect, self.times = collect, times

    def __call__(self):
        if self.times:
            self.times -= 1
            raise MetricsTimeoutError("Timed out while executing callback")
        self.collect()


def test_a_flush_tells_that_metrics_could_not_be_collected(reader, collections, caplog):
    """It does not raise, as other signals may be waiting to be flushed. The next flush includes the same sums."""
    flushed = reader(3600.0)
    flushed.collect = Failing(flushed.collect, 1)
    assert not flushed.force_flush()
    assert collections == []
    said = "soltrace: metrics were not collected: MetricsTimeoutError: Timed out while executing callback"
    assert [record.getMessage() for record in caplog.records] == [said]
    assert flushed.force_flush()
    assert collections == [1]


def test_collecting_goes_on_after_it_has_failed(reader, collections):
    """If one of the program's own callbacks is slow once, its metrics don't end there."""
    periodic = reader(0.01)
    periodic.collect = Failing(periodic.collect, 2)
    deadline = time.monotonic() + 10
    while not collections:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    assert set(collections) == {1}


def test_without_a_thread_metrics_are_collected_by_whoever_flushes(reader, collections, monkeypatch):
    """As while the interpreter ends. The SDK needs threads itself, to make a resource, and may have those here."""
    refused, start = [], threading.Thread.start

    def refuse_ours(thread):
        if not thread.name.startswith("soltrace-"):
            return start(thread)
        refused.append(thread.name)
        raise RuntimeError("can't create new thread at interpreter shutdown")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse_ours)
        flushed = reader(3600.0)
    assert refused == ["soltrace-export", "soltrace-metrics"]
    assert flushed.force_flush()
    assert collections == [1]
