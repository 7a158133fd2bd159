"""Ships one log: from where the last one stopped, batch by batch, each noted when it is acknowledged.

A batch begins where the one before it ended and is cut by its lines alone. So one that is sent a second time, because
nobody could note that it had arrived, is the same one. A log that was cut since, and written on, is read again, and all
is sent that stands behind the last line that is known to be the same.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from msgspec import structs

from soltrace.reading.files.compressed import is_compressed
from soltrace.reading.files.lines import Change
from soltrace.reading.files.parts import Gaps, next_part
from soltrace.reading.files.source import LogEntry, Source
from soltrace.reading.parse import Rejected
from soltrace.shipping.items import LogItems, RunId
from soltrace.shipping.journal import Journal, Sent, line_mark
from soltrace.shipping.repeats import Repeats
from soltrace.shipping.replayed_span import ReplayedSpan
from soltrace.shipping.request import log_record_message, rejected, request_body, span_message
from soltrace.shipping.sender import SIGNALS, Sender, SentSignal

LINES: Final = 2000
"""Of a batch."""
BYTES: Final = 1 << 22
"""Of the lines of a batch: a collector takes 20 MiB at once unless it was told otherwise."""
BEFORE_IT: Final = "the part of its log before this one is missing, and is not shipped"
"""What is said of a part."""
_LOOKS_AT_MOST: Final = 100
"""Names that a log is followed through: rotated in a circle, it would have no end."""


@dataclass
class ShippedCounts:
    """What became of the lines of a log."""

    log_records: int = 0
    spans: int = 0
    skipped: int = 0
    """Lines that are no records."""
    refused: int = 0
    """LogItems that the collector said it will not have."""
    unfinished: int = 0
    """Last lines without an end, which may still be written."""
    cut: int = 0
    """How often it turned out to have been cut since it was shipped, and written on."""
    missing: int = 0
    """Parts of it that are missing, or were gone before they were read."""
    read_bytes: int = 0


@dataclass
class _Batch:
    """What is to be sent next."""

    logs: dict[RunId, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    traces: dict[RunId, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    lines: int = 0
    size: int = 0


class _CutError(Exception):
    """The log is another one behind a line that was sent."""


class LogShipper:
    """Ships a log as it stands, part by part, and what it gains.

    Args:
        path: The log.
        sender: Sends.
        state: The directory that its journal is kept in; None: beside it.
        signals: What is sent of it.
        noted: Is called after each batch. What it raises ends all.
        open_only: Its run has sent all but what never ended: that alone is sent, when it is said to be over.
        gaps: Finds how a log goes on behind a part that is missing; None: it ends there.
        after: What shipped it before: what that has sent, and has missed, counts on.
    """

    def __init__(
        self,
        path: Path,
        sender: Sender,
        state: Path | None = None,
        signals: Collection[SentSignal] = SIGNALS,
        noted: Callable[[ShippedCounts], None] = lambda _: None,
        *,
        open_only: bool = False,
        gaps: Gaps | None = None,
        after: "LogShipper | None" = None,
    ) -> None:
        self._gaps = gaps
        self.gone: list[str] = []
        """What could not be read of it any more, in words."""
        self._abandons, self._open_only = "traces" in signals, open_only
        self._signals = () if open_only else signals
        # What is read is read anew.
        before = ShippedCounts() if after is None else after.counts
        self.counts = replace(before, skipped=0, unfinished=0, read_bytes=0)
        self.damaged: Path | None = None
        """The file of it that is compressed and could not be read to its end."""
        self._sender, self._state, self._noted = sender, state, noted
        self._begin_anew(path)

    def _begin_anew(self, path: Path) -> None:
        """Begin with the first part of a log."""
        self._first = path
        self._begin(path)
        self._items = LogItems(counted="metrics" in self._signals)
        self._read_bytes = 0
        """Of the parts before this one."""

    def _begin(self, path: Path) -> None:
        """Begin with a file, for which there is a journal of its own."""
        self._path, self._source = path, Source(path, time.monotonic())
        self._batch, self._repeats = _Batch(), Repeats()
        self._journal: Journal | None = None
        self._number = 0
        self._raw = b""
        """That line."""
        self._same = 0
        """The last line that is known to be the one that was sent."""
        self._sent: Sent | None = None
        self._sent_of_all = 0
        """The last line of which all that is wanted was sent, by that note."""

    def advance(self) -> bool:
        """Ship what the log has gained by now, and return whether it has gained anything.

        Raises:
            NotSentError: The collector does not take it.
            BeingShippedError: Somebody else ships it.
            OSError: It can't be read, or the journal can't be written.
        """
        while True:
            try:
                return self._advance()
            except _CutError:
                self._begin_again()

    def _advance(self) -> bool:
        gained, looks = False, 0
        while looks < _LOOKS_AT_MOST:
            change = self._source.look(time.monotonic())
            if change is Change.NOTHING:
                if not self._goes_on():
                    break
                looks = 0
                continue
            gained, looks = True, looks + 1
            if change is Change.GROWN:
                self._take(self._once(self._source))
            else:
                self._rotated()
                if change is Change.GONE:
                    break
        self._send()
        return gained

    def finish(self, *, abandon: bool) -> None:
        """Ship a last line that lacks its newline, and if it is said to be over what is still open.

        Raises:
            NotSentError: The collector does not take it.
            OSError: It can't be read, or the journal can't be written.
        """
        try:
            self._finish(abandon=abandon)
        except _CutError:
            self._begin_again()
            self.advance()
            self._finish(abandon=abandon)

    def _finish(self, *, abandon: bool) -> None:
        self._take(self._rest(over=abandon))
        self._send()
        if self._journal is None:
            self._tell()
        elif self._number < self._journal.sent.farthest and self._number not in self._journal.marks:
            # It is shorter than it was. What is written on from here is new.
            self._journal.note(self._marked(self._journal.sent))
        if abandon and self._journal is not None and self._abandons:
            self._abandon(self._journal)

    def _rest(self, *, over: bool) -> Iterator[LogEntry]:
        """Yield a last line without its newline. What is no record may still be written, unless all is over."""
        for entry in self._source.rest():
            if not isinstance(entry.value, Rejected):
                yield entry
            elif over:
                self._items.skipped += 1
            elif not self._source.is_damaged:
                self.counts.unfinished += 1
        if self._source.is_damaged:
            self.damaged = self._path

    def close(self) -> None:
        """Let go of the journal."""
        if self._journal is not None:
            self._journal.close()

    def _goes_on(self) -> bool:
        """Go on with the next part, if there is one: what the parts before it have begun may end there."""
        following = next_part(self._path)
        behind = None if following is not None or self._gaps is None else self._gaps.behind(self._path)
        following = following or behind
        if following is None or self._source.look(time.monotonic()) is not Change.NOTHING:
            return False
        if self._gaps is not None:
            if self._source.lines.identity is None and not self._gaps.was_read(self._path):
                self._miss(f"{self._path}: it was gone before it was read, and is not shipped")
            if behind is not None and (missing := self._gaps.pass_over(self._path, behind)):
                self._miss(f"{behind}: {BEFORE_IT}", missing)
            self._gaps.read(self._path)
        self._take(self._rest(over=True))
        if self._journal is not None:
            self._is_over(self._journal)
        self._send()
        self.close()
        self._read_bytes += self._source.lines.offset
        self._begin(following)
        return True

    def _rotated(self) -> None:
        """Ship to its end what was the log, and begin with what has its name now."""
        older = self._source.rotate(time.monotonic())
        if older is None:
            if list(self._source.restart()):
                self._miss(f"{self._path}: its end was gone before it was read, and is not shipped")
        else:
            older.look(time.monotonic())
            self._take(self._once(older))
        self._send()
        self.close()
        if self._gaps is not None:
            self._gaps.read(self._path)
        source = self._source
        self._begin_anew(self._path)
        self._source = source

    def _miss(self, what: str, number: int = 1) -> None:
        self.counts.missing += number
        self.gone.append(what)

    def _begin_again(self) -> None:
        """Read a log again that was cut and written on, to send all behind the last line that is the same."""
        if self._journal is not None:
            same = self._same
            self._journal.note(self._journal.sent.back_to(same, self._journal.marks.get(same, "")))
        self.counts.cut += 1
        self.close()
        self._begin_anew(self._first)

    def _once(self, source: Source) -> Iterator[LogEntry]:
        """Yield what a file has gained; of one that is compressed without the lines that damage has made once more."""
        if not is_compressed(source.path):
            yield from source.read()
            return
        for entry in source.read():
            if entry.raw and self._repeats.has(entry.raw):
                self._items.skipped += 1
            else:
                yield entry

    def _take(self, entries: Iterable[LogEntry]) -> None:
        for entry in entries:
            journal = self._journal
            if journal is None:
                self._journal = journal = Journal(self._path, entry, self._sender.endpoint, self._state)
            # Damaged, a line may hold several records: it is shipped as a whole.
            if entry.number > self._number:
                self._is_complete(journal)
                self._number = entry.number
            self._raw = entry.raw or self._raw  # what could not be read has none
            sent = journal.sent
            found = self._items.feed(entry, wanted="logs" in self._signals and entry.number > sent.logs)
            if found is None:
                continue
            run, item, spans = found
            if item is not None:
                self._batch.logs[run].append(log_record_message(item))
            if "traces" in self._signals and entry.number > sent.traces:
                self._batch.traces[run].extend(map(span_message, spans))
            self._batch.lines += 1
            self._batch.size += len(entry.raw)

    def _is_complete(self, journal: Journal) -> None:
        """See to what is due after a line: that a batch is sent, or what was said to be over then is."""
        self._compare(journal)
        self._is_over(journal)
        if journal.sent is not self._sent:
            self._sent = journal.sent
            self._sent_of_all = min(getattr(journal.sent, signal) for signal in self._signals or SIGNALS)
        if self._number <= self._sent_of_all:
            self._batch.lines = self._batch.size = 0
        elif self._batch.lines >= LINES or self._batch.size >= BYTES:
            self._send()

    def _compare(self, journal: Journal) -> None:
        """See whether a line is still the one that was sent, where that is known."""
        mark = journal.marks.get(self._number)
        if mark is not None and self._same < self._number:
            if mark != line_mark(self._raw):
                raise _CutError
            self._same = self._number

    def _marked(self, sent: Sent) -> Sent:
        return structs.replace(sent, marked=self._number, mark=line_mark(self._raw), cut=False)

    def _is_over(self, journal: Journal) -> None:
        """End what was open at a line after which it was said to be over: that was sent then."""
        if journal.sent.abandoned and self._number == journal.sent.abandoned:
            self._items.abandon()

    def _send(self) -> None:
        """Send a batch, and note of each signal that it was acknowledged."""
        if (journal := self._journal) is None:
            return
        self._compare(journal)
        batch, self._batch = self._batch, _Batch()
        sent, number = self._marked(journal.sent), self._number
        traces = "traces" in self._signals
        if "logs" in self._signals and number > sent.logs:
            self.counts.log_records += self._deliver("logs", batch.logs)
            both = traces and number > sent.traces and not any(batch.traces.values())
            journal.note(structs.replace(sent, logs=number, traces=number if both else sent.traces))
        if traces and number > journal.sent.traces:
            self.counts.spans += self._deliver("traces", batch.traces)
            journal.note(self._marked(structs.replace(journal.sent, traces=number)))
        if "metrics" in self._signals and number > journal.sent.metrics:
            self._deliver("metrics", self._items.metrics())
            journal.note(self._marked(structs.replace(journal.sent, metrics=number)))
        self._tell()

    def _deliver(self, signal: SentSignal, items: dict[RunId, list[bytes]]) -> int:
        number = sum(map(len, items.values()))
        if number:
            body = request_body(
                {run: found for run, found in items.items() if found}, self._items.resource, self._items.version
            )
            refused = rejected(self._sender.send(signal, body))
            self.counts.refused += refused
            number -= refused
        return number

    def _abandon(self, journal: Journal) -> None:
        left: dict[RunId, list[bytes]] = defaultdict(list)
        spans: list[tuple[RunId, ReplayedSpan]] = self._items.abandon()
        if journal.sent.abandoned == self._number:
            return
        for run, span in spans:
            if span.made_up and self._open_only:  # it was not sampled
                continue
            left[run].append(span_message(span))
        if left:
            self.counts.spans += self._deliver("traces", left)
        journal.note(structs.replace(journal.sent, abandoned=self._number))
        self._tell()

    def _tell(self) -> None:
        self.counts.skipped = self._items.skipped
        self.counts.read_bytes = self._read_bytes + self._source.lines.offset
        self._noted(self.counts)
