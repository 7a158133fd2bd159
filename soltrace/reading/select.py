"""Which records the reader asked for."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from soltrace.reading.parse import Unknown
from soltrace.records import AnyRecord, PassRecord, Record


@dataclass(frozen=True)
class Selection:
    """Admit a record if it matches one of each kind of pattern; an empty kind admits everything.

    Args:
        phases: `forward`, `backward`; a record that belongs to no pass is none of either.
        experiments: A name means that experiment and those inside it; `*`, `?` and `[...]` are wildcards.
        events: Wire names, with the same wildcards.
    """

    phases: tuple[str, ...] = ()
    experiments: tuple[str, ...] = ()
    events: tuple[str, ...] = ()

    def admits(self, value: AnyRecord | Unknown) -> bool:
        """Tell whether the record is one of those asked for."""
        return self._phase(value) and self._experiment(value) and self._event(value)

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


def event_of(record: Record) -> str:
    """Look up the wire name of a record's kind."""
    return str(record.__struct_config__.tag)


def _within(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}/*")
