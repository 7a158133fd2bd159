"""Logs as OTLP's own JSON lines: what would be sent, in files, as a collector's `otlpjsonfile` receiver reads it.

A line is a request, with a resource for each run. Ids are hexadecimal there and 64-bit integers are strings, as OTLP
says of JSON.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import msgspec
from opentelemetry.trace import SpanContext

from soltrace.reading.files.lines import Change
from soltrace.reading.files.parts import goes_on
from soltrace.reading.files.source import LogEntry, Source
from soltrace.shipping.items import LogItems, ReplayedRecord, RunId
from soltrace.shipping.replayed_span import ReplayedSpan
from soltrace.sinks.log_records import SEVERITY
from soltrace.wire.names import SCOPE

TRACES: Final = "traces.jsonl"
LOGS: Final = "logs.jsonl"
BYTES_OF_A_LINE: Final = 500_000
"""Longer ones are begun anew: of a line of more than a MiB the receiver makes several, which are no JSON."""
_TOLD_EVERY: Final = 1000
"""Entries: what is told is drawn, which takes as long as reading some."""
_INTERNAL: Final = 1
"""The kind of soltrace's spans."""
_PARENT_IS_LOCAL: Final = 0x100
"""A flag: it is known whether a parent, or what is linked, is another process's, and it is not."""


class Written(NamedTuple):
    """What was written."""

    records: int
    skipped: int
    """Lines that are no records."""


def write_otlp_json(
    paths: Sequence[Path], directory: Path, say: Callable[[str], None], tell: Callable[[float], None] = lambda _: None
) -> Written:
    """Write the spans that have ended and the log records of logs, into `traces.jsonl` and `logs.jsonl`.

    Args:
        paths: The logs.
        directory: Where; it is made if it is not there.
        say: Is called with what can't be read.
        tell: Is called with the share that was read, again and again.

    Raises:
        OSError: The directory can't be written.
    """
    directory.mkdir(exist_ok=True)
    targets = [directory / TRACES, directory / LOGS]
    unfinished = [target.with_suffix(".unfinished") for target in targets]
    records = skipped = 0
    reading = _Share(paths, tell)
    try:
        with unfinished[0].open("wb") as traces, unfinished[1].open("wb") as logs:
            items = LogItems()
            for path in paths:
                if not goes_on(path):  # in a later part ends what an earlier one has begun
                    skipped += items.skipped
                    items = LogItems()
                try:
                    records += _write_log(reading.entries(path), items, traces, logs)
                except OSError as error:
                    say(f"cannot read {path}: {error.strerror}")
            skipped += items.skipped
        for source, target in zip(unfinished, targets, strict=True):
            source.replace(target)
    finally:
        for source in unfinished:
            source.unlink(missing_ok=True)
    return Written(records, skipped)


class _Share:
    """Reads logs, and tells which share of their bytes was read. Of a compressed one, more is read than it holds."""

    def __init__(self, paths: Iterable[Path], tell: Callable[[float], None]) -> None:
        self._sizes = {path: path.stat().st_size for path in paths if path.exists()}
        self._total, self._before, self._tell = sum(self._sizes.values()) or 1, 0, tell

    def entries(self, path: Path) -> Iterator[LogEntry]:
        """Yield the entries of a log."""
        size, read = self._sizes.get(path, 0), 0
        for number, entry in enumerate(_entries(path), 1):
            yield entry
            read += len(entry.raw) + 1
            if not number % _TOLD_EVERY:
                self._tell((self._before + min(read, size)) / self._total)
        self._before += size


def _write_log(entries: Iterable[LogEntry], items: LogItems, traces: BinaryIO, logs: BinaryIO) -> int:
    spans, records = _Lines(traces, "Spans", items), _Lines(logs, "Logs", items)
    for entry in entries:
        found = items.feed(entry, wanted=True)
        if found is None:
            continue
        run, item, ended = found
        for span in ended:
            spans.add(run, _span(span))
        if item is not None:
            records.add(run, _log_record(item))
    spans.end()
    records.end()
    return records.written


