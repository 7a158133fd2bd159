"""A run: queues what the programs of this process tell, and leaves the rest to a worker.

Host side. `tell` runs inside compiled programs, on their threads; the rest on the threads of whoever calls.
"""

import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from msgspec import UNSET, UnsetType

from soltrace.callers import CALLERS, Entry
from soltrace.host.bounded import bounded
from soltrace.host.calls import CHECK_SOON_S, Calls
from soltrace.host.clock import Clock
from soltrace.host.context import Context
from soltrace.host.doing import NEITHER, doing
from soltrace.host.emission import Abandonment, Announcement, Emission, Queued, moment
from soltrace.host.heartbeat import BETWEEN_PASSES, Watch
from soltrace.host.own_span import OwnSpan
from soltrace.host.pacing import Pacing
from soltrace.host.passes import RunInfo
from soltrace.host.queue import Queue
from soltrace.host.shared import Shared
from soltrace.host.signals import Kind
from soltrace.host.table import PassEntry
from soltrace.host.translate import Translator
from soltrace.host.usage import UsageReader
from soltrace.host.worker import Worker
from soltrace.sinks import Batching, RunSpan, Sink, Tracing
from soltrace.wire.context_variables import context_variables
from soltrace.wire.losses import Loss, Losses, What, Why
from soltrace.wire.plain_text import NAME_AT_MOST, plain_text
from soltrace.wire.record_parts import Usage
from soltrace.wire.records import AnyRecord, ProgramCompiled, RunHeartbeat, TelemetryDropped

SILENCES: Final = 10.0
"""A pass is given up after so many times its longest gap between two signals."""


