"""The state of this process, and the port through which compiled programs reach it.

Host side, any thread. One object, one lock: which run is current, how the next one is opened, and whether the process
is over. A run is opened by the first thing that happens, as the plan says that `soltrace.setup` has installed.
"""

import logging
import os
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

from soltrace.callers import CALLERS
from soltrace.host.answering import answers
from soltrace.host.calls import Mark, calling_thread
from soltrace.host.context import Context
from soltrace.host.emission import Emission
from soltrace.host.handlers import raised_by_a_handler
from soltrace.host.recorder import Recorder
from soltrace.host.shared import Barrier, Shared
from soltrace.host.signals import NOTHING_KNOWN, Array, Role, Signal, SolveInfo, default_answer
from soltrace.host.step_detail import Detail, checked, of_the_environment
from soltrace.host.table import PassEntry
from soltrace.wire.flags import DISABLED, flag
from soltrace.wire.losses import What, Why, described

FOR_A_LATE_RUN_S: Final = 1.0
"""To write the first line of a run that begins while the process ends."""
_LOG: Final = logging.getLogger("soltrace")


class Plan(Protocol):
    """How runs are opened from now on."""

    @property
    def enabled(self) -> bool | None:
        """Whether solves report at all; None: unless SOLTRACE_DISABLED is true."""
        ...

    @property
    def detail(self) -> Detail | None:
        """What is told of each step; None: as SOLTRACE_DETAIL says."""
        ...

    def open(self, shared: Shared) -> Recorder | None:
        """Open a run; None where that fails, which has been said then. Under the lock."""
        ...


