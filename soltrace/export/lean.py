"""Providers that take soltrace's own spans and log records past the SDK, straight to the queue of the exporters.

Host side, on the thread of whoever ends a span or emits a log record. What the SDK does for one is attributes, most of
all: it looks at each, copies it, and encodes it by itself. Those of soltrace are what OTLP takes before the SDK sees
them, so they are kept as they are, and encoded by hand (`soltrace.export.encoding`).

That is done only where nobody can tell: with exporters that can encode them, without a processor of the program's own,
with the usual sampler, within the limits. Everything else goes the SDK's way, and so does all that is not a pass's span
or a record of soltrace's. `tests/export/test_lean.py` compares what is sent, byte by byte.
"""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry import trace
from opentelemetry._logs import Logger, LogRecord, SeverityNumber
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LoggerProvider, LogRecordLimits, LogRecordProcessor, ReadableLogRecord
from opentelemetry.sdk._logs import ReadWriteLogRecord as SdkLogRecord
from opentelemetry.sdk.environment_variables import OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import DEFAULT_ON
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, TraceFlags, Tracer
from opentelemetry.util.types import AnyValue

from soltrace.export.bare_span import BareSpan, MakeAttributes
from soltrace.export.batch import BatchProcessor
from soltrace.export.processors import BoundedLogRecordProcessor, BoundedSpanProcessor
from soltrace.wire.names import SCOPE

_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_SAMPLED_AT_RANDOM: Final = TraceFlags(TraceFlags.SAMPLED | TraceFlags.RANDOM_TRACE_ID)


class LeanTracerProvider(TracerProvider):
    """Has a cheaper way for the spans of passes."""

    def __init__(self, **settings: Any) -> None:
        """Take what the SDK's takes, but for the limits of a span: those are the environment's."""
        self.limits = SpanLimits()
        self.batches: list[BatchProcessor[Any]] = []
        self._lean = not _counts_itself()
        super().__init__(span_limits=self.limits, **settings)

    def export_to(self, batches: BatchProcessor[Any]) -> None:
        """Export sampled spans by this batch processor, whose exporter takes lean ones."""
        self.batches.append(batches)
        super().add_span_processor(BoundedSpanProcessor(batches))

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """Add a processor of the program's own: from the next pass on, it sees the spans that the SDK makes."""
        self._lean = False
        super().add_span_processor(span_processor)

    @property
    def lean(self) -> bool:
        """Whether a pass that starts now gets a lean span."""
        return self._lean and self.sampler is DEFAULT_ON

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Mapping[str, AnyValue] | None = None,
    ) -> Tracer:
        """Return a tracer; that of soltrace's own scope can open lean spans."""
        named = instrumenting_module_name, instrumenting_library_version, schema_url, attributes
        tracer = super().get_tracer(*named)
        return LeanTracer(tracer, self, InstrumentationScope(*named)) if instrumenting_module_name == SCOPE else tracer


class LeanTracer(Tracer):
    """The SDK's tracer, which can open the span of a pass besides."""

    def __init__(self, tracer: Tracer, provider: LeanTracerProvider, scope: InstrumentationScope) -> None:
        """Open spans with this tracer of the provider."""
        self.of_the_sdk, self._provider, self._scope = tracer, provider, scope

    def start_span(self, *args: Any, **kwargs: Any) -> Span:
        """Open any span, as the SDK does."""
        return self.of_the_sdk.start_span(*args, **kwargs)

    def start_as_current_span(self, *args: Any, **kwargs: Any):  # noqa: ANN201 - of a type that is OpenTelemetry's own
        """Open any span and make it current, as the SDK does."""
        return self.of_the_sdk.start_as_current_span(*args, **kwargs)

    def start_pass_span(
        self, name: str, context: Context, attributes: MakeAttributes, links: Sequence[Link], start_time: int
    ) -> Span:
        """Open the span of a pass, which nobody but soltrace ever has in hands.

        Args:
            name: Its name.
            context: That of its parent.
            attributes: Makes its attributes, when it is exported: what they are made of does not change.
            links: What it is linked to.
            start_time: In nanoseconds since 1970.
        """
        provider, parent = self._provider, trace.get_current_span(context).get_span_context()
        if not provider.lean or (parent.is_valid and not parent.trace_flags.sampled):
            return self.of_the_sdk.start_span(name, context, SpanKind.INTERNAL, attributes(), links, start_time)
        ids = provider.id_generator
        if parent.is_valid:
            at_random = parent.trace_flags.random_trace_id
            trace_id, trace_state = parent.trace_id, parent.trace_state
        else:
            at_random = ids.is_trace_id_random()
            parent, trace_id, trace_state = None, ids.generate_trace_id(), None
        flags = _SAMPLED_AT_RANDOM if at_random else _SAMPLED
        own = SpanContext(trace_id, ids.generate_span_id(), False, flags, trace_state)  # noqa: FBT003 - as it is declared
        return LeanSpan(name, own, parent, provider, self._scope, attributes, links, start_time)


