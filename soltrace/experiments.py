"""Experiments: named units of work with attributes, each a root span; and a structlog processor that names them.

Host side, on the caller's thread. The file is not called `experiment.py`: once imported, that module would stand where
`soltrace.experiment` is looked for.
"""

import functools
import inspect
import os
import threading
import weakref
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, ParamSpec, Self, TypeVar

from msgspec import UNSET, structs

from soltrace.callers import CALLERS, EXPERIMENT
from soltrace.callers.publishing import current_span
from soltrace.callers.tasks import current_task
from soltrace.errors import ExperimentError
from soltrace.host.child import BEFORE_IT_IS_TERMINATED_S, may_end_at_once
from soltrace.host.context import Context
from soltrace.host.emission import moment
from soltrace.host.process import PROCESS
from soltrace.host.recorder import Recorder
from soltrace.sinks import ExperimentSpan
from soltrace.wire.attributes import plain_attributes, within_bounds
from soltrace.wire.context_variables import context_variables
from soltrace.wire.losses import OUTSIDE, What, Why
from soltrace.wire.plain_text import NAME_AT_MOST, PATH_AT_MOST, plain_text, said_by
from soltrace.wire.records import Attribute, ExperimentEnded, ExperimentStarted

P = ParamSpec("P")
R = TypeVar("R")

PATIENCE_AFTER_AN_ERROR_S: Final = 1.0
"""Whoever leaves by an exception wants to be told of it, not to wait for what may have died with it."""


@dataclass(frozen=True)
class _Open:
    """What an experiment is while it is open."""

    recorder: Recorder
    context: Context
    span: ExperimentSpan | None
    began: float
    process: int


class experiment:  # noqa: N801 - used like the functions of contextlib
    """Group everything that happens inside under a name and attributes.

    They appear on every log line and every span, and the experiment is a root span of its own. Use it as a context
    manager, or as a decorator, which makes each call an experiment. Experiments nest: an inner one is called
    `outer/inner` and inherits the outer one's attributes; one that is entered on another thread is inside those of the
    main thread. Leaving an experiment waits for its passes that are still open.

    ```python
    with soltrace.experiment("fit", seed=3, lr=1e-3):
        train()


    @soltrace.experiment("evaluate")
    def evaluate(model): ...
    ```

    A pass belongs to the experiment that the caller of its program is in, and that is decided when the program is
    called, not when it is traced. Threads are told apart. Of tasks of asyncio's that run on one thread, an eager solve
    knows its own; a compiled one takes what was entered last on the thread and is not left. To be sure there, pass the
    program the `token` of its experiment.
    """

    def __init__(self, name: str, /, *, attributes: Mapping[str, Any] | None = None, **more: Any) -> None:
        """Create an experiment. It begins when it is entered.

        Args:
            name: Its name, a non-empty string. Keep it the same from run to run, and put what differs into attributes.
            attributes: Bools, ints, floats and strings, or lists of them; and whatever has such a form: NumPy's and
                jax's arrays, paths, dates, members of enumerations. A dictionary or a dataclass becomes attributes with
                dots in their names. What is too large is cut, and says so.
            **more: Further attributes, whose names are identifiers.

        Raises:
            soltrace.ExperimentError: The name is not a non-empty string.
            soltrace.AttributeValueError: An attribute has no such form.
        """
        if not isinstance(name, str) or not name:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ExperimentError(f"An experiment's name must be a non-empty string, got {name!r}.")
        self.name = plain_text(name, NAME_AT_MOST)
        self.attributes: dict[str, Attribute] = plain_attributes({} if attributes is None else attributes, more)
        self._open: _Open | None = None
        self._entered = False

    def __getstate__(self) -> dict[str, Any]:
        """Copy or pickle its name and its attributes: the copy of one that is open has not begun."""
        return {**vars(self), "_open": None, "_entered": False}

    @property
    def context(self) -> Context:
        """The context that its passes belong to.

        Raises:
            soltrace.ExperimentError: The experiment is not open.
        """
        if self._open is None:
            raise ExperimentError(f"Experiment {self.name!r} is not open: enter it with `with` first.")
        return self._open.context

    @property
    def token(self) -> int:
        """A number that stands for the experiment while it is open, to be passed to a compiled program as data.

        It is 0 if telemetry is disabled, and means nothing in another process. Give it to
        `soltrace.TracedAdjoint(context=token)` inside the program.

        Raises:
            soltrace.ExperimentError: The experiment is not open.
        """
        if self._entered and self._open is None:
            return 0
        context = self.context
        return 0 if self._open is None else self._open.recorder.token(context)

    def __enter__(self) -> Self:
        """Begin."""
        if self._entered:
            raise ExperimentError(
                f"Experiment {self.name!r} is open already: make another one, or use it as a decorator."
            )
        self._entered = True
        recorder = PROCESS.open(self.name)
        self._open = None if recorder is None else _begin(recorder, self.name, self.attributes)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, once its passes have."""
        opened, self._open, self._entered = self._open, None, False
        if opened is not None and opened.process == os.getpid():  # a fork may leave what its parent entered
            # A generator is closed when nobody wants more of it.
            clean_exit = isinstance(error, GeneratorExit) or (isinstance(error, SystemExit) and not error.code)
            _end(opened, None if clean_exit else error)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Make each call of a function an experiment of its own.

        Raises:
            soltrace.ExperimentError: The function is a generator, whose body runs at no definite time.
        """
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise ExperimentError(f"{function!r} is a generator: open the experiment inside it, with `with`.")
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run_later(*args: Any, **kwargs: Any) -> Any:
                with experiment(self.name, attributes=self.attributes):
                    return await function(*args, **kwargs)

            return run_later  # pyright: ignore[reportReturnType] - a coroutine function, as R was

        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            with experiment(self.name, attributes=self.attributes):
                return function(*args, **kwargs)

        return run