def _entries(path: Path) -> Iterable[LogEntry]:
    source = Source(path, 0.0)
    if source.look(0.0) is Change.GROWN:
        yield from source.read()
    yield from source.rest()


class _Lines:
    """Lines of one kind of items. Each holds a stretch of a log: of one run, or of all that were at work then."""

    def __init__(self, file: BinaryIO, kind: str, items: LogItems) -> None:
        self._file, self._kind, self._items = file, kind, items
        self._waiting: dict[RunId, list[msgspec.Raw]] = defaultdict(list)
        self._number = self._size = 0
        self.written = 0

    def add(self, run: RunId, item: dict[str, Any]) -> None:
        """Add an item."""
        encoded = msgspec.json.encode(item)
        if self._size + self._size_of_run(run) + len(encoded) > BYTES_OF_A_LINE:
            self.end()
        self._size += self._size_of_run(run) + len(encoded)
        self._waiting[run].append(msgspec.Raw(encoded))
        self._number += 1

    def _size_of_run(self, run: RunId) -> int:
        """What a line needs for the resource of a run, if it has not got it."""
        return 0 if run in self._waiting else len(msgspec.json.encode(self._of_a_run(run, [])))

    def end(self) -> None:
        """Write what waits."""
        if not self._number:
            return
        request = {f"resource{self._kind}": [self._of_a_run(run, items) for run, items in self._waiting.items()]}
        self._file.write(msgspec.json.encode(request) + b"\n")
        self.written += self._number
        self._waiting.clear()
        self._number = self._size = 0

    def _of_a_run(self, run: RunId, items: list[msgspec.Raw]) -> dict[str, Any]:
        version = self._items.version(run)
        scope = {"name": SCOPE, "version": version} if version else {"name": SCOPE}
        name = "spans" if self._kind == "Spans" else "logRecords"
        resource = {"attributes": _attributes(self._items.resource(run))}
        return {"resource": resource, f"scope{self._kind}": [{"scope": scope, name: items}]}


def _span(span: ReplayedSpan) -> dict[str, Any]:
    status = {"message": span.status.description} if span.status.description else {}
    if code := span.status.status_code.value:
        status |= {"code": code}
    parent = {} if span.parent is None else {"parentSpanId": f"{span.parent.span_id:016x}"}
    events = [
        {"timeUnixNano": str(time_ns), "name": name, "attributes": _attributes(attributes)}
        for time_ns, name, attributes in span.events
    ]
    links = [{**_ids(link.context), "flags": _PARENT_IS_LOCAL} for link in span.links]
    return {
        **_ids(span.context),
        **parent,
        "flags": _PARENT_IS_LOCAL,
        "name": span.name,
        "kind": _INTERNAL,
        "startTimeUnixNano": str(span.start_time),
        "endTimeUnixNano": str(span.end_time),
        "attributes": _attributes(span.attributes),
        **({"events": events} if events else {}),
        **({"links": links} if links else {}),
        "status": status,
    }


def _log_record(item: ReplayedRecord) -> dict[str, Any]:
    record = item.record
    common: Mapping[str, Any] = {} if item.common is None else item.common.attributes
    event = str(record.__struct_config__.tag)
    text, number = SEVERITY[record.level]
    belongs = {**_ids(item.context), "flags": int(item.context.trace_flags)} if item.context.is_valid else {}
    return {
        "timeUnixNano": str(record.time_ns),
        "observedTimeUnixNano": str(record.time_ns),
        "severityNumber": number.value,
        "severityText": text,
        "body": {"stringValue": event},
        "attributes": _attributes({**common, **item.own}),
        **belongs,
        "eventName": event,
    }


def _ids(context: SpanContext) -> dict[str, str]:
    return {"traceId": f"{context.trace_id:032x}", "spanId": f"{context.span_id:016x}"}


def _attributes(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in attributes.items()]


def _value(value: Any) -> dict[str, Any]:
    match value:
        case str():
            return {"stringValue": value}
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value if math.isfinite(value) else _NOT_FINITE[str(value)]}
        case _:
            items: Sequence[Any] = value
            return {"arrayValue": {"values": [_value(item) for item in items]}}


_NOT_FINITE: Final = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