class Process:
    """What there is one of in a process."""

    def __init__(self) -> None:
        """Begin with nothing open, and no plan."""
        self.plan: Plan | None = None
        self._tests = 0
        """How many tests record, one inside the other."""
        self._plan_beside: Plan | None = None
        """What the plan is again when none does."""
        self.shared = Shared()
        self._answers = answers(self.shared.passes)
        self._current: Recorder | None = None
        self._latest: Recorder | None = None
        """The last that was current: it may still be closing, and its passes be ending."""
        self._opening = self._refused = False
        self.over = False
        """The process ends: nothing begins any more, except on the thread that ends it."""
        self._ending = 0
        """That thread: exit handlers may solve."""
        self._last: Recorder | None = None
        """The run that goes on there."""
        self.failures = 0
        """What went wrong where there was no run to count it."""
        self.inherited: object = None
        """In the child of a fork: the place under which spans of the thread were opened that has forked."""
        self._forking = threading.local()

    def place(self) -> object:
        """Find the place under which the calling thread's spans are opened; None where it is in nothing."""
        run = self._current
        if run is None:
            return self.inherited
        context = run.callers_place()
        return run.base.parent if context is None else context.parent

    def before_fork(self) -> None:
        """Note that place: the child can't take the lock."""
        try:
            self._forking.place = self.place()
        except Exception as error:  # noqa: BLE001 - the program forks all the same
            self.failed(error)

    def forget(self) -> None:
        """Start afresh in the child of a fork: the lock may be held, and the worker's thread is not there."""
        self.inherited = getattr(self._forking, "place", None)
        self.shared = self.shared.after_fork()
        self._answers = answers(self.shared.passes)
        self._current = self._latest = None
        self._opening = self._refused = False

    # The run

    @property
    def recorder(self) -> Recorder | None:
        """The current run's, if something has been recorded already."""
        return self._current

    def enabled(self) -> bool:
        """Say whether solves are to be traced at all: `configure(enabled=...)`, else SOLTRACE_DISABLED."""
        if self.over and not self._at_the_end():
            return False
        if self.plan is not None and self.plan.enabled is not None:
            return self.plan.enabled
        return not flag(DISABLED)

    def detail(self) -> Detail:
        """What is told of each step: `configure(detail=...)`, else SOLTRACE_DETAIL."""
        wanted = None if self.plan is None else self.plan.detail
        return of_the_environment() if wanted is None else wanted

    def open(self, experiment: str | None = None) -> Recorder | None:
        """Find the current run's, opened now if need be; None where telemetry is disabled, or can't be had.

        Args:
            experiment: What begins with it.
        """
        if self._current is not None:
            return self._current
        if self.over:
            return self._open_the_last() if self.enabled() else None
        with self.shared.lock:
            # Opening may run code of the user's (a warning's), and that may solve: not another run then.
            if self._current is None and not (self._opening or self._refused) and self.enabled():
                self._opening, self.shared.opened_for = True, experiment
                try:
                    self._make_current(self._opened())
                finally:
                    self._opening = False
                    self._refused = self._current is None
            return self._current

    def _opened(self) -> Recorder | None:
        if self.plan is None:
            _LOG.warning("soltrace: nothing is recorded: soltrace.setup.configure, which says how, was not imported")
            return None
        return self.plan.open(self.shared)

    def _make_current(self, recorder: Recorder | None) -> None:
        self._current = recorder
        self._latest = recorder or self._latest

    def begin_with(self, plan: Plan) -> None:
        """Open runs by this plan until another one is installed, also where it comes while a test records."""
        with self.shared.lock:
            if self._tests:
                self._plan_beside = plan
            else:
                self.plan = plan

    def install(self, plan: Plan) -> Recorder | None:
        """Open runs by this plan from now on. While a test records, it goes on doing so.

        Returns:
            The former run, for the caller to close. What begins while that takes place begins by the new plan.
        """
        with self.shared.lock:
            if not self._tests:
                self.plan = plan
            return self.take()

    def take(self) -> Recorder | None:
        """Make no run the current one, and return the former, for the caller to close. The next solve begins anew.

        That of a test is the test's to close.
        """
        with self.shared.lock:
            return None if self._tests else self._take()

    def _take(self) -> Recorder | None:
        former, self._current, self._refused = self._current, None, False
        return former

    def finish(self) -> Recorder | None:
        """Begin nothing from now on, because the process ends, and return the last run, for the caller to close."""
        with self.shared.lock:
            self.over = True
            return self._take()

    def go_on(self, recorder: Recorder | None) -> None:
        """Record to this run what the calling thread, which ends the process, has yet to solve; or open one for it."""
        self._ending = threading.get_ident()
        self._last = recorder or self._last

    def _at_the_end(self) -> bool:
        """Say whether this is called for the thread that ends the process: a program of its may run on one of XLA's.

        A thread of the program's own, a daemon, may end at any moment now, and what it begins would have no end.
        """
        if threading.get_ident() == self._ending:
            return True
        return self._ending != 0 and calling_thread() is None

    def _open_the_last(self) -> Recorder | None:
        with self.shared.lock:
            if self._last is None and not (self._opening or self._refused):
                self._opening = self._refused = True
                self._last = self._opened()
                self._opening = False
                if self._last is not None:
                    self._last.finish(FOR_A_LATE_RUN_S)
            return self._last

    @contextmanager
    def recording_to(self, recorder: Recorder) -> Generator[None]:
        """Make this the current one while the block runs, whatever the plan says."""
        with self.shared.lock:
            before = self._current, self._latest
            if not self._tests:
                self._plan_beside = self.plan
            self._tests += 1
            self._make_current(recorder)
            self.plan = _AlwaysOn()
        try:
            yield
        finally:
            with self.shared.lock:
                self._current, self._latest = before
                self._tests -= 1
                if not self._tests:
                    self.plan = self._plan_beside

    # What compiled programs tell

    def receive(self, signal: Signal, info: SolveInfo, ints: Array, floats: Array, extras: Sequence[Array]) -> Array:
        """Answer a signal, and have its run told. A failure is counted there, and answered by default."""
        run = event = None
        try:
            with self.shared.lock:
                run = self.open() if signal.begins_a_pass else self._current or self._latest or self._last
                if run is None or (signal.role is Role.START and not run.has_room(signal.kind)):
                    return default_answer(signal)
                event = Emission(signal, info, ints, floats, extras, run.clock.time_ns(), run.clock.monotonic())
                answer, entry = self._answers[signal.kind].answer(event, run)
                if entry is not None:
                    event.entry = entry
                    entry.run.tell(event)
                return answer
        except BaseException as error:
            if run is None:
                raise
            self._lost(event, run, error, interrupted=(interrupted := raised_by_a_handler(error)))
            if interrupted:
                raise
            return default_answer(signal)

    def _lost(self, event: Emission | None, run: Recorder, error: BaseException, *, interrupted: bool) -> None:
        """Count a signal, or close the pass that it has opened or ended: the program can't, it gets no handle."""
        entry: PassEntry | None = getattr(event, "entry", None)
        with self.shared.lock:
            if not interrupted:
                run.losses.failed(What.SIGNAL, error)
            if event is not None and entry is not None and (event.signal.role is Role.START or entry.ended):
                entry.run.abandon(entry, Why.INTERRUPTED)
            elif interrupted:
                run.losses.add(What.SIGNAL, Why.INTERRUPTED)

    def failed(self, error: BaseException) -> None:
        """Count what went wrong where there was no run to count it; the first is said."""
        self.failures += 1
        if self.failures == 1:
            _LOG.warning("soltrace: a solve could not be recorded: %s", described(error))


