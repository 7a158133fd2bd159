"""`multiprocessing`, and the packages that were made of it: pathos' `multiprocess`, and celery's `billiard`.

Any side. Each has its own processes, with its own way to end them, and knows nothing of the others'. None is imported.
"""

import sys
from types import ModuleType
from typing import Any, Final

MULTIPROCESSINGS: Final = ("multiprocessing", "multiprocess", "billiard")


def imported(part: str) -> list[ModuleType]:
    """Find a module of each, as far as it is imported."""
    return [module for name in MULTIPROCESSINGS if (module := sys.modules.get(f"{name}.{part}")) is not None]


def that_started_this() -> str | None:
    """Name the one whose child this process is; None: it is the child of none."""
    return next((module.__name__.partition(".")[0] for module in imported("process") if _is_child(module)), None)


def _is_child(process: Any) -> bool:
    parent = getattr(process, "parent_process", None)
    if parent is not None:
        return parent() is not None
    return process.current_process()._parent_pid is not None  # noqa: SLF001 - billiard's says it nowhere else