class LeanSpan(BareSpan):
    """The span of a pass, and what is exported of it once it has ended."""

    def __init__(
        self,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        provider: LeanTracerProvider,
        scope: InstrumentationScope,
        attributes: MakeAttributes,
        links: Sequence[Link],
        start_time: int,
    ) -> None:
        """Begin it."""
        super().__init__(name, context, parent, links, start_time)
        self._provider, self.resource, self.instrumentation_scope = provider, provider.resource, scope
        self.end_time: int | None = None
        self._said, self.events = [attributes], list[Event]()

    def is_recording(self) -> bool:
        """Say whether it has not ended."""
        return self.end_time is None

    @property
    def keeps_links(self) -> bool:
        """Whether the limits leave it a link."""
        return self._provider.limits.max_links != 0

    def set_attributes(self, attributes: Mapping[str, AnyValue]) -> None:
        """Set attributes."""
        self._said.append(lambda: attributes)

    def set_attributes_later(self, attributes: MakeAttributes) -> None:
        """Set attributes that are made when the span is exported."""
        self._said.append(attributes)

    def add_event(
        self, name: str, attributes: Mapping[str, AnyValue] | None = None, timestamp: int | None = None
    ) -> None:
        """Add an event."""
        limits = self._provider.limits
        bounded = BoundedAttributes(limits.max_event_attributes, attributes, max_value_len=limits.max_attribute_length)
        self.events.append(Event(name, bounded, timestamp))

    def end(self, end_time: int | None = None) -> None:
        """End it, and have it exported."""
        if self.end_time is not None:
            return
        self.end_time = time.time_ns() if end_time is None else end_time
        for batches in self._provider.batches:
            batches.put(self)

    def attributes(self) -> Mapping[str, AnyValue] | None:
        """Make its attributes; None if the SDK would change them, because of its limits."""
        first, *others = self._said
        merged = dict(first())
        for make in others:
            said = make()
            if not merged.keys().isdisjoint(said):  # said again: it comes last then, as with the SDK
                merged = {name: value for name, value in merged.items() if name not in said}
            merged |= said
        limits = self._provider.limits
        return merged if _within(merged, limits.max_span_attributes, limits.max_span_attribute_length) else None

    def whole(self) -> ReadableSpan:
        """Return it as the SDK would have made it."""
        limits = self._provider.limits
        bounded = BoundedAttributes(
            limits.max_span_attributes, immutable=False, max_value_len=limits.max_span_attribute_length
        )
        for make in self._said:
            bounded.update(make())
        return self._readable(bounded)

    def _readable(self, attributes: BoundedAttributes) -> ReadableSpan:
        limits = self._provider.limits
        links = [
            Link(
                link.context,
                BoundedAttributes(
                    limits.max_link_attributes, link.attributes, max_value_len=limits.max_attribute_length
                ),
            )
            for link in self.links
        ]
        return ReadableSpan(
            name=self.name,
            context=self.context,
            parent=self.parent,
            resource=self.resource,
            attributes=attributes,
            events=_kept(limits.max_events, self.events),
            links=_kept(limits.max_links, links),
            status=self.status,
            start_time=self.start_time,
            end_time=self.end_time,
            instrumentation_scope=self.instrumentation_scope,
        )


