"""What a log becomes: log records and ended spans, line by line, each with the run that it is of."""

from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
from msgspec import structs
from opentelemetry.trace import INVALID_SPAN_CONTEXT, SpanContext, TraceFlags

from soltrace.reading.files.source import LogEntry
from soltrace.reading.parse import Rejected, Unknown
from soltrace.shipping.common_attributes import CommonAttributes, CommonToPasses
from soltrace.shipping.journal import without_return
from soltrace.shipping.replay import RunReplay
from soltrace.shipping.replayed_span import ReplayedSpan
from soltrace.shipping.run_metrics import RunMetrics
from soltrace.shipping.run_resource import run_resource
from soltrace.wire.records import TAKEN, AnyRecord, Attribute

ATTR_UID: Final = "log.record.uid"
"""OpenTelemetry's: log records with the same one are the same, and a backend may drop all but one."""
_UID_BYTES: Final = 16
_CONTEXTS_AT_MOST: Final = 1024
_names: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_object: Final = msgspec.json.Decoder(dict[str, Any])
_NO_RECORDS: Final = (Unknown, Rejected)
RunId: TypeAlias = str


class ReplayedRecord(NamedTuple):
    """A line, and all that its log record says."""

    record: AnyRecord
    """With the ids of its span."""
    common: CommonAttributes | None
    """The attributes that come first, if they are those of others too."""
    own: Mapping[str, Any]
    """The attributes that come after them."""
    context: SpanContext
    """The ids of its span, which need not be valid."""


class LogItems:
    """Makes the items of one log, in the order of its lines."""

    def __init__(self, *, counted: bool = False) -> None:
        """Begin; `counted` says whether metrics are wanted."""
        self._metrics: dict[RunId, RunMetrics] | None = {} if counted else None
        self.skipped = 0
        """Lines that are no records."""
        self._runs: dict[RunId, RunReplay] = {}
        self._ended: list[ReplayedSpan] = []
        self._common = CommonToPasses()

    def feed(self, entry: LogEntry, *, wanted: bool) -> tuple[RunId, ReplayedRecord | None, list[ReplayedSpan]] | None:
        """Take in the next line.

        Args:
            entry: The line.
            wanted: Whether its log record is; making one takes most of the time.

        Returns:
            Its run, its log record, and the spans that it ends; None if it is no record.
        """
        record = entry.value
        if isinstance(record, _NO_RECORDS):
            self.skipped += 1
            return None
        run = self._runs.get(record.run_id) or self._begin(record.run_id)
        record = run.feed(_with_context(record, entry.raw) if wanted else record)
        if self._metrics is not None:
            self._metrics[record.run_id].feed(record)
        spans: list[ReplayedSpan] = []
        if self._ended:
            spans, self._ended[:] = list(self._ended), []
        return record.run_id, self._replayed(record, entry.raw) if wanted else None, spans

    def abandon(self) -> list[tuple[RunId, ReplayedSpan]]:
        """End all that is still open, and return its spans."""
        found: list[tuple[RunId, ReplayedSpan]] = []
        for run_id, run in self._runs.items():
            run.abandon()
            found += [(run_id, span) for span in self._ended]
            self._ended.clear()
        return found

    def metrics(self) -> dict[RunId, list[bytes]]:
        """Return what each run has counted by now, encoded."""
        return {run_id: list(metrics.messages()) for run_id, metrics in (self._metrics or {}).items()}

    def resource(self, run_id: RunId) -> dict[str, Attribute]:
        """Return the attributes of the resource of a run."""
        return run_resource(run_id, self._runs[run_id].facts)

    def version(self, run_id: RunId) -> str:
        """Return the version of soltrace that wrote it, as far as that is known."""
        return str(self._runs[run_id].facts.get("soltrace", ""))

    def _replayed(self, record: AnyRecord, raw: bytes) -> ReplayedRecord:
        common, own = self._common.split(record)
        own[ATTR_UID] = blake2b(without_return(raw), digest_size=_UID_BYTES).hexdigest()
        return ReplayedRecord(record, common, own, _context(record.trace_id, record.span_id))

    def _begin(self, run_id: RunId) -> RunReplay:
        if self._metrics is not None:
            self._metrics[run_id] = RunMetrics()
        run = self._runs[run_id] = RunReplay(self._ended.append)
        return run


def _with_context(record: AnyRecord, raw: bytes) -> AnyRecord:
    """Add what the caller had bound with `structlog.contextvars`, which a record that is read from a line lacks."""
    if _names.decode(raw).keys() <= TAKEN:
        return record
    line = _object.decode(raw)
    return structs.replace(
        record, context={name.removeprefix("context."): line[name] for name in line if name not in TAKEN}
    )


@lru_cache(_CONTEXTS_AT_MOST)
def _context(trace_id: object, span_id: object) -> SpanContext:
    if not isinstance(trace_id, str) or not isinstance(span_id, str):
        return INVALID_SPAN_CONTEXT
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
