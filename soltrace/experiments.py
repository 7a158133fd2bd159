"""Experiments: named units of work with attributes, each a root span; and a structlog processor that names them.

Host side, on the caller's thread. The file is not called `experiment.py`: once imported, that module would stand where
`soltrace.experiment` is looked for.
"""

import functools
import inspect
import os
import threading
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from contextvars import Token
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, ParamSpec, Self, TypeVar

from msgspec import UNSET, structs

from soltrace.errors import ExperimentError
from soltrace.host.context import CALLERS, Context
from soltrace.host.emission import moment
from soltrace.host.process import PROCESS
from soltrace.host.recorder import Recorder
from soltrace.sinks import ExperimentSpan
from soltrace.wire.attributes import plain_attributes
from soltrace.wire.losses import OUTSIDE, What, Why
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
    callers: Token[Context | None]
    began: float
    process: int


class experiment:  # noqa: N801 - used like the functions of contextlib
    """Give what happens inside a name and attributes: on every line, on every span, and as a root span of its own.

    A context manager, and a decorator (each call is then an experiment of its own). Experiments nest: the inner one is
    called `outer/inner` and inherits the attributes; on a thread of its own, those of the main thread are around it.
    Leaving waits for the passes that are still open.

    ```python
    with soltrace.experiment("fit", seed=3, lr=1e-3):
        train()


    @soltrace.experiment("evaluate")
    def evaluate(model): ...
    ```

    Which experiment a pass belongs to is decided when its program runs, not when it is traced. A solve that is not
    compiled knows its caller's; a compiled one belongs to the innermost experiment of the process. Who runs compiled
    programs in several experiments at once, on threads, gives each its experiment's `token`.
    """

    def __init__(self, name: str, /, *, attributes: Mapping[str, Any] | None = None, **more: Any) -> None:
        """Make it; it begins when it is entered.

        Args:
            name: what it is called, the same each time it is run: what differs are attributes.
            attributes: bools, ints, floats, strings, or lists of them; numpy's too.
            **more: attributes whose names are identifiers.

        Raises:
            soltrace.ExperimentError: the name is no non-empty string.
            soltrace.AttributeValueError: an attribute is of another type.
        """
        if not isinstance(name, str) or not name:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ExperimentError(f"An experiment's name must be a non-empty string, got {name!r}.")
        self.name = name
        self.attributes: dict[str, Attribute] = plain_attributes({**(attributes or {}), **more})
        self._open: _Open | None = None
        self._entered = False

    @property
    def context(self) -> Context:
        """Where its passes belong.

        Raises:
            soltrace.ExperimentError: it is not open.
        """
        if self._open is None:
            raise ExperimentError(f"Experiment {self.name!r} is not open: enter it with `with` first.")
        return self._open.context

    @property
    def token(self) -> int:
        """A number that names it, for a program that takes it as data; 0 where telemetry is disabled.

        Raises:
            soltrace.ExperimentError: it is not open.
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
        recorder = PROCESS.open()
        self._open = None if recorder is None else _begin(recorder, self.name, self.attributes)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, once its passes have."""
        opened, self._open, self._entered = self._open, None, False
        if opened is not None and opened.process == os.getpid():  # a fork may leave what its parent entered
            clean_exit = isinstance(error, SystemExit) and not error.code
            _end(opened, None if clean_exit else error)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Make each call of a function an experiment.

        Raises:
            soltrace.ExperimentError: it is a generator, whose body runs when nobody knows.
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
    outer, time_ns = recorder.enclosing, recorder.clock.time_ns()
    path = name if outer.experiment is None else f"{outer.experiment}/{name}"
    attributes = {**outer.attributes, **own}
    span = _span(recorder, name, path, attributes, time_ns, outer)
    ids = None if span is None else span.ids
    on_main_thread = threading.current_thread() is threading.main_thread()
    parent = None if span is None else span.parent
    context = Context(path, attributes, parent, ids, outer, scope=object(), on_main_thread=on_main_thread)
    recorder.enter(context)
    _announce(
        recorder,
        ExperimentStarted(
            timestamp=moment(time_ns),
            run_id=recorder.run.run_id,
            experiment=path,
            attributes=attributes,
            process_index=recorder.run.process_index,
            trace_id=UNSET if ids is None else ids.trace_id,
            span_id=UNSET if ids is None else ids.span_id,
        ),
    )
    return _Open(recorder, context, span, CALLERS.set(context), recorder.clock.monotonic(), os.getpid())


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
    recorder, context = opened.recorder, opened.context
    patience = float("inf") if error is None else PATIENCE_AFTER_AN_ERROR_S
    recorder.await_programs(patience)
    recorder.wait_for(context.scope, patience)
    recorder.leave(context)
    with suppress(ValueError):  # left on another thread than it was entered on: nothing is to be undone there
        CALLERS.reset(opened.callers)
    time_ns = recorder.clock.time_ns()
    _end_span(opened, time_ns, error)
    duration_s = recorder.clock.monotonic() - opened.began
    _announce(
        recorder,
        ExperimentEnded(
            timestamp=moment(time_ns),
            level="info" if error is None else "error",
            run_id=recorder.run.run_id,
            experiment=context.experiment,
            attributes=context.attributes,
            process_index=recorder.run.process_index,
            trace_id=UNSET if context.ids is None else context.ids.trace_id,
            span_id=UNSET if context.ids is None else context.ids.span_id,
            status="ok" if error is None else "error",
            duration_s=duration_s,
            error=UNSET if error is None else f"{type(error).__name__}: {error}",
        ),
    )


def _announce(recorder: Recorder, record: ExperimentStarted | ExperimentEnded) -> None:
    """Have it told. Where the process has been configured anew meanwhile, it goes where everything goes now."""
    while not recorder.announce(structs.replace(record, run_id=recorder.run.run_id)):
        current = PROCESS.open()
        if current is None or current is recorder:
            OUTSIDE.add(What.RECORD, Why.RUN_CLOSED)
            return
        recorder = current


def _end_span(opened: _Open, time_ns: int, error: BaseException | None) -> None:
    if opened.span is None:
        return
    try:
        opened.span.leave()
        opened.span.end(time_ns, error)
    except Exception as failure:  # noqa: BLE001 - leaving must not fail where the work did not
        opened.recorder.losses.failed(What.SPAN, failure)


def add_context(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put the experiment and the ids on your own log lines: a structlog processor. Keys that you set are kept.

    Adds `run_id`, `experiment` and `attributes` where an experiment is open, and `trace_id` and `span_id` of the
    current span, or else of the experiment's. Before the first solve or experiment there is nothing to add.
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
