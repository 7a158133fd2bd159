"""The worker: one daemon thread that turns what was queued into records and hands them to the sinks.

Host side. No failure of a sink, or of this room's own, ends it or reaches another sink: each is counted.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from soltrace.host.emission import Queued, Told
from soltrace.host.heartbeat import Watch
from soltrace.host.queue import Queue
from soltrace.sinks import Batching, Keeping, LinesLostError, Listened, Sink, Tracing
from soltrace.wire.losses import OF_AN_EXPORT, Loss, Losses, What, Why, failures
from soltrace.wire.records import AnyRecord, TelemetryDropped
from soltrace.wire.start_thread import start_thread

WINDOW_S: Final = 10.0
"""What was lost is said this often."""
WARN_AGAIN_S: Final = 600.0
"""On stderr it is said once, and again only after this time: a disk may be full for days."""
SAID_ELSEWHERE: Final = OF_AN_EXPORT | {Why.QUEUE_FULL}
"""Losses that need no warning of their own on stderr: exporters say what they lose once an outage."""
_LOG: Final = logging.getLogger("soltrace")


class Worker:
    """Runs from the first item until it is closed."""

    def __init__(
        self,
        queue: Queue[Queued],
        translate: Callable[[Queued], Sequence[Told]],
        sinks: Sequence[Sink],
        tracing: Tracing | None,
        losses: Losses,
        outside: Losses | None,
        watch: Watch,
        loss_record: Callable[[Loss], TelemetryDropped],
    ) -> None:
        """Make it; the thread starts with the first item."""
        self._queue, self._translate, self._losses, self._loss_record = queue, translate, losses, loss_record
        self._sinks, self._tracing, self._watch = list(sinks), tracing, watch
        # Looked up once: it takes as long as writing a line.
        self._gathering = {index: sink for index, sink in enumerate(sinks) if isinstance(sink, Batching)}
        self._listened = {index: sink for index, sink in enumerate(sinks) if isinstance(sink, Listened)}
        self._awake: Sequence[int] = range(len(sinks))
        """The sinks that are handed records now."""
        self._outside = outside
        self._owed = [Losses() for _ in sinks]
        """What each sink has not been told of the losses, because it failed: a full disk has room again some time."""
        self._failing: set[int] = set()
        """The sinks that could not handle the last record."""
        self._working = threading.Lock()
        """Held by who does the work: the thread, or those who do without it."""
        self._thread: threading.Thread | None = None
        self._cannot_start = False
        self._said_at = -WINDOW_S
        self._warnings = _Warnings()
        self.handled = 0
        """Items dealt with."""
        self._in_hand = 0
        """Items that were taken from the queue and are not dealt with."""
        self._asked: object = None
        """Whose code was called last."""

    def ensure_started(self) -> None:
        """Start the thread, once. Under the process's lock.

        From Python 3.12 on none can be started while the interpreter ends. What is queued then is dealt with by who
        flushes or closes the run.
        """
        if self._thread is None and not self._cannot_start:
            self._thread = start_thread(self._run, "soltrace-worker")
            self._cannot_start = self._thread is None

    def work_here(self) -> bool:
        """Deal with what is queued, on the caller's thread, if the worker's own can't be started; say if that is so."""
        if self._cannot_start:
            with self._working:
                self._work(self._queue.poll())
        return self._cannot_start

    def join(self, timeout_s: float, *, is_last: bool = False) -> bool:
        """Wait for the end of the work after the queue was closed; say whether it came.

        Args:
            timeout_s: Wait no longer, in seconds.
            is_last: The process ends: what has not been dealt with by then is lost, and said to be.
        """
        if self._thread is not None:
            self._thread.join(timeout_s)
            if is_last and self._thread.is_alive():
                self._say_held_up()
            return not self._thread.is_alive()
        self.work_here()
        self._say_losses(last=True)
        return True

    def deal_with_the_last(self, item: Queued) -> None:
        """Deal with what is told after that, on the caller's thread."""
        with self._working:
            self._look_who_listens()
            self._deal_with(item)
            self._settle_all()
            self._say_losses(last=True)

    def _run(self) -> None:
        with self._working:
            while (batch := self._queue.take(self._patience_s())) is not None:
                self._work(batch)
            self._say_losses(last=True)

    def _work(self, batch: Sequence[Queued]) -> None:
        self._look_who_listens()
        if batch:
            self._watch.heard()
        for number, item in enumerate(batch):
            self._in_hand = len(batch) - number
            self._deal_with(item)
        self._in_hand = 0
        self._beat()
        self._settle_all()
        self._say_losses(last=False)

    def _patience_s(self) -> float | None:
        """How long it may sleep where there is nothing to take; None: until there is."""
        waits = [WINDOW_S if self._waiting() else None, self._watch.wait_s()]
        return min((wait for wait in waits if wait is not None), default=None)

    def _deal_with(self, item: Queued) -> None:
        self.handled += 1
        try:
            told = self._translate(item)
        except failures() as error:  # one signal is lost, and said to be
            self._losses.failed(What.SIGNAL, error)
            return
        for record, parent in told:
            self._deliver(record, parent)

    def _beat(self) -> None:
        try:
            for entry, heartbeat in self._watch.beats():
                self._deliver(heartbeat, entry.context.parent)
            if (of_the_run := self._watch.run_beat()) is not None:
                self._deliver(of_the_run, None)
        except failures() as error:  # the next one may do
            self._losses.failed(What.HEARTBEAT, error)

    def _deliver(self, record: AnyRecord, parent: object) -> None:
        record = self._identified(record, parent)
        for index in self._awake:
            self._hand(index, record)

    def _look_who_listens(self) -> None:
        """Ask for the sake of what is told next, and not for each record."""
        self._awake = [index for index in range(len(self._sinks)) if self._listens(self._listened.get(index))]
        if isinstance(self._tracing, Listened):
            self._listens(self._tracing)

    def _listens(self, sink: Listened | None) -> bool:
        try:
            return sink is None or sink.listens()
        except failures():  # what is wrong shows, and is counted, when it is handed a record
            return True

    def _hand(self, index: int, record: AnyRecord) -> bool:
        self._asked = sink = self._sinks[index]
        try:
            sink.handle(record)
        except failures() as error:  # the other sinks go on
            self._failed(sink, error, record)
            self._failing.add(index)
            return False
        if index not in self._gathering:
            self._works(index)
        elif isinstance(record, TelemetryDropped):  # else it is not known whether this has been said
            return self._settle(index, own=1)
        return True

    def _works(self, index: int) -> None:
        """Note that a sink works: what it has missed, if it did not before, is said now."""
        if index in self._failing:
            self._failing.remove(index)
            self._said_at = -WINDOW_S

    def _settle_all(self) -> None:
        for index in self._gathering:
            self._settle(index)

    def _settle(self, index: int, own: int = 0) -> bool:
        """Have a sink that gathers records bring them to where they are safe; say whether none was lost.

        Args:
            index: its number.
            own: how many of the records are reports of losses: these are made again.
        """
        sink = self._gathering[index]
        try:
            if sink.settle():
                self._works(index)
        except LinesLostError as lost:
            self._losses.failed(What.RECORD, lost.error, where=type(sink).__name__, dropped=lost.lines - own)
        except failures() as error:  # the other sinks go on
            self._losses.failed(What.RECORD, error, where=type(sink).__name__)
        else:
            return True
        self._failing.add(index)
        return False

    def _say_held_up(self) -> None:
        """Say what waits for a sink that does not return. The log can't: it waits too."""
        if number := len(self._queue) + self._in_hand:
            where = type(self._asked).__name__
            _LOG.warning("soltrace: lost %d x %s: %s: no answer in time", number, What.SIGNAL, where)

    def give_up(self, deadline: float) -> None:
        """Say what could not be brought to where it is safe until then, by `time.monotonic`: the process ends."""
        for sink in (*self._sinks, self._tracing):
            if isinstance(sink, Keeping) and (number := sink.give_up(deadline - time.monotonic())):
                _LOG.warning("soltrace: lost %d x %s: %s: no answer in time", number, sink.kept, type(sink).__name__)

    def _identified(self, record: AnyRecord, parent: object) -> AnyRecord:
        if self._tracing is None:
            return record
        self._asked = self._tracing
        try:
            return self._tracing.identify(record, parent)
        except failures() as error:  # the record goes on without ids
            self._failed(self._tracing, error, record)
            return record

    def _failed(self, sink: object, error: BaseException, record: AnyRecord) -> None:
        say = not isinstance(record, TelemetryDropped)
        self._losses.failed(What.RECORD, error, where=type(sink).__name__, say=say)

    def _waiting(self) -> bool:
        outside = [] if self._outside is None else [self._outside]
        return any(losses.waiting() for losses in (self._losses, *outside, *self._owed))

    def _say_losses(self, *, last: bool) -> None:
        for what, dropped in self._queue.take_dropped().items():
            self._losses.add(what, Why.QUEUE_FULL, dropped)
        now = time.monotonic()
        if not self._waiting() or not (last or now - self._said_at >= WINDOW_S):
            if last:
                self._warnings.rest()
            return
        self._said_at = now
        for losses in [self._losses, *([] if self._outside is None else [self._outside])]:
            self._say(losses)
        for index, losses in enumerate(self._owed):
            self._say_again(index, losses)
        if last:
            self._warnings.rest()

    def _say(self, losses: Losses) -> None:
        unsaid = losses.take()
        while unsaid:
            loss = unsaid[0]
            try:
                record = self._loss_record(loss)
                if loss.why not in SAID_ELSEWHERE:  # the JSON log may be what failed
                    self._warnings.say(loss)
            except failures() as error:  # it is said another time, and the work goes on
                losses.give_back(unsaid)
                self._losses.failed(What.RECORD, error, say=False)
                return
            for index in self._awake:
                if not self._hand(index, record):
                    self._owed[index].give_back([loss])
            del unsaid[0]

    def _say_again(self, index: int, losses: Losses) -> None:
        """Tell a sink what it has not been told so far."""
        unsaid = [] if index in self._failing else losses.take()
        while unsaid and self._hand(index, self._loss_record(unsaid[0])):
            del unsaid[0]
        losses.give_back(unsaid)


class _Warnings:
    """What is said on stderr: of each reason the first loss at once, what follows once in a while, and at the end."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, str], float] = {}
        self._unsaid: Counter[tuple[str, str]] = Counter()

    def say(self, loss: Loss) -> None:
        key = loss.what.value, loss.reason
        self._unsaid[key] += loss.dropped
        now = time.monotonic()
        if now - self._said.get(key, -WARN_AGAIN_S) >= WARN_AGAIN_S:
            self._said[key] = now
            self._warn(key)

    def rest(self) -> None:
        for key in list(self._unsaid):
            self._warn(key)

    def _warn(self, key: tuple[str, str]) -> None:
        _LOG.warning("soltrace: lost %d x %s: %s", self._unsaid.pop(key), *key)
