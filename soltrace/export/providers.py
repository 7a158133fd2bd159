"""The providers that soltrace sets up where the program has not: one for each signal that is asked for.

Host side, on the thread of whoever configures or solves first. They become OpenTelemetry's global providers, so that
the program's own spans take the same way, and they last as long as the process: a global provider is set only once.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import entry_points
from typing import Any, Final, TypeAlias, cast

from opentelemetry import _logs as logs
from opentelemetry import metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator

from soltrace.errors import ConfigurationError
from soltrace.export.batch import BatchProcessor, Limits
from soltrace.export.delivery import Delivery
from soltrace.export.encoding import TakesLean
from soltrace.export.environment import OtelSignal, interval_s, limits
from soltrace.export.exporters import maker
from soltrace.export.lean import LeanLoggerProvider, LeanTracerProvider
from soltrace.export.named import unusable
from soltrace.export.process_resource import process_resource
from soltrace.export.processors import (
    BoundedLogRecordProcessor,
    BoundedMetricReader,
    BoundedSpanProcessor,
    data_points,
)
from soltrace.export.registry import EXPORTS
from soltrace.wire.losses import OUTSIDE, What

MakeExporter: TypeAlias = Callable[[], Any]
ITEM_OF: Final[Mapping[OtelSignal, What]] = {
    "traces": What.SPAN,
    "metrics": What.METRIC_POINT,
    "logs": What.LOG_RECORD,
}
"""What a signal consists of, and what is lost where it is not exported."""
COLLECTIONS_AT_MOST: Final = 4
"""How many collections of metrics may wait for export. The sums of each include those of the ones before it."""


class SdkProviders:
    """The providers that this process has set up, and what they have yet to export."""

    def __init__(self) -> None:
        """Start with none."""
        self._made: dict[OtelSignal, tuple[Any, ...]] = {}
        """The exporters' names and the endpoint of each signal that is set up."""
        self._batches: list[tuple[BatchProcessor[Any], Delivery]] = []
        self._readers: list[BoundedMetricReader] = []
        self._meter_provider: MeterProvider | None = None
        self._metrics_pid = os.getpid()

    def set_up(self, asked: Mapping[OtelSignal, Sequence[str]], endpoint: str | None) -> list[str]:
        """Set up a provider for each signal that is asked for and has none.

        Args:
            asked: the names of each signal's exporters.
            endpoint: where OTLP is sent. If None, the environment decides.

        Returns:
            What could not be done, and why, in words for the user.
        """
        EXPORTS.register(self)
        for batch, _ in self._batches:
            batch.start()
        problems: list[str] = []
        failed: dict[str, list[str]] = {}
        resource: Resource | None = None
        for signal, names in asked.items():
            if self._stands(signal, names, endpoint, problems):
                continue
            resource = resource or process_resource()
            before = len(self._batches), len(self._readers)
            try:
                _MAKE[signal](self, [maker(signal, name, endpoint) for name in names], resource)
            except Exception as error:  # noqa: BLE001 - an exporter's own, too: solves go on without it
                self._take_back(*before)
                failed.setdefault(_reason(error), []).append(signal)
            else:
                self._made[signal] = (*names, endpoint)
        return [*problems, *(f"{_listed(signals)} are not exported: {reason}" for reason, signals in failed.items())]

    def _stands(self, signal: OtelSignal, names: Sequence[str], endpoint: str | None, problems: list[str]) -> bool:
        """Whether there is nothing to do for a signal."""
        if signal in self._made:
            if endpoint is not None and self._made[signal][-1] != endpoint:
                problems.append(f"{signal} go where they went: otlp_endpoint= holds as long as the process.")
            return signal != "metrics" or self._metrics_pid == os.getpid()
        if names and (problem := unusable(signal)):
            problems.append(f"{signal} are exported as if it were not set: {problem}")
        elif names and not _is_placeholder(_CURRENT[signal]()):
            if endpoint is not None:
                problems.append(f"{signal} go where your program's own provider sends them, not to otlp_endpoint=.")
            return True
        return not names

    def _take_back(self, batches: int, readers: int) -> None:
        """Stop what has been started beyond these for a provider that could not be made."""
        for reader in self._readers[readers:]:
            reader.cancel()
        for batch, delivery in self._batches[batches:]:
            batch.stop(0.0)
            delivery.shut_down()
        del self._readers[readers:], self._batches[batches:]

    def own_meter_provider(self) -> MeterProvider | None:
        """Return our meter provider: in the child of a fork, the global one has the parent's sums in it."""
        return self._meter_provider if self._metrics_pid == os.getpid() else None

    def make_traces(self, makers: Sequence[MakeExporter], resource: Resource) -> None:
        """Set up a tracer provider. It reads OTEL_TRACES_SAMPLER and the limits of a span itself."""
        at_most = limits("OTEL_BSP_", 5000)
        batches, lean = self._batches_of("traces", makers, at_most)
        if lean:
            provider = LeanTracerProvider(resource=resource, id_generator=_id_generator(), shutdown_on_exit=False)
            for batch in batches:
                provider.export_to(batch)
        else:
            provider = TracerProvider(resource=resource, id_generator=_id_generator(), shutdown_on_exit=False)
            for batch in batches:
                provider.add_span_processor(BoundedSpanProcessor(batch))
        trace.set_tracer_provider(provider)

    def make_logs(self, makers: Sequence[MakeExporter], resource: Resource) -> None:
        """Set up a logger provider."""
        at_most = limits("OTEL_BLRP_", 1000)
        batches, lean = self._batches_of("logs", makers, at_most)
        if lean:
            provider = LeanLoggerProvider(resource=resource, shutdown_on_exit=False)
            for batch in batches:
                provider.export_to(batch)
        else:
            provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
            for batch in batches:
                provider.add_log_record_processor(BoundedLogRecordProcessor(batch))
        logs.set_logger_provider(provider)

    def make_metrics(self, makers: Sequence[MakeExporter], resource: Resource) -> None:
        """Set up a meter provider. In the child of a fork it is another one, and only soltrace uses it."""
        scraped: list[MetricReader] = []
        pushed: list[BoundedMetricReader] = []
        at_most = Limits(delay_s=3600.0, queue_size=COLLECTIONS_AT_MOST, batch_size=1)
        for make in makers:
            if isinstance(make, type) and issubclass(make, MetricReader):
                scraped.append(make())
                continue
            batch, delivery = self._batch("metrics", cast("MakeExporter", make), at_most, data_points)
            pushed.append(BoundedMetricReader(delivery.exporter, batch, interval_s()))
            self._readers.append(pushed[-1])
        provider = MeterProvider([*scraped, *pushed], resource, shutdown_on_exit=False)
        self._meter_provider, self._metrics_pid = provider, os.getpid()
        if unusable("metrics") or _is_placeholder(metrics.get_meter_provider()):
            metrics.set_meter_provider(provider)

    def _batches_of(
        self, signal: OtelSignal, makers: Sequence[MakeExporter], at_most: Limits
    ) -> tuple[list[BatchProcessor[Any]], bool]:
        """Start exporting with each exporter, and say whether all of them take what is lean."""
        made = [self._batch(signal, make, at_most) for make in makers]
        return [batch for batch, _ in made], all(isinstance(delivery.exporter, TakesLean) for _, delivery in made)

    def _batch(
        self, signal: OtelSignal, make: MakeExporter, at_most: Limits, size: Callable[[Any], int] = lambda _: 1
    ) -> tuple[BatchProcessor[Any], Delivery]:
        """Start exporting, of which `_take_back` and `stop` are the end."""
        delivery = Delivery(make, ITEM_OF[signal])
        deliver = delivery if signal != "metrics" else partial(_deliver_one, delivery)
        lost = partial(OUTSIDE.add, ITEM_OF[signal])
        batch = BatchProcessor(deliver, lost, at_most, size=size, name=f"soltrace-{signal}")
        self._batches.append((batch, delivery))
        return batch, delivery

    def flush(self, timeout_s: float) -> bool:
        """Export everything recorded so far, all signals at once.

        Args:
            timeout_s: the longest to wait, in seconds.

        Returns:
            Whether everything was dealt with in time: delivered, or counted as lost.
        """
        deadline = time.monotonic() + timeout_s
        gathered = [reader.gather() for reader in self._readers]
        for batch, _ in self._batches:
            batch.hurry()
        done = [batch.flush(deadline - time.monotonic()) for batch, _ in self._batches]  # each, also after a failure
        return all(gathered) and all(done)

    def stop(self, timeout_s: float, within_s: float) -> None:
        """Export everything recorded so far, give up the rest and count it. Nothing is exported afterwards.

        Args:
            timeout_s: the longest to wait, in seconds.
            within_s: how long exporting has been attempted altogether, in seconds: what the warning says.
        """
        if timeout_s > 0:
            self.flush(timeout_s)
        for batch, delivery in self._batches:
            if lost := batch.stop(0.0):
                delivery.given_up(lost, within_s)
            delivery.shut_down()
        self._batches.clear()
        self._readers.clear()


