"""Where records go. Each sink is one file, imports its own library and knows nothing of the others.

Host side, on the worker thread, except where a method says otherwise. This module is only the protocols: what a sink
is, and what is asked of tracing beside it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from soltrace.wire.losses import What
from soltrace.wire.records import AnyRecord, Attribute


@dataclass(frozen=True)
class Ids:
    """The ids of a span, as records carry them."""

    trace_id: str
    """32 hexadecimal digits."""
    span_id: str
    """16 hexadecimal digits."""


class Sink(Protocol):
    """Receives records, one at a time and in order. Whatever it raises is counted and stops nobody else.

    A record is handed to every sink. What it says is in its fields, in `Record.line` as the JSON log has it, and in
    `Record.flat` as attributes or cells of a table; both are made once, whoever asks first.

    ```python
    class PrintSink:
        def handle(self, record):
            print(record.flat)

        def flush(self, timeout_s):
            return True

        def close(self):
            pass
    ```
    """

    def handle(self, record: AnyRecord) -> None:
        """Take one record. Once this returns, a kill of the process does not lose it; see `Batching`."""
        ...

    def flush(self, timeout_s: float) -> bool:
        """Bring what was taken to where it is safe. Any thread.

        Args:
            timeout_s: How long that may take, in seconds.

        Returns:
            Whether it got there.
        """
        ...

    def close(self) -> None:
        """End; `handle` is not called again. Any thread."""
        ...


class LinesLostError(Exception):
    """Lines could not be written: so many of those that were handed over last, for this reason."""

    def __init__(self, lines: int, error: Exception) -> None:
        super().__init__(lines, error)
        self.lines, self.error = lines, error


@runtime_checkable
class Keeping(Protocol):
    """Who may keep what was taken for longer, because others do not take it."""

    kept: What
    """What that is."""

    def flush(self, timeout_s: float) -> bool:
        """As of a `Sink`."""
        ...

    def give_up(self, timeout_s: float) -> int:
        """Take back what could not be brought to where it is safe, and say how many there are of it.

        Args:
            timeout_s: How long it may yet take to get there, in seconds.
        """
        ...


@runtime_checkable
class Batching(Protocol):
    """A sink that may keep what it is handed until it is told that this is all for now.

    Its `flush` keeps to its time.
    """

    def settle(self) -> bool:
        """Bring what was taken to where it is safe. It waits for a while, but never for ever.

        Returns:
            Whether it is there.

        Raises:
            LinesLostError: Some of it was lost, or of what was taken earlier.
        """
        ...


@runtime_checkable
class Listened(Protocol):
    """A sink to which nobody may listen, or nobody yet: it is handed records only while somebody does."""

    def listens(self) -> bool:
        """Say whether somebody does. Asked once for many records: for each it would take as long as to write its line.

        Tracing is asked too, and goes by what it has found; it is handed each record all the same.
        """
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
        """Make current what was current before, where the span is current."""
        ...

    def let_others_end(self, drain: Callable[[float], bool]) -> None:
        """Wait a moment for the ends of the spans within it, where somebody minds that its own comes last.

        Args:
            drain: Waits, for so many seconds at most, until all that was told is dealt with; says whether it is.
        """
        ...

    def end(self, time_ns: int, error: BaseException | None) -> None:
        """End it.

        Args:
            time_ns: When, in nanoseconds since 1970.
            error: The exception that left the experiment, if one did.
        """
        ...


class RunSpan(Protocol):
    """The span of a run, around all that is in it. On the thread that opens and closes the run."""

    @property
    def parent(self) -> object:
        """The place under which the spans of its experiments and passes are opened."""
        ...

    @property
    def ids(self) -> Ids | None:
        """Its ids, if it is recorded."""
        ...

    def end(self, time_ns: int, error: str | None) -> None:
        """End it.

        Args:
            time_ns: When, in nanoseconds since 1970.
            error: What has ended the process, if that should not have.
        """
        ...


class Tracing(Protocol):
    """Follows records too, and before the sinks do: it gives a record the ids of the span that it belongs to."""

    def identify(self, record: AnyRecord, parent: object) -> AnyRecord:
        """Take one record.

        Args:
            record: As the worker made it, without ids if it is a pass's.
            parent: The place under which the span of its pass is opened.

        Returns:
            The record that the sinks are handed: with the ids of its span, if that is recorded.
        """
        ...

    def caller(self) -> object:
        """Return the place of the caller's current span, or None. On the caller's thread."""
        ...

    def alive(self, place: object) -> object:
        """Return the place if its span has not ended, else None. Any thread."""
        ...

    def caller_ids(self) -> Ids | None:
        """Return the ids of that span. On the caller's thread."""
        ...

    def experiment(
        self, name: str, path: str, attributes: Mapping[str, Attribute], time_ns: int, outer: object
    ) -> ExperimentSpan:
        """Open the root span of an experiment and make it current. On the caller's thread.

        Args:
            name: What the experiment is called.
            path: The same with the names of those around it, joined by `/`.
            attributes: Its attributes, inherited ones included.
            time_ns: When it began, in nanoseconds since 1970.
            outer: The place of the experiment around it, or None; the caller's own span comes first.
        """
        ...

    def run(self, place: object, trace_id: int, said: Mapping[str, str], time_ns: int) -> RunSpan:
        """Open the span of the run. On the thread that opens the run.

        Args:
            place: Where it is, or None.
            trace_id: The trace that it is in, where there is no span at that place.
            said: What its attributes say of the run.
            time_ns: When the run began, in nanoseconds since 1970.
        """
        ...

    def flush(self, timeout_s: float) -> bool:
        """Have ended spans exported, within so many seconds; say whether they were. Any thread."""
        ...

    def close(self) -> None:
        """End what is open. Any thread."""
        ...
