"""Tasks of asyncio's: several of them share one thread, each in something of its own.

Any thread. Nothing here imports asyncio: where it isn't there, there are no tasks.
"""

import sys
from contextvars import Context
from typing import Any


def current_task() -> Any:
    """The task that calls; None where there is none."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return None
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop runs on this thread
        return None


def beside(task: Any) -> Any:
    """The task that runs right now on the thread of another one, if any: itself, or one beside it. Any thread."""
    try:
        return sys.modules["asyncio"].current_task(task.get_loop())
    except (KeyError, RuntimeError):
        return None


def context_of_task(task: Any) -> Context | None:
    """The context variables of a task; None where they can't be had, as before Python 3.12."""
    get_context = getattr(task, "get_context", None)
    return None if get_context is None else get_context()