def _begin(recorder: Recorder, name: str, own: Mapping[str, Attribute]) -> _Open:
    outer, time_ns = recorder.callers, recorder.clock.time_ns()
    path = name if outer.experiment is None else plain_text(f"{outer.experiment}/{name}", PATH_AT_MOST)
    attributes = within_bounds({**outer.attributes, **own})
    span = _span(recorder, name, path, attributes, time_ns, outer)
    ids = None if span is None else span.ids
    variables = context_variables()
    on_main_thread = threading.current_thread() is threading.main_thread()
    parent = None if span is None else span.parent
    task = None if (running := current_task()) is None else weakref.ref(running)
    scope = object()
    context = Context(
        path, attributes, parent, ids, outer, scope=scope, on_main_thread=on_main_thread, task=task, variables=variables
    )
    opened = _Open(recorder, context, span, recorder.clock.monotonic(), os.getpid())
    recorder.enter(context, functools.partial(_close, opened))
    EXPERIMENT.set(context)
    CALLERS.entered(context, context, parent if span is not None else current_span())
    _announce(
        recorder,
        ExperimentStarted(
            timestamp=moment(time_ns),
            run_id=recorder.run.run_id,
            experiment=path,
            attributes=attributes,
            process_index=recorder.run.process_index,
            context=context.variables or UNSET,
            trace_id=UNSET if ids is None else ids.trace_id,
            span_id=UNSET if ids is None else ids.span_id,
        ),
    )
    return opened


def _span(
    recorder: Recorder, name: str, path: str, attributes: Mapping[str, Attribute], time_ns: int, outer: Context
) -> ExperimentSpan | None:
    if recorder.tracing is None:
        return None
    try:
        return recorder.tracing.experiment(name, path, attributes, time_ns, outer.parent)
    except Exception as error:  # noqa: BLE001 - the work goes on without a span
        recorder.losses.failed(What.SPAN, error)
        return None


def _end(opened: _Open, error: BaseException | None) -> None:
    recorder, scope = opened.recorder, opened.context.scope
    patience = float("inf") if error is None else PATIENCE_AFTER_AN_ERROR_S
    why = Why.NO_SIGN_OF_LIFE if error is None or isinstance(error, Exception) else Why.INTERRUPTED
    try:
        recorder.await_programs(patience)
        recorder.wait_for(scope, patience, why)
    except BaseException as interruption:  # Ctrl-C: whoever waits has waited long enough
        recorder.wait_for(scope, 0.0, Why.INTERRUPTED)
        _leave(opened, error or interruption)
        raise
    _leave(opened, error)