class Recorder:
    """What one run records with."""

    def __init__(
        self,
        run: RunInfo,
        shared: Shared,
        *,
        clock: Clock,
        pacing: Pacing,
        sinks: Sequence[Sink],
        tracing: Tracing | None,
        base: Context,
        queue_size: int,
        abandon_after_s: float,
        heartbeat_s: float = math.inf,
        with_usage: bool = False,
        outside: Losses | None = None,
        span: RunSpan | None = None,
    ) -> None:
        """Put the parts together; nothing runs until something is told.

        Args:
            run: what all of its records share.
            shared: with the other runs of this process.
            clock: tells the time.
            pacing: says when reports are wanted.
            sinks: get the records.
            tracing: gets them first, and names their spans.
            base: where passes belong that are in no experiment.
            queue_size: items that may wait for the worker.
            abandon_after_s: the longest that a silent pass is waited for, in seconds.
            heartbeat_s: how often an open pass is heard of, in seconds.
            with_usage: heartbeats say what the process takes.
            outside: what is lost where no run is known; None: this run does not tell it.
            span: the run's own, if it has one.
        """
        self.run, self.clock, self.pacing, self.tracing, self.base = run, clock, pacing, tracing, base
        self.ended_by: str | None = None
        """What has ended the process, if that should not have; known when it ends."""
        self.exits_by: str | None = None
        """The exception by which the last experiment was left, if it ends programs: nobody tells of it later."""
        self._span = None if span is None else OwnSpan(span, clock)
        self.losses = Losses()
        self.closed = self._afterwards = False
        self._shared, self._lock = shared, shared.lock
        self._abandon_after_s = abandon_after_s
        self._sinks = list(sinks)
        self._solves = itertools.count(1)
        self._queue: Queue[Queued] = Queue(queue_size)
        usage = UsageReader(BETWEEN_PASSES * heartbeat_s, self.losses) if with_usage else lambda: UNSET
        watch = Watch(clock, heartbeat_s, usage, self._idle)
        translator = Translator(run, self.losses, watch)
        self._worker = Worker(self._queue, translator, sinks, tracing, self.losses, outside, watch, self._loss_record)

    # Passes: called under the lock

    def new_solve(self) -> str:
        """Number a solve: its `solve_id`."""
        return f"{self.run.run_id}.{next(self._solves)}"

    def context(self, token: int = 0, caller: int | None = None) -> Context:
        """Where a pass belongs.

        Args:
            token: of the experiment that its program names; 0: none.
            caller: the number under which its program's caller is found; None: it is not known.
        """
        contexts = self._shared.contexts
        named = contexts.named(token) if token else None
        if named is not None:
            return named
        if token:
            self.losses.add(What.EXPERIMENT, Why.FORGOTTEN)
        entries, late = CALLERS.at(caller) if caller is not None else ((), False)
        for entry in entries[-1:] if late else ():
            return _at(entry.experiment or self.base, None if self.tracing is None else entry.span)
        for entry in reversed(entries):
            if (found := self._entered(entry)) is not None:
                return found
        return contexts.main_threads or self.base

    def _entered(self, entry: Entry) -> Context | None:
        """Where passes belong in something that was entered; None where it is over, though nobody has left it."""
        contexts = self._shared.contexts
        experiment, span = contexts.open_around(entry.experiment), None
        if self.tracing is not None and entry.span is not None:
            span = self.tracing.alive(entry.span)
            over = span is None
        else:
            over = experiment is not entry.experiment
        return None if over else _at(experiment or contexts.main_threads or self.base, span)

    def has_room(self, kind: Kind) -> bool:
        """Say whether something may begin; if not, it is lost, and counted."""
        if self._queue.has_room():
            return True
        self.losses.add(kind.refused, Why.QUEUE_FULL)
        return False

    def tell(self, event: Emission) -> None:
        """Queue what has been answered."""
        entry = event.entry
        self._put(event)
        if entry.ended or event.closing:
            self._shared.passes_ended.notify_all()
        elif event.signal.begins_a_pass and (silent := self._shared.passes.longest_silent()) is not None:
            silent.run.abandon(silent, Why.NO_SIGN_OF_LIFE)
        entry.cost_s = self.clock.monotonic() - event.monotonic

    def abandon(self, entry: PassEntry, why: Why | None, *, interrupted: bool = False) -> None:
        """Give a pass up: its end is made up, and counted as lost unless the error of its solve explains it.

        Args:
            entry: the pass.
            why: its end is lost; None: its program is over, and has told all that there was.
            interrupted: a signal has cut it short, or what a signal's handler raises.
        """
        self._shared.passes.end(entry)
        if entry.kind is Kind.STRETCH:
            return
        if why is not None and not self._shared.passes.is_stopped(entry):  # else its program has no more to tell
            self.losses.add(What.PASS_END, why)
        self._put(
            Abandonment(entry, self.clock.time_ns(), self.clock.monotonic(), interrupted or why is Why.INTERRUPTED)
        )

    # Records that are no pass's

    def announce(self, record: AnyRecord, parent: object = None) -> bool:
        """Queue a record that is no pass's; say whether the run was still open for it."""
        with self._lock:
            if accepted := self._afterwards or not self.closed:
                self._put(Announcement(record, parent))
            return accepted

    def compiled(
        self, function: str, trace_s: float, lower_s: float, compile_s: float, arguments: Sequence[str] | None = None
    ) -> None:
        """Queue what the compilation of a program took."""
        context = self.callers
        self.announce(
            ProgramCompiled(
                timestamp=moment(self.clock.time_ns()),
                run_id=self.run.run_id,
                experiment=context.experiment,
                attributes=context.attributes,
                process_index=self.run.process_index,
                context=context.variables or UNSET,
                function=plain_text(function, NAME_AT_MOST),
                trace_s=trace_s,
                lower_s=lower_s,
                compile_s=compile_s,
                arguments=UNSET if arguments is None else list(arguments),
            )
        )

    def _idle(self, time_ns: int, silent_s: float, usage: Usage | UnsetType) -> RunHeartbeat | None:
        """Say that the run is alive: in an experiment, while a program is compiled, or if its log is to have an end."""
        with self._lock:
            contexts = self._shared.contexts
            context = contexts.main_threads or (contexts.open[-1] if contexts.open else None)
        found = doing()
        if context is None and found == NEITHER and self._span is None:
            return None
        context = context or self.base
        return RunHeartbeat(
            timestamp=moment(time_ns),
            run_id=self.run.run_id,
            experiment=context.experiment,
            attributes=context.attributes,
            process_index=self.run.process_index,
            trace_id=UNSET if context.ids is None else context.ids.trace_id,
            span_id=UNSET if context.ids is None else context.ids.span_id,
            silent_s=silent_s,
            doing=found,
            usage=usage,
        )

    def _put(self, item: Queued) -> None:
        if self._afterwards:
            self._worker.deal_with_the_last(item)
            return
        self._worker.ensure_started()
        self._queue.put(item)

    def waiting(self) -> tuple[int, int]:
        """How many items wait for the worker, and how many may. Any thread."""
        return len(self._queue), self._queue.capacity

    # Experiments

    @property
    def callers(self) -> Context:
        """The experiment that the calling thread is in."""
        with self._lock:
            return self._shared.contexts.callers or self.base

    def callers_place(self) -> Context | None:
        """Where a solve belongs that the calling thread runs itself; None: nobody is in anything."""
        span = None if self.tracing is None else self.tracing.caller()
        variables = context_variables()
        with self._lock:
            if span is None and not variables and CALLERS.nobody and not self._shared.contexts.open:
                return None
            place = _at(self._shared.contexts.callers or self.base, span)
            return place if variables == place.variables else replace(place, variables=variables)

    def enter(self, context: Context, close: Callable[[BaseException], object] | None = None) -> None:
        """Note that an experiment is open, and how it is ended where the process ends first."""
        with self._lock:
            self._shared.contexts.enter(context, close)

    def token(self, context: Context) -> int:
        """A number for an experiment that is open."""
        with self._lock:
            return self._shared.contexts.name(context)

    def leave(self, context: Context) -> bool:
        """Note that it is not; say whether it was."""
        with self._lock:
            return self._shared.contexts.leave(context)

    def wait_for(self, scope: object, timeout_s: float = float("inf"), why: Why = Why.NO_SIGN_OF_LIFE) -> None:
        """Wait until the passes of an experiment have ended; give up those that are silent for too long.

        Those whose programs an error has stopped are not waited for: diffrax's own, which the end of the forward pass
        has told, or any other, once the call of the program is seen to be over. Where diffrax's does not stop it,
        because nothing that could fail was read, its results have been waited for before.

        Args:
            scope: the experiment's.
            timeout_s: then give up all.
            why: they are given up.
        """
        deadline = self.clock.monotonic() + timeout_s
        with self._lock:
            foreign = any(entry.thread is None for entry in self._open_within(scope))
        calls = Calls(self._shared.mark if foreign else None)
        with self._lock:
            while open_passes := self._open_within(scope):
                now, given_up = self.clock.monotonic(), False
                patience = {entry: min(deadline, self._patience_ends(entry)) for entry in open_passes}
                over = {entry: calls.over_from(entry) for entry in open_passes}
                for entry in open_passes:
                    if now >= over[entry] or now >= patience[entry]:
                        over_already = now >= over[entry]
                        entry.run.abandon(entry, None if over_already else why, interrupted=why is Why.INTERRUPTED)
                        given_up = True
                if not given_up:
                    soonest = min(*patience.values(), *over.values()) - now
                    self.clock.wait(self._shared.passes_ended, min(soonest, calls.check_s))

    def _open_within(self, scope: object) -> list[PassEntry]:
        return [entry for entry in self._shared.passes.open.values() if entry.context.within(scope)]

    def _patience_ends(self, entry: PassEntry) -> float:
        if self._shared.passes.is_stopped(entry):
            return -math.inf
        return entry.last_seen + max(self._abandon_after_s, SILENCES * entry.usual_gap)

    # Flushing and ending

    def await_programs(self, timeout_s: float) -> bool:
        """Wait until programs that run are done, so that they have told all; say whether they are."""
        deadline = time.monotonic() + timeout_s
        done = [bounded(barrier, deadline - time.monotonic()) for barrier in list(self._shared.barriers)]
        self.losses.add(What.WAIT, Why.NOT_AWAITED, done.count(False))
        return all(done)

    def silence(self, timeout_s: float) -> None:
        """Have programs that run report nothing more but the ends of their passes, and wait until they know it."""
        deadline, calls = time.monotonic() + timeout_s, Calls(None)
        with self._lock:
            silent = self._shared.passes.silence()
            unaware = lambda: any(not pace.known and calls.may_go_on(entry) for entry, pace in silent.items())
            while unaware() and (remaining := deadline - time.monotonic()) > 0:
                self._shared.passes_ended.wait(min(remaining, CHECK_SOON_S))

    def drain(self, timeout_s: float) -> bool:
        """Wait until everything received so far has been handed to the sinks."""
        return self._worker.work_here() or self._queue.join(timeout_s)

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
            keeps_to_it = isinstance(sink, Batching)  # and may be asked where no thread can be started
            results.append(bounded(partial(sink.flush, remaining), remaining, must_run=keeps_to_it))
        return all(results)

    def close(self, timeout_s: float) -> bool:
        """Flush, give up what is still open, say what was lost, and end. Nothing begins here any more."""
        deadline = time.monotonic() + timeout_s
        flushed = self.finish(timeout_s)
        if self._afterwards:  # or else a sink hangs: closing it now would pull it away under the worker
            self._afterwards = False
            for sink in (*self._sinks, *([] if self.tracing is None else [self.tracing])):
                flushed &= bounded(sink.close, max(deadline - time.monotonic(), 0.1))
        return flushed

    def finish(self, timeout_s: float, ended_by: str | None = None, *, interrupted: bool = False) -> bool:
        """Do as `close` does, but leave the sinks open: what is told from now on is dealt with where it is told.

        Args:
            timeout_s: wait no longer, in seconds.
            ended_by: what ends the process, whose open experiments are closed with that; None: it goes on.
            interrupted: that was a signal, and it is why passes are open.
        """
        deadline = time.monotonic() + timeout_s
        programs = interrupted or self.await_programs(timeout_s)
        with self._lock:
            calls = Calls(None)
            for entry in self._shared.passes.open_in(self):
                over = interrupted or calls.over_from(entry) == -math.inf
                self.abandon(entry, None if over else Why.RUN_CLOSED, interrupted=interrupted)
            if ended_by is not None:
                self._shared.contexts.close_all(ended_by)
            if self._span is not None:
                self._put(Announcement(self._span.end(self.run, self.base, self.losses, self.ended_by)))
                self._span = None
            self.closed = True
            self._shared.passes_ended.notify_all()
            self._queue.close()
        if not self._worker.join(max(deadline - time.monotonic(), 0.0), is_last=ended_by is not None):
            return False
        self._afterwards = True
        flushed = self._flush_sinks(deadline)
        self._worker.give_up(deadline)
        return flushed and programs

    def _loss_record(self, loss: Loss) -> TelemetryDropped:
        return TelemetryDropped(
            timestamp=moment(self.clock.time_ns()),
            level="warning",
            run_id=self.run.run_id,
            experiment=self.base.experiment,
            attributes=self.base.attributes,
            process_index=self.run.process_index,
            dropped=loss.dropped,
            what=loss.what,
            reason=loss.reason,
        )


def _at(experiment: Context, span: object) -> Context:
    """The place of a span in an experiment."""
    return experiment if span is None or span is experiment.parent else replace(experiment, parent=span)
