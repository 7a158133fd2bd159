"""Capture what solves tell, in tests: a memory sink, a clock and ids that are the same each time.

Host side. Shipped for the tests of those who use soltrace, and used by soltrace's own.
"""

import math
import threading
import time
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from soltrace.host.clock import Clock
from soltrace.host.context import Context
from soltrace.host.pacing import Every, Pacing
from soltrace.host.passes import RunInfo
from soltrace.host.process import PROCESS
from soltrace.host.recorder import Recorder
from soltrace.host.selection import LaneChoice, selection
from soltrace.sinks import Keeping, Sink, Tracing
from soltrace.wire.flat import line_of
from soltrace.wire.records import AnyRecord, Attribute, ProgramCompiled

UNSTEADY: Final = ("timestamp", "schema", "run_id", "duration_s")
"""Fields that `Capture.events` leaves out: they differ from run to run, or never."""
START_NS: Final = 1_767_225_600_000_000_000
"""Where a `TickingClock` begins: 2026-01-01T00:00:00Z."""


class TickingClock:
    """A clock that goes on by one millisecond each time it is read, and by what is really spent waiting."""

    def __init__(self, tick_s: float = 1e-3) -> None:
        """Begin at `START_NS`."""
        self._tick_ns = round(tick_s * 1e9)
        self._now_ns = 0
        self._lock = threading.Lock()

    def time_ns(self) -> int:
        """Nanoseconds since 1970."""
        return START_NS + self._tick()

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._tick() / 1e9

    def wait(self, condition: threading.Condition, timeout_s: float) -> None:
        """Wait in truth."""
        began = time.perf_counter_ns()
        condition.wait(timeout_s)
        with self._lock:
            self._now_ns += time.perf_counter_ns() - began

    def _tick(self) -> int:
        with self._lock:
            self._now_ns += self._tick_ns
            return self._now_ns


class HandClock:
    """A clock that stands still until `now` is set: seconds since `START_NS`. Waiting takes as long as it takes."""

    def __init__(self) -> None:
        """Begin at `START_NS`."""
        self.now = 0.0

    def time_ns(self) -> int:
        """Nanoseconds since 1970."""
        return START_NS + round(self.now * 1e9)

    def monotonic(self) -> float:
        """Seconds since `START_NS`."""
        return self.now

    def wait(self, condition: threading.Condition, timeout_s: float) -> None:
        """Wait in truth."""
        condition.wait(timeout_s)


class MemorySink:
    """A sink that keeps records in a list, `records`."""

    def __init__(self, *, programs: bool = True) -> None:
        """Begin empty; `programs=False` leaves out the records of programs that were compiled."""
        self._programs = programs
        self.records: list[AnyRecord] = []

    def handle(self, record: AnyRecord) -> None:
        """Keep one."""
        if self._programs or not isinstance(record, ProgramCompiled):
            self.records.append(record)

    def flush(self, timeout_s: float) -> bool:  # noqa: ARG002 - there is nothing to wait for
        """Return at once: there is nothing to wait for."""
        return True

    def close(self) -> None:
        """Do nothing."""


class Capture:
    """What `capture` yields: all that has been recorded so far."""

    def __init__(self, recorder: Recorder, sink: MemorySink, others: Sequence[object]) -> None:
        """Made by `capture`."""
        self.recorder = recorder
        self._sink = sink
        self._keeping = [other for other in others if isinstance(other, Keeping)]

    @property
    def records(self) -> list[AnyRecord]:
        """The records, once all that has happened has been dealt with."""
        self.flush()
        return list(self._sink.records)

    def events(self, *, without: Collection[str] = UNSTEADY) -> list[dict[str, Any]]:
        """The records as plain dictionaries, as the JSON log would write them, without what is unsteady."""
        return [as_event(record, without=without) for record in self.records]

    def flush(self, timeout_s: float = 30.0) -> None:
        """Wait until dispatched programs are done and everything has been dealt with."""
        for barrier in PROCESS.shared.barriers:
            barrier()
        if not self.recorder.drain(timeout_s):
            raise TimeoutError(f"the records were not dealt with within {timeout_s} s")
        for other in self._keeping:
            other.flush(timeout_s)

    def clear(self) -> None:
        """Forget what was captured so far."""
        self.flush()
        self._sink.records.clear()


def as_event(record: AnyRecord, *, without: Collection[str] = UNSTEADY) -> dict[str, Any]:
    """Return a record as a plain dictionary, as the JSON log would write it."""
    return {key: value for key, value in line_of(record).items() if key not in without}


@contextmanager
def capture(
    *,
    every: int = 1,
    fraction: float = 0.0,
    pacing: Pacing | None = None,
    lanes: LaneChoice = "auto",
    attributes: Mapping[str, Attribute] | None = None,
    sinks: Collection[Sink] = (),
    tracing: Tracing | None = None,
    queue_size: int = 1_000_000,
    abandon_after_s: float = 30.0,
    heartbeat_s: float = math.inf,
    usage: bool = False,
    clock: Clock | None = None,
    programs: bool = False,
    run_id: str = "run",
) -> Generator[Capture]:
    """Record into memory while the block runs, whatever this process is configured to do otherwise.

    Args:
        every: Steps of a forward pass from one report to the next.
        fraction: Progress of a backward pass from one report to the next, unitless; 0 reports each step.
        pacing: A policy of your own for when reports are wanted, in place of `every` and `fraction`.
        lanes: Which lanes of a batch are reported one by one, as in `soltrace.configure`.
        attributes: Attributes of everything that is recorded.
        sinks: Sinks that receive the records too.
        tracing: What opens a span for each pass; None for no spans.
        queue_size: How many signals may wait before progress is dropped.
        abandon_after_s: As in `soltrace.configure`.
        heartbeat_s: As in `soltrace.configure`; by default there are no heartbeats.
        usage: Heartbeats say what the process takes. They don't by default: it differs from run to run.
        clock: What tells the time; None for a `TickingClock`.
        programs: Keep `program.compiled` too. Left out by default: when it comes is a matter of jax's caches.
        run_id: The id of the run, with which solve and pass ids begin.

    Yields:
        A `Capture`, whose `records` and `events()` wait for what has happened so far.
    """
    sink = MemorySink(programs=programs)
    recorder = Recorder(
        RunInfo(run_id, selection(lanes)),
        PROCESS.shared,
        clock=clock or TickingClock(),
        pacing=pacing or Every(every, fraction),
        sinks=[sink, *sinks],
        tracing=tracing,
        base=Context(attributes=dict(attributes or {})),
        queue_size=queue_size,
        abandon_after_s=abandon_after_s,
        heartbeat_s=heartbeat_s,
        with_usage=usage,
    )
    try:
        with PROCESS.recording_to(recorder):
            yield Capture(recorder, sink, (*sinks, tracing))
            for barrier in PROCESS.shared.barriers:
                barrier()
    finally:
        recorder.close(timeout_s=30.0)
