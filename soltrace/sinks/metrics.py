"""Metrics, through OpenTelemetry's API alone. Without an SDK there is nobody to count for, and nothing is counted.

Host side, on the worker thread; counters and gauges are read by the thread that collects. They are told apart only by
what is bounded (experiment, phase, solver, status, outcome, verdict, event, stage), never by a user's own attributes:
names are in `soltrace.wire.names`.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from msgspec import UNSET
from opentelemetry import metrics
from opentelemetry.metrics import MeterProvider, NoOpMeterProvider

# For traces this has a public name.
from opentelemetry.metrics._internal import _ProxyMeterProvider  # pyright: ignore[reportPrivateUsage]

from soltrace import __version__
from soltrace.sinks.active_passes import ActivePass, ActivePasses
from soltrace.sinks.counts import COUNTS, Counts
from soltrace.sinks.gauges import GAUGES, QueueLevel
from soltrace.sinks.groups import GROUPS, PassGroup
from soltrace.sinks.otel import context_of, force_flush
from soltrace.wire.losses import OF_AN_EXPORT, What
from soltrace.wire.names import (
    ATTR_EVENT,
    ATTR_OUTCOME,
    ATTR_SIGNAL,
    ATTR_STAGE,
    ATTR_STATUS,
    ATTR_VERDICT,
    ATTR_WHAT,
    METRIC_COMPILE_DURATION,
    METRIC_EVENTS_DROPPED,
    METRIC_EVENTS_EMITTED,
    METRIC_EXPORT_FAILURES,
    METRIC_LANES,
    METRIC_PASS_DURATION,
    METRIC_PASS_VERDICTS,
    METRIC_STEPS,
    SCOPE,
)
from soltrace.wire.record_parts import Steps
from soltrace.wire.records import (
    AnyRecord,
    PassEnded,
    PassHeartbeat,
    PassProgress,
    PassStarted,
    ProgramCompiled,
    Status,
    TelemetryDropped,
)

BUCKETS_S: Final = (
    *(1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0),
    *(60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 18000.0, 36000.0),
)
"""Bounds of the histograms of durations, in seconds: a solve takes from a tenth of a millisecond to ten hours.

