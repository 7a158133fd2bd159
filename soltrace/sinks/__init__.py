"""Where records go. Each sink is one file, imports its own library and knows nothing of the others.

Host side, on the worker thread, except where a method says otherwise. This module is only the two protocols.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from soltrace.wire.records import AnyRecord, Attribute


@dataclass(frozen=True)
class Ids:
    """Names a span."""

    trace_id: str
    """32 hexadecimal digits."""
    span_id: str
    """16 hexadecimal digits."""


class Sink(Protocol):
    """Receives records, one at a time and in order. Whatever it raises is counted and stops nobody else."""

    def handle(self, record: AnyRecord) -> None:
        """Take one record. When this returns, a kill of the process does not lose it."""
        ...

    def flush(self, timeout_s: float) -> bool:
        """Bring what was taken to where it is safe; say whether it got there. Any thread."""
        ...

    def close(self) -> None:
        """End; `handle` is not called again. Any thread."""
        ...


class ExperimentSpan(Protocol):
    """The root span of an experiment. On the thread that enters and leaves it."""

    @property
    def parent(self) -> object:
        """The place under which the spans of its passes are opened."""
        ...

    @property
    def ids(self) -> Ids | None:
        """Its ids, if it is recorded."""
        ...

    def leave(self) -> None:
        """Make current what was current before."""
        ...

    def end(self, time_ns: int, error: BaseException | None) -> None:
        """End it."""
        ...


class Tracing(Protocol):
    """Follows records too, and before the sinks do: it tells the ids of the span that a record belongs to."""

    def identify(self, record: AnyRecord, parent: object) -> Ids | None:
        """Take one record; `parent` is the place where the span of its pass is opened."""
        ...

    def caller(self) -> object:
        """The place of the caller's current span, or None. On the caller's thread."""
        ...

    def caller_ids(self) -> Ids | None:
        """The ids of that span. On the caller's thread."""
        ...

    def experiment(
        self, name: str, path: str, attributes: Mapping[str, Attribute], time_ns: int, outer: object
    ) -> ExperimentSpan:
        """Open the root span of an experiment and make it current. On the caller's thread."""
        ...

    def flush(self, timeout_s: float) -> bool:
        """Have ended spans exported, within so long. Any thread."""
        ...

    def close(self) -> None:
        """End what is open. Any thread."""
        ...
