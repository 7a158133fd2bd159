"""Decides which records the reader asked for."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase

from soltrace.reading.files.source import LogEntry
from soltrace.reading.parse import Rejected, Unknown
from soltrace.wire.records import AnyRecord, PassRecord, Record


@dataclass(frozen=True)
class RecordFilter:
    """Admits a record if it matches one pattern of each kind. A kind without patterns admits everything.

    ```python
    wanted = RecordFilter(phases=("backward",), events=("pass.*",))
    wanted.admits(record)
    ```

    Args:
        phases: `forward`, `backward`. A record that belongs to no pass is in neither.
        experiments: Names of experiments, which stand for those inside them too; `*`, `?` and `[...]` are wildcards.
        events: Wire names, with the same wildcards.
        since: The earliest time. What has no time is never admitted then.
        until: The time before which records are admitted.
        where: A condition on the line as it stands in the log (see [`soltrace.reading.where.Where`][]).
    """

    phases: tuple[str, ...] = ()
    experiments: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    where: Callable[[bytes], bool] | None = None

    @property
    def everything(self) -> bool:
        """Whether every record is admitted."""
        return self == RecordFilter()

    def about(self) -> "RecordFilter":
        """Return a filter for the same passes and experiments, without events and conditions."""
        return replace(self, events=(), where=None)

    def chooses(self, entry: LogEntry) -> bool:
        """Return whether an entry of a log was asked for."""
        value = entry.value
        if isinstance(value, Rejected) or not self.admits(value):
            return False
        return self.where is None or self.where(entry.raw)

    def admits(self, value: AnyRecord | Unknown) -> bool:
        """Return whether a record was asked for, `where` aside."""
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
        time = value.timestamp
        if time is None:
            return False
        return (self.since is None or time >= self.since) and (self.until is None or time < self.until)


def event_of(record: Record) -> str:
    """Return the wire name of a record's kind: `pass.ended`."""
    return str(record.__struct_config__.tag)


def _within(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}/*")
