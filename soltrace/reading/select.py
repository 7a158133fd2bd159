"""Which records the reader asked for."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase

from soltrace.reading.files.source import LogEntry
from soltrace.reading.parse import Rejected, Unknown
from soltrace.wire.records import AnyRecord, PassRecord, Record


@dataclass(frozen=True)
class RecordFilter:
    """Admit a record if it matches one of each kind of pattern; an empty kind admits everything.

    Args:
        phases: `forward`, `backward`; a record that belongs to no pass is none of either.
        experiments: A name means that experiment and those inside it; `*`, `?` and `[...]` are wildcards.
        events: Wire names, with the same wildcards.
        since: The earliest moment; what has no time is not since any.
        until: Up to this moment, which is not included.
        where: A condition on the line as it stands in the log.
    """

    phases: tuple[str, ...] = ()
    experiments: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    where: Callable[[bytes], bool] | None = None

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return self == RecordFilter()

    def about(self) -> "RecordFilter":
        """Choose what these records are about, whatever they say: without events and conditions."""
        return replace(self, events=(), where=None)

    def chooses(self, entry: LogEntry) -> bool:
        """Tell whether a line is one of those asked for."""
        value = entry.value
        if isinstance(value, Rejected) or not self.admits(value):
            return False
        return self.where is None or self.where(entry.raw)

    def admits(self, value: AnyRecord | Unknown) -> bool:
        """Tell whether the record is one of those asked for."""
        return self._phase(value) and self._experiment(value) and self._event(value) and self._time(value)

    def _phase(self, value: AnyRecord | Unknown) -> bool:
        if not self.phases:
            return True
        return isinstance(value, PassRecord | Unknown) and value.phase in self.phases

    def _experiment(self, value: AnyRecord | Unknown) -> bool:
        if not self.experiments:
            return True
        name = value.experiment
        return name is not None and any(_within(name, pattern) for pattern in self.experiments)

    def _event(self, value: AnyRecord | Unknown) -> bool:
        if not self.events:
            return True
        event = value.event if isinstance(value, Unknown) else event_of(value)
        return any(fnmatchcase(event, pattern) for pattern in self.events)

    def _time(self, value: AnyRecord | Unknown) -> bool:
        if self.since is None and self.until is None:
            return True
        moment = value.timestamp
        if moment is None:
            return False
        return (self.since is None or moment >= self.since) and (self.until is None or moment < self.until)


def event_of(record: Record) -> str:
    """Look up the wire name of a record's kind."""
    return str(record.__struct_config__.tag)


def _within(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}/*")
