"""Work that is handed to a pool of threads with a copy of its caller's context variables: `asyncio.to_thread` does so.

In the copy, an experiment or a span is current which that thread has never entered. So it is noted around the work.
"""

import functools
from collections.abc import Callable
from contextvars import Context
from types import ModuleType
from typing import Any

from soltrace.callers.publishing import current_span
from soltrace.callers.slots import CALLERS, EXPERIMENT


def inherit(module: ModuleType) -> None:
    """Have the pools of `concurrent.futures.thread` note what their work inherits."""
    pool = module.ThreadPoolExecutor
    submit = pool.submit

    @functools.wraps(submit)
    def noting(self: Any, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return submit(self, *_noted(fn, args), **kwargs)

    pool.submit = noting


def _noted(fn: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Put what notes between `Context.run` and what it runs."""
    if isinstance(fn, functools.partial):  # as `asyncio.to_thread` makes it
        inner: functools.partial[Any] = fn  # pyright: ignore[reportUnknownVariableType] - of whatever
        if _copies(inner.func) and inner.args:
            fn = functools.partial(inner.func, _Noting(inner.args[0]), *inner.args[1:], **inner.keywords)
    elif _copies(fn) and args:
        args = _Noting(args[0]), *args[1:]
    return fn, *args  # pyright: ignore[reportUnknownVariableType] - of whatever the partial is of


def _copies(fn: Any) -> bool:
    return isinstance(getattr(fn, "__self__", None), Context) and getattr(fn, "__name__", None) == "run"


class _Noting:
    """Notes what is inherited, while it runs the work."""

    def __init__(self, work: Callable[..., Any]) -> None:
        self._work = work

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the work."""
        experiment, span = EXPERIMENT.get(), current_span()
        if experiment is None and span is None:
            return self._work(*args, **kwargs)
        CALLERS.entered(self, experiment, span)
        try:
            return self._work(*args, **kwargs)
        finally:
            CALLERS.left(self)
