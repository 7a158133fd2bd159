"""What a process tells the children that it starts with `multiprocessing`: in which trace theirs is to be.

On the thread that starts one, whose experiment or span it is. Not by the environment: a fork server's is that of its
own start, and setting a variable while compiled programs read them on other threads can crash a process. joblib's
processes and those of `concurrent.futures` are such children too.
"""

import logging
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, Final

from soltrace.wire.multiprocessings import imported

_KEY: Final = "soltrace"
"""In what `multiprocessing` hands to each child."""
_LOG: Final = logging.getLogger("soltrace")


class Handing:
    """There is one in a process."""

    def __init__(self) -> None:
        """Begin with nothing to tell."""
        self.tell: Callable[[], Mapping[str, str]] = dict
        """What a child is told that the calling thread starts now."""

    def follow(self, module: ModuleType) -> None:
        """Have each child be told that is started by `multiprocessing.process`, or a module that was made of it."""
        start = module.BaseProcess.start

        def telling(process: Any) -> None:
            try:
                # It is the same object as its parent's own, which a child of the child would be told.
                process._config = {**process._config, _KEY: dict(self.tell())}  # noqa: SLF001
            except Exception:  # noqa: BLE001 - the program's process starts all the same
                _LOG.warning("soltrace: a child may not know in which trace it is", exc_info=True)
            start(process)

        module.BaseProcess.start = telling

    def told(self) -> Mapping[str, str] | None:
        """What this process was told by the one that has started it; None where that is none that tells."""
        for process in imported("process"):
            config: Mapping[str, Any] = process.current_process()._config  # noqa: SLF001
            if (told := config.get(_KEY)) is not None:
                return told
        return None


HANDING: Final = Handing()