def _leave(opened: _Open, error: BaseException | None) -> None:
    recorder, context = opened.recorder, opened.context
    recorder.exits_by = said_by(error) if isinstance(error, SystemExit) else None
    was_open = recorder.leave(context)
    CALLERS.left(context)
    if EXPERIMENT.get() is context:  # else it was entered elsewhere, or one that was entered after it is still open
        EXPERIMENT.set(context.outer)
    if opened.span is not None:
        _without_failing(recorder, opened.span.leave)
    if was_open:  # else the process has ended meanwhile, and so has it
        _tell_end(opened, error, others_first=True)
    if context.outer is None or context.outer.experiment is None:
        _hurry(recorder)


def _close(opened: _Open, error: BaseException) -> None:
    """End it where the process ends, on whichever thread that is: what is current on its own stays so."""
    if opened.recorder.leave(opened.context):
        _tell_end(opened, error)


def _tell_end(opened: _Open, error: BaseException | None, *, others_first: bool = False) -> None:
    recorder, context = opened.recorder, opened.context
    time_ns = recorder.clock.time_ns()
    duration_s = recorder.clock.monotonic() - opened.began
    if (span := opened.span) is not None:
        if others_first:  # not where the process ends, which has waited for them, and holds the lock
            _without_failing(recorder, lambda: span.let_others_end(recorder.drain))
        _without_failing(recorder, lambda: span.end(time_ns, error))
    _announce(
        recorder,
        ExperimentEnded(
            timestamp=moment(time_ns),
            level="info" if error is None else "error",
            run_id=recorder.run.run_id,
            experiment=context.experiment,
            attributes=context.attributes,
            process_index=recorder.run.process_index,
            context=context.variables or UNSET,
            trace_id=UNSET if context.ids is None else context.ids.trace_id,
            span_id=UNSET if context.ids is None else context.ids.span_id,
            status="ok" if error is None else "error",
            duration_s=duration_s,
            error=UNSET if error is None else said_by(error),
        ),
    )


def _hurry(recorder: Recorder) -> None:
    """Have what was told written down now, where the process may be terminated in the next moment."""
    if may_end_at_once():
        recorder.drain(BEFORE_IT_IS_TERMINATED_S)


def _announce(recorder: Recorder, record: ExperimentStarted | ExperimentEnded) -> None:
    """Have it told. Where the process has been configured anew meanwhile, it goes where everything goes now."""
    while not recorder.announce(structs.replace(record, run_id=recorder.run.run_id)):
        current = PROCESS.open()
        if current is None or current is recorder:
            OUTSIDE.add(What.RECORD, Why.RUN_CLOSED)
            return
        recorder = current


def _without_failing(recorder: Recorder, call: Callable[[], object]) -> None:
    try:
        call()
    except Exception as failure:  # noqa: BLE001 - leaving must not fail where the work did not
        recorder.losses.failed(What.SPAN, failure)


def add_context(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the experiment and its ids to your own log lines. This is a structlog processor.

    It adds `run_id`, and, if an experiment is open, `experiment` and `attributes`; and `trace_id` and `span_id` of the
    current span, or else of the experiment's. Keys that you have set are kept. Before the first solve or experiment of
    the process there is nothing to add.

    ```python
    structlog.configure(processors=[soltrace.add_context, structlog.processors.JSONRenderer()])
    ```
    """
    recorder = PROCESS.recorder
    if recorder is None:
        return event
    context = recorder.callers
    ids = (None if recorder.tracing is None else recorder.tracing.caller_ids()) or context.ids
    event.setdefault("run_id", recorder.run.run_id)
    if context.experiment is not None:
        event.setdefault("experiment", context.experiment)
    if context.attributes:
        event.setdefault("attributes", dict(context.attributes))
    if ids is not None and "trace_id" not in event and "span_id" not in event:
        event.update(trace_id=ids.trace_id, span_id=ids.span_id)
    return event
