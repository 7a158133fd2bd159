"""Tasks of asyncio's, and greenlets: several of them share one thread, each in something of its own.

Any thread. Nothing here imports asyncio or greenlet: where these aren't there, there are no tasks.
"""

import contextvars
import sys
from typing import Any


def current_task() -> Any:
    """The task or the greenlet that calls; None where there is none, and in the one that a thread begins with."""
    try:
        if (asyncio := sys.modules.get("asyncio")) is not None and (task := asyncio.current_task()) is not None:
            return task
    except RuntimeError:  # no loop runs on this thread
        pass
    greenlet = _current_greenlet()
    return None if greenlet is None or greenlet.parent is None else greenlet


def is_over(task: Any) -> bool:
    """Say whether a task has ended."""
    return task.dead if _is_greenlet(task) else task.done()


def beside(task: Any) -> Any:
    """The task that runs right now on the thread of another one, if any: itself, or one beside it. Any thread.

    Of greenlets it is known on that thread alone.
    """
    if _is_greenlet(task):
        greenlet = _current_greenlet()
        return greenlet if greenlet is not None and _first(greenlet) is _first(task) else None
    try:
        return sys.modules["asyncio"].current_task(task.get_loop())
    except (KeyError, RuntimeError):
        return None


def context_of_task(task: Any) -> contextvars.Context | None:
    """The context variables of a task that is running; None where they can't be had, as before Python 3.12."""
    if _is_greenlet(task):
        return contextvars.copy_context()  # it is the one that calls
    get_context = getattr(task, "get_context", None)
    return None if get_context is None else get_context()


def _current_greenlet() -> Any:
    module = sys.modules.get("greenlet")
    try:
        return None if module is None else module.getcurrent()
    except (AttributeError, RuntimeError):  # half imported; or the thread ends
        return None


def _is_greenlet(task: Any) -> bool:
    kind = getattr(sys.modules.get("greenlet"), "greenlet", None)
    return kind is not None and isinstance(task, kind)


def _first(greenlet: Any) -> Any:
    """The one that its thread began with."""
    while greenlet.parent is not None:
        greenlet = greenlet.parent
    return greenlet
