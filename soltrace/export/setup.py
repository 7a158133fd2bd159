"""The providers that we set up, because the program has not done so: one for each signal that is asked for.

Host side, on the thread of whoever configures or solves first. They are OpenTelemetry's global ones from then on, so
that the program's own spans go the same way, and stay as long as the process: OpenTelemetry sets a provider once.
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
from soltrace.export.batch import Batch, Limits
from soltrace.export.delivery import Delivery
from soltrace.export.environment import Signal, interval_s, limits
from soltrace.export.exporters import MissingExtraError, maker
from soltrace.export.processors import Collector, LogRecords, Spans, points
from soltrace.export.resource import describe
from soltrace.wire.losses import OUTSIDE, What, Why

Make: TypeAlias = Callable[[], Any]
"""Makes an exporter."""
WHAT: Final[Mapping[Signal, What]] = {"traces": What.SPAN, "metrics": What.METRIC_POINT, "logs": What.LOG_RECORD}
"""What is lost where the export of a signal fails, as in `telemetry.dropped`."""
COLLECTIONS_AT_MOST: Final = 4
"""That wait for being exported. The sums of a later one have those of an earlier one in them."""


class Exports:
    """What this process exports."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._made: dict[Signal, tuple[Any, ...]] = {}
        self._batches: list[tuple[Batch[Any], Delivery]] = []
        self._collectors: list[Collector] = []
        self._meter_provider: MeterProvider | None = None
        self._metrics_pid = os.getpid()

    def set_up(self, asked: Mapping[Signal, Sequence[str]], endpoint: str | None) -> list[str]:
        """Set up the signals that are asked for and have no provider.

        Args:
            asked: the names of their exporters.
            endpoint: where OTLP goes; None: where the environment says.

        Returns:
            What could not be done, and why, in the user's words.
        """
        problems: list[str] = []
        resource: Resource | None = None
        for signal, names in asked.items():
            if self._stands(signal, names, endpoint, problems):
                continue
            resource = resource or describe()
            try:
                _MAKE[signal](self, [maker(signal, name, endpoint) for name in names], resource)
            except Exception as error:  # noqa: BLE001 - the exporter's own, too: a solve goes on without it
                problems.append(_problem(signal, error))
            else:
                self._made[signal] = (*names, endpoint)
        return list(dict.fromkeys(problems))

    def _stands(self, signal: Signal, names: Sequence[str], endpoint: str | None, problems: list[str]) -> bool:
        """Whether nothing is to be done for a signal."""
        if signal in self._made:
            if endpoint is not None and self._made[signal][-1] != endpoint:
                problems.append(f"{signal} go where they went: otlp_endpoint= holds as long as the process.")
            return signal != "metrics" or self._metrics_pid == os.getpid()
        if names and not _is_placeholder(_CURRENT[signal]()):
            if endpoint is not None:
                problems.append(f"{signal} go where your program's own provider sends them, not to otlp_endpoint=.")
            return True
        return not names

    def own_meter_provider(self) -> MeterProvider | None:
        """The one to use instead of the global one: in the child of a fork, whose global one has the parent's sums."""
        return self._meter_provider if self._metrics_pid == os.getpid() else None

    def make_traces(self, makers: Sequence[Make], resource: Resource) -> None:
        """Set up a tracer provider. It reads OTEL_TRACES_SAMPLER and the span limits itself."""
        at_most = limits("OTEL_BSP_", 5000)
        batches = [self._batch("traces", make, at_most) for make in makers]
        provider = TracerProvider(resource=resource, id_generator=_id_generator(), shutdown_on_exit=False)
        for batch, _ in batches:
            provider.add_span_processor(Spans(batch))
        self._batches += batches
        trace.set_tracer_provider(provider)

    def make_logs(self, makers: Sequence[Make], resource: Resource) -> None:
        """Set up a logger provider."""
        at_most = limits("OTEL_BLRP_", 1000)
        batches = [self._batch("logs", make, at_most) for make in makers]
        provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
        for batch, _ in batches:
            provider.add_log_record_processor(LogRecords(batch))
        self._batches += batches
        logs.set_logger_provider(provider)

    def make_metrics(self, makers: Sequence[Make], resource: Resource) -> None:
        """Set up a meter provider; in the child of a fork another one, for ourselves."""
        scraped: list[MetricReader] = []
        collectors: list[Collector] = []
        batches: list[tuple[Batch[Any], Delivery]] = []
        for make in makers:
            if isinstance(make, type) and issubclass(make, MetricReader):
                scraped.append(make())
                continue
            batch, delivery = self._batch("metrics", cast("Make", make), Limits(3600.0, COLLECTIONS_AT_MOST, 1), points)
            batches.append((batch, delivery))
            collectors.append(Collector(delivery.exporter, batch, interval_s()))
        provider = MeterProvider([*scraped, *collectors], resource, shutdown_on_exit=False)
        self._batches += batches
        self._collectors += collectors
        self._meter_provider, self._metrics_pid = provider, os.getpid()
        if _is_placeholder(metrics.get_meter_provider()):
            metrics.set_meter_provider(provider)

    def _batch(
        self, signal: Signal, make: Make, at_most: Limits, size: Callable[[Any], int] = lambda _: 1
    ) -> tuple[Batch[Any], Delivery]:
        delivery = Delivery(make, WHAT[signal])
        deliver = delivery if signal != "metrics" else partial(_one, delivery)
        lost = partial(_lost, WHAT[signal])
        return Batch(deliver, lost, at_most, size=size, name=f"soltrace-{signal}"), delivery

    def flush(self, timeout_s: float) -> bool:
        """Export what there is, all signals at once; say whether it is dealt with. Starts no thread."""
        deadline = time.monotonic() + timeout_s
        for collector in self._collectors:
            collector.collect()
        for batch, _ in self._batches:
            batch.hurry()
        done = [batch.flush(deadline - time.monotonic()) for batch, _ in self._batches]  # each, also after a failure
        return all(done)

    def stop(self, timeout_s: float, within_s: float) -> None:
        """Export what there is, and give up and count the rest. Nothing is exported afterwards.

        Args:
            timeout_s: wait no longer.
            within_s: how long it has been tried in all: what is said.
        """
        if timeout_s > 0:
            self.flush(timeout_s)
        for batch, delivery in self._batches:
            if lost := batch.stop(0.0):
                delivery.given_up(lost, within_s)
            delivery.shut_down()
        self._batches.clear()


