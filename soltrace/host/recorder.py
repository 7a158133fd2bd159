"""The recorder: answers every signal at once, and leaves the rest to the worker.

Host side. `receive` runs inside compiled programs, on their threads; the rest on the threads of whoever calls.
"""

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from soltrace.host.answering import STARTS, Answering
from soltrace.host.bounded import bounded
from soltrace.host.clock import Clock
from soltrace.host.context import Context, Contexts, HasContext
from soltrace.host.emission import Abandonment, Announcement, Emission, moment
from soltrace.host.heartbeat import Watch
from soltrace.host.losses import Loss, Losses, described
from soltrace.host.pacing import Pacing
from soltrace.host.passes import Run
from soltrace.host.queue import Queue
from soltrace.host.signals import Array, Signal, SolveInfo, default_answer
from soltrace.host.table import Entry, Kind, Table
from soltrace.host.translate import Translator
from soltrace.host.worker import Item, Worker
from soltrace.sinks import Sink, Tracing
from soltrace.wire.records import AnyRecord, ProgramCompiled, TelemetryDropped

QUEUE_FULL: Final = "queue full"
CHECK_S: Final = 0.5
"""Who waits for passes looks this often whether one has fallen silent for too long."""
SILENCES: Final = 10.0
"""A pass is given up after so many times its longest gap between two signals."""