class _AlwaysOn:
    """The plan while a test records: report, and open no run of your own."""

    enabled = True
    detail = None

    def open(self, shared: Shared) -> Recorder | None:  # noqa: ARG002 - as a plan is asked
        return None


PROCESS: Final = Process()
CALLERS.enabled = PROCESS.enabled
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=PROCESS.before_fork, after_in_child=PROCESS.forget)


def enabled() -> bool:
    """Say whether solves are to be traced at all."""
    return PROCESS.enabled()


def detail(wanted: str | None = None) -> Detail:
    """Find what is to be told of each step of a solve.

    Args:
        wanted: Of this solve; None: what the process is set to.

    Raises:
        soltrace.ConfigurationError: There is no such detail.
    """
    return PROCESS.detail() if wanted is None else checked(wanted)


def receive(signal: Signal, info: SolveInfo | None, ints: Array, floats: Array, extras: Sequence[Array] = ()) -> Array:
    """Take a signal from a compiled program and answer it. A failure is counted, and answered by default.

    It raises what a signal handler raises meanwhile, and nothing else.

    Args:
        signal: what happened.
        info: what was known when the program was traced; None: nothing.
        ints: `int32[*batch, n]`, as `Signal` lists them. This and the other arrays are the host's to keep.
        floats: `float32[*batch, m]` or `float64[*batch, m]`.
        extras: with FORWARD_START, the traced attributes, `[*batch, *own shape]` each.

    Returns:
        The answer that `Signal` lists.
    """
    try:
        return PROCESS.receive(signal, info or NOTHING_KNOWN, ints, floats, extras)
    except Exception as error:
        if raised_by_a_handler(error):
            raise
        PROCESS.failed(error)
        return default_answer(signal)


def failed(error: BaseException) -> None:
    """Count a failure of what calls `receive`."""
    PROCESS.failed(error)


def compiled(
    function: str, trace_s: float, lower_s: float, compile_s: float, arguments: Sequence[str] | None = None
) -> None:
    """Take what the compilation of a program that holds a solve took. Never raises.

    Args:
        function: The name of what was compiled.
        trace_s: Seconds for tracing it; 0 where it had been traced before.
        lower_s: Seconds for lowering it.
        compile_s: Seconds for compiling it, or for reading it from jax's cache of compiled programs.
        arguments: The types of what it takes, the first of them; None where they are not known.
    """
    try:
        if (run := PROCESS.open()) is not None:
            run.compiled(function, trace_s, lower_s, compile_s, arguments)
    except Exception as error:
        if raised_by_a_handler(error):
            raise
        PROCESS.failed(error)


def callers_place() -> Context | None:
    """Find where a solve belongs that the calling thread runs itself, and not in a program that others may run too.

    Returns:
        None where its program needs to be told nothing, because nobody is in an experiment or a span.
    """
    try:
        run = PROCESS.open()
        return None if run is None else run.callers_place()
    except Exception as error:
        if raised_by_a_handler(error):
            raise
        PROCESS.failed(error)
        return None


def register_barrier(barrier: Callable[[], object], mark: Mark | None = None) -> None:
    """Have programs waited for that have been dispatched.

    Args:
        barrier: Is called before anything waits for passes. It returns when dispatched programs are done.
        mark: Is called on a thread that waits for passes. What it returns says whether all is done that this thread has
            dispatched before. None: nothing can.
    """
    PROCESS.shared.mark = mark or PROCESS.shared.mark
    barriers: list[Barrier] = PROCESS.shared.barriers
    if barrier not in barriers:
        barriers.append(barrier)