class LeanLoggerProvider(LoggerProvider):
    """Has a cheaper way for soltrace's own log records."""

    def __init__(self, **settings: Any) -> None:
        """Take what the SDK's takes, but for the limits of a log record: those are the environment's."""
        self.limits = LogRecordLimits()
        self.batches: list[BatchProcessor[Any]] = []
        self.lean = not _counts_itself()
        """Whether a log record of soltrace's that is emitted now is a lean one."""
        super().__init__(log_record_limits=self.limits, **settings)

    def export_to(self, batches: BatchProcessor[Any]) -> None:
        """Export log records by this batch processor, whose exporter takes lean ones."""
        self.batches.append(batches)
        super().add_log_record_processor(BoundedLogRecordProcessor(batches))

    def add_log_record_processor(self, log_record_processor: LogRecordProcessor) -> None:
        """Add a processor of the program's own: from now on, it sees log records that the SDK makes."""
        self.lean = False
        super().add_log_record_processor(log_record_processor)

    def get_logger(
        self,
        name: str,
        version: str | None = None,
        schema_url: str | None = None,
        attributes: Mapping[str, AnyValue] | None = None,
    ) -> Logger:
        """Return a logger; that of soltrace's own scope emits lean log records."""
        named = name, version, schema_url, attributes
        logger = super().get_logger(*named)
        return LeanLogger(logger, self, InstrumentationScope(*named)) if name == SCOPE else logger


class LeanLogger(Logger):
    """The SDK's logger, past which soltrace's own log records go."""

    def __init__(self, logger: Logger, provider: LeanLoggerProvider, scope: InstrumentationScope) -> None:
        """Emit with this logger of the provider what is not lean."""
        super().__init__(SCOPE)
        self._logger, self._provider, self._scope = logger, provider, scope

    def emit(self, *args: Any, **kwargs: Any) -> None:
        """Emit any log record, as the SDK does."""
        self._logger.emit(*args, **kwargs)

    @property
    def lean(self) -> bool:
        """Whether nothing but soltrace's own code takes a log record that is emitted now."""
        return self._provider.lean

    def emit_later(
        self,
        attributes: MakeAttributes,
        *,
        timestamp: int,
        context: Context,
        severity_number: SeverityNumber,
        severity_text: str,
        body: str,
        event_name: str,
    ) -> None:
        """Emit a log record whose attributes are made when it is exported: what they are made of does not change."""
        provider = self._provider
        item = LeanLogRecord(
            timestamp=timestamp,
            observed=time.time_ns(),
            span=trace.get_current_span(context),
            severity_number=severity_number,
            severity_text=severity_text,
            body=body,
            event_name=event_name,
            make_attributes=attributes,
            limits=provider.limits,
            resource=provider.resource,
            instrumentation_scope=self._scope,
        )
        for batches in provider.batches:
            batches.put(item)

    def enabled(self, **asked: Any) -> bool:
        """Say whether anybody takes such a log record."""
        return self._logger.enabled(**asked)


@dataclass(slots=True)
class LeanLogRecord:
    """A log record of soltrace's, as it waits for its export. Not frozen: that takes longer to make."""

    timestamp: int
    observed: int
    span: Span
    """The one that it belongs to."""
    severity_number: SeverityNumber
    severity_text: str
    body: str
    event_name: str
    make_attributes: MakeAttributes
    limits: LogRecordLimits
    resource: Resource
    instrumentation_scope: InstrumentationScope

    def attributes(self) -> Mapping[str, AnyValue] | None:
        """Make its attributes; None if the SDK would change them, because of its limits."""
        made, limits = self.make_attributes(), self.limits
        within = _within(made, limits.max_log_record_attributes, limits.max_log_record_attribute_length)
        return made if within else None

    def whole(self) -> ReadableLogRecord:
        """Return it as the SDK would have made it."""
        record = LogRecord(
            timestamp=self.timestamp,
            observed_timestamp=self.observed,
            context=trace.set_span_in_context(self.span, Context()),
            severity_text=self.severity_text,
            severity_number=self.severity_number,
            body=self.body,
            attributes=self.make_attributes(),
            event_name=self.event_name,
        )
        bounded = SdkLogRecord(record, self.resource, self.instrumentation_scope, self.limits)
        return ReadableLogRecord(bounded.log_record, self.resource, self.instrumentation_scope, self.limits)


Lean = LeanSpan | LeanLogRecord
"""What is exported as it is; `whole()` is the same as the SDK would have made it."""


def _kept(at_most: int | None, items: Sequence[Any]) -> Sequence[Any]:
    """Keep the last ones, and the number of those that are dropped."""
    untyped: Any = BoundedList
    return untyped.from_seq(at_most, items) if items else ()


def _within(attributes: Mapping[str, AnyValue], at_most: int | None, longest: int | None) -> bool:
    """Whether the SDK would leave them as they are."""
    return longest is None and (at_most is None or len(attributes) <= at_most)


def _counts_itself() -> bool:
    """Whether the SDK is to count what it makes."""
    return os.environ.get(OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED, "").strip().lower() == "true"