EXPORTS: Final = Exports()
_MAKE: Final = {"traces": Exports.make_traces, "metrics": Exports.make_metrics, "logs": Exports.make_logs}
_CURRENT: Final[Mapping[Signal, Callable[[], object]]] = {
    "traces": trace.get_tracer_provider,
    "metrics": metrics.get_meter_provider,
    "logs": logs.get_logger_provider,
}


def _is_placeholder(provider: object) -> bool:
    """Whether it is the API's own, because nobody has set one: the classes have no public names for all signals."""
    return type(provider).__module__.startswith(("opentelemetry.trace", "opentelemetry.metrics", "opentelemetry._logs"))


def _one(delivery: Delivery, batch: Sequence[MetricsData]) -> bool:
    """Deliver one collection: an exporter of metrics takes no list."""
    return delivery(batch[0])


def _lost(what: What, lost: int, why: Why) -> None:
    OUTSIDE.add(what, why, lost)


def _id_generator() -> IdGenerator | None:
    """OTEL_PYTHON_ID_GENERATOR's, which the provider does not look for itself."""
    name = os.environ.get("OTEL_PYTHON_ID_GENERATOR", "random")
    for entry in entry_points(group="opentelemetry_id_generator", name=name):
        return entry.load()()
    raise ConfigurationError(f"OTEL_PYTHON_ID_GENERATOR: there is no {name!r}.")


def _problem(signal: Signal, error: Exception) -> str:
    if isinstance(error, MissingExtraError):
        return f"nothing is exported: {error}"
    reason = str(error) if isinstance(error, ConfigurationError) else f"{type(error).__name__}: {error}"
    return f"{signal} are not exported: {reason}"