class Recorder:
    """What a process records with: one run."""

    def __init__(
        self,
        run: Run,
        *,
        clock: Clock,
        pacing: Pacing,
        sinks: Sequence[Sink],
        tracing: Tracing | None,
        contexts: Contexts,
        barriers: Sequence[Callable[[], object]],
        queue_size: int,
        abandon_after_s: float,
        heartbeat_s: float = math.inf,
    ) -> None:
        """Put the parts together; nothing runs until the first signal."""
        self.run, self.clock, self.tracing, self.contexts = run, clock, tracing, contexts
        self.losses = Losses()
        self._abandon_after_s = abandon_after_s
        self._sinks, self._barriers = list(sinks), barriers
        self.closed = False
        self._table = Table()
        self._answering = Answering(run.run_id, self._table, contexts, pacing, self.losses)
        self._queue: Queue[Item] = Queue(queue_size)
        watch = Watch(clock, heartbeat_s)
        translator = Translator(run, self.losses, watch)
        self._worker = Worker(self._queue, translator, sinks, tracing, self.losses, watch, self._loss_record)
        self._lock = threading.Lock()
        self._passes_ended = threading.Condition(self._lock)

    def receive(self, signal: Signal, info: SolveInfo, ints: Array, floats: Array, extras: Sequence[Array]) -> Array:
        """Answer a signal and queue it. A failure is counted, and answered by default."""
        event = Emission(signal, info, ints, floats, extras, self.clock.time_ns(), self.clock.monotonic())
        try:
            with self._lock:
                return self._receive(event)
        except Exception as error:  # noqa: BLE001 - it must not reach the solve
            self.losses.add("signal", described(error))
            return default_answer(signal)

    def _receive(self, event: Emission) -> Array:
        starts = event.signal in STARTS
        if starts and not self._queue.has_room():
            self.losses.add(event.signal.removesuffix(".start") + " pass", QUEUE_FULL)
            return default_answer(event.signal)
        answer, entry = self._answering.answer(event)
        if entry is None:
            return answer
        event.entry = entry
        self._put(event)
        if entry.ended or event.closing:
            self._passes_ended.notify_all()
        elif starts and (silent := self._table.longest_silent()) is not None:
            self._abandon(silent)
        entry.cost_s = self.clock.monotonic() - event.monotonic
        return answer

    def announce(self, record: AnyRecord, parent: object = None) -> None:
        """Queue a record that is no pass's."""
        self._put(Announcement(record, parent))

    def compiled(self, function: str, trace_s: float, lower_s: float, compile_s: float) -> None:
        """Queue what the compilation of a program took."""
        with self._lock:
            context = self.contexts.callers
        self.announce(
            ProgramCompiled(
                timestamp=moment(self.clock.time_ns()),
                run_id=self.run.run_id,
                experiment=context.experiment,
                attributes=context.attributes,
                process_index=self.run.process_index,
                function=function,
                trace_s=trace_s,
                lower_s=lower_s,
                compile_s=compile_s,
            )
        )

    def _put(self, item: Item) -> None:
        self._worker.ensure_started()
        self._queue.put(item)

    def waiting(self) -> tuple[int, int]:
        """How many items wait for the worker, and how many may. Any thread."""
        return len(self._queue), self._queue.capacity

    # Experiments

    def register_context(self, experiment: HasContext | None) -> int:
        """Remember where the caller's solve belongs; 0 where nothing is to be remembered."""
        place = None if self.tracing is None or experiment is not None else self.tracing.caller()
        with self._lock:
            context = self.contexts.callers if experiment is None else experiment.context
            if place is not None and place is not context.parent:
                context = replace(context, parent=place)
            elif experiment is None and context is self.contexts.current:
                return 0
            return self.contexts.register(context)

    def enter(self, context: Context) -> None:
        """Make a context current."""
        with self._lock:
            self.contexts.push(context)

    def token(self, context: Context) -> int:
        """A number for a context that is entered; it holds until the context is left."""
        with self._lock:
            return self.contexts.pin(context)

    def leave(self, context: Context) -> None:
        """Make the context current no more."""
        with self._lock:
            self.contexts.remove(context)

    def wait_for(self, scope: object, timeout_s: float = float("inf")) -> None:
        """Wait until the passes of an experiment have ended; give up those that are silent for too long.

        Args:
            scope: the experiment's.
            timeout_s: then give up all.
        """
        deadline = self.clock.monotonic() + timeout_s
        with self._lock:
            while open_passes := [entry for entry in self._table.open.values() if entry.context.within(scope)]:
                now = self.clock.monotonic()
                for entry in open_passes:
                    if now >= min(deadline, self._patience_ends(entry)):
                        self._abandon(entry)
                        break
                else:
                    soonest = min(deadline, *(self._patience_ends(entry) for entry in open_passes))
                    self.clock.wait(self._passes_ended, min(soonest - now, CHECK_S))

    def _patience_ends(self, entry: Entry) -> float:
        return entry.last_seen + max(self._abandon_after_s, SILENCES * entry.usual_gap)

    def _abandon(self, entry: Entry) -> None:
        self._table.end(entry)
        if entry.kind is Kind.STRETCH:
            return
        self.losses.add("end of a pass", "abandoned: no sign of life")
        self._put(Abandonment(entry, self.clock.time_ns(), self.clock.monotonic()))

    # Flushing and ending

    def await_programs(self, timeout_s: float) -> bool:
        """Wait until programs that run are done, so that they have told all; say whether they are."""
        deadline = time.monotonic() + timeout_s
        done = [bounded(barrier, deadline - time.monotonic()) for barrier in list(self._barriers)]
        self.losses.add("wait for programs", "a barrier failed or took too long", done.count(False))
        return all(done)

    def drain(self, timeout_s: float) -> bool:
        """Wait until everything received so far has been handed to the sinks."""
        return self._queue.join(timeout_s)

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything that has happened so far is where it is to go."""
        deadline = time.monotonic() + timeout_s
        programs = self.await_programs(timeout_s)
        drained = self.drain(deadline - time.monotonic())
        return self._flush_sinks(deadline) and programs and drained

    def _flush_sinks(self, deadline: float) -> bool:
        results: list[bool] = []
        for sink in (*self._sinks, *([] if self.tracing is None else [self.tracing])):
            remaining = max(deadline - time.monotonic(), 0.0)
            results.append(bounded(partial(sink.flush, remaining), remaining, must_run=False))
        return all(results)

    def close(self, timeout_s: float) -> bool:
        """Flush, give up what is still open, say what was lost, and end."""
        deadline = time.monotonic() + timeout_s
        programs = self.await_programs(timeout_s)
        with self._lock:
            for entry in list(self._table.open.values()):
                self._abandon(entry)
            self.closed = True
        self._queue.close()
        if not self._worker.join(max(deadline - time.monotonic(), 0.0)):
            return False  # a sink hangs: closing it now would pull it away under the worker
        flushed = self._flush_sinks(deadline)
        for sink in (*self._sinks, *([] if self.tracing is None else [self.tracing])):
            flushed &= bounded(sink.close, max(deadline - time.monotonic(), 0.1))
        return flushed and programs

    def _loss_record(self, loss: Loss) -> TelemetryDropped:
        base = self.contexts.base
        return TelemetryDropped(
            timestamp=moment(self.clock.time_ns()),
            level="warning",
            run_id=self.run.run_id,
            experiment=base.experiment,
            attributes=base.attributes,
            process_index=self.run.process_index,
            dropped=loss.dropped,
            what=loss.what,
            reason=loss.reason,
        )