SDK_PROVIDERS: Final = SdkProviders()
_MAKE: Final = {
    "traces": SdkProviders.make_traces,
    "metrics": SdkProviders.make_metrics,
    "logs": SdkProviders.make_logs,
}
_CURRENT: Final[Mapping[OtelSignal, Callable[[], object]]] = {
    "traces": trace.get_tracer_provider,
    "metrics": metrics.get_meter_provider,
    "logs": logs.get_logger_provider,
}


def _is_placeholder(provider: object) -> bool:
    """Whether a provider is the API's own, as nobody has set one. Its classes have no public names for all signals."""
    return type(provider).__module__.startswith(("opentelemetry.trace", "opentelemetry.metrics", "opentelemetry._logs"))


def _deliver_one(delivery: Delivery, batch: Sequence[MetricsData]) -> bool:
    """Deliver the only collection of a batch: an exporter of metrics takes no list."""
    return delivery(batch[0])


def _id_generator() -> IdGenerator | None:
    """The generator that OTEL_PYTHON_ID_GENERATOR names: the provider does not look for it itself."""
    name = os.environ.get("OTEL_PYTHON_ID_GENERATOR", "random")
    for entry in entry_points(group="opentelemetry_id_generator", name=name):
        return entry.load()()
    raise ConfigurationError(f"OTEL_PYTHON_ID_GENERATOR: there is no {name!r}.")


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, ConfigurationError) else f"{type(error).__name__}: {error}"


def _listed(signals: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(signals[:-1]), signals[-1])))