OpenTelemetry's own go from 5 to 10 000, whatever the unit.
"""
SERIES_AT_MOST: Final = 4096
"""Of one metric, whose attributes are kept. Beyond this they are put together again."""
EXPORTED: Final[Mapping[str, str]] = {What.SPAN: "traces", What.METRIC_POINT: "metrics", What.LOG_RECORD: "logs"}
"""The signal that was to carry what is lost on its way to a backend."""


class Metrics:
    """Counts records, and keeps the table of open passes that gauges are read from."""

    def __init__(
        self, meter_provider: MeterProvider | None = None, *, queue: QueueLevel | None = None, counts: Counts = COUNTS
    ) -> None:
        """Make the instruments.

        Args:
            meter_provider: Their provider; None: the global one, whenever it is set.
            queue: Tells how many events wait to be written, and how many may. Called on any thread.
            counts: Where it is counted: in the process's totals, unless what is counted happened in another one.
        """
        self._counts = counts
        self._provider, self._queue, self._active = meter_provider, queue, ActivePasses()
        self._listened = False
        meter = metrics.get_meter(SCOPE, __version__, meter_provider)
        self._duration = meter.create_histogram(
            METRIC_PASS_DURATION, "s", "How long passes took.", explicit_bucket_boundaries_advisory=BUCKETS_S
        )
        self._compiling = meter.create_histogram(
            METRIC_COMPILE_DURATION,
            "s",
            "How long programs took to compile.",
            explicit_bucket_boundaries_advisory=BUCKETS_S,
        )
        counts.make(meter)
        GAUGES.make(meter)
        GAUGES.read(self._active, queue)

    def handle(self, record: AnyRecord) -> None:
        """Count one record."""
        self._counts.add(METRIC_EVENTS_EMITTED, 1, ATTR_EVENT, str(record.__struct_config__.tag))
        match record:
            case PassStarted():
                self._active.start(record, GROUPS.of(record.experiment, record.phase, record.solver))
            case PassProgress():
                self._progressed(record)
            case PassHeartbeat():
                if (active := self._active.find(record.pass_id)) is not None:
                    active.beat(record)
            case PassEnded():
                self._ended(record)
            case ProgramCompiled():
                self._compiled(record)
            case TelemetryDropped():
                self._count_lost(record)
            case _:
                pass

    def listens(self) -> bool:
        """Say whether there is a provider that collects."""
        if not self._listened:  # once there is a provider, it stays
            provider = self._provider or metrics.get_meter_provider()
            self._listened = not isinstance(provider, _ProxyMeterProvider | NoOpMeterProvider)
        return self._listened

    def _progressed(self, record: PassProgress) -> None:
        active = self._active.find(record.pass_id)
        if active is None:
            return
        active.moved(record)
        if record.batch_index is UNSET and record.steps is not UNSET:
            self._count_steps(active, record.steps)

    def _ended(self, record: PassEnded) -> None:
        active = self._active.end(record.pass_id)
        if active is None:  # its start was not seen: nobody listened yet
            active = ActivePass(GROUPS.of(record.experiment, record.phase, None), 0)
        group = active.group
        # With its context, the exemplar of a bucket leads from a slow pass to its span.
        self._duration.record(record.duration_s, _series(group, record.status), context_of(record))
        if record.steps is not UNSET:
            self._count_steps(active, record.steps)
        self._count_lanes(record, group)
        if record.verdict is not UNSET:
            self._counts.add(METRIC_PASS_VERDICTS, 1, ATTR_VERDICT, record.verdict.kind, group)

    def _compiled(self, record: ProgramCompiled) -> None:
        stages = ("trace", record.trace_s), ("lower", record.lower_s), ("compile", record.compile_s)
        for stage, duration_s in stages:
            if duration_s > 0.0:  # or else it was not needed
                self._compiling.record(duration_s, {ATTR_STAGE: stage}, context_of(record))

    def _count_steps(self, active: ActivePass, steps: Steps) -> None:
        """Count the steps that are new. Counted only when a pass ends, an hour's steps would come in one moment."""
        for outcome, number in active.new_steps(steps):
            self._counts.add(METRIC_STEPS, number, ATTR_OUTCOME, outcome, active.group)

    def _count_lanes(self, record: PassEnded, group: PassGroup) -> None:
        """Count lanes of both kinds, even none: a share can't be computed with a series that is not there."""
        total, failed = 1, int(record.status == "error")
        if record.lanes is not UNSET:
            total, failed = record.lanes.total, record.lanes.failed
        self._counts.add(METRIC_LANES, total - failed, ATTR_STATUS, "ok", group)
        self._counts.add(METRIC_LANES, failed, ATTR_STATUS, "error", group)

    def _count_lost(self, record: TelemetryDropped) -> None:
        if record.reason in OF_AN_EXPORT:
            self._counts.add(METRIC_EXPORT_FAILURES, record.dropped, ATTR_SIGNAL, EXPORTED[record.what])
        else:
            self._counts.add(METRIC_EVENTS_DROPPED, record.dropped, ATTR_WHAT, record.what)

    def flush(self, timeout_s: float) -> bool:
        """Have the provider collect and export."""
        return force_flush(self._provider or metrics.get_meter_provider(), timeout_s)

    def close(self) -> None:
        """Have the gauges read no more from here. The provider is not ours, and stays."""
        GAUGES.forget(self._active, self._queue)


@lru_cache(SERIES_AT_MOST)
def _series(group: PassGroup, status: Status) -> Mapping[str, str]:
    """What the durations of a group's passes that ended so have for attributes."""
    return {**group.attributes, ATTR_STATUS: status}
