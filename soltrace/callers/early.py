"""Meets jax, OpenTelemetry, thread pools and processes as early as they are there: now, or when they are imported.

On the thread that imports. It imports none of them, and costs a look at a dictionary for each import that is to come.
Not by the hooks of wrapt, as in `soltrace.zero_code`: wrapt imports asyncio, and `import soltrace` takes four times as
long with it.
"""

import logging
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Final

from soltrace.callers.handing_down import HANDING
from soltrace.callers.inheriting import inherit
from soltrace.callers.jit_key import KEY
from soltrace.callers.publishing import publish
from soltrace.wire.flags import DISABLED, flag
from soltrace.wire.multiprocessings import MULTIPROCESSINGS

WANTED: Final[dict[str, Callable[[ModuleType], None]]] = {
    "jax": KEY.make,
    "opentelemetry.context": publish,
    "concurrent.futures.thread": inherit,
    **{f"{name}.process": HANDING.follow for name in MULTIPROCESSINGS},
}
"""Modules, and what is done with each once it is there."""
_LOG: Final = logging.getLogger("soltrace")


class _AfterImport:
    """A finder of modules that has found ones call back when they are there."""

    def __init__(self, wanted: dict[str, Callable[[ModuleType], None]]) -> None:
        self._wanted = wanted
        self._here = threading.local()

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:  # noqa: ARG002
        """Find a module as all others would. Whoever asks need not go on to import it."""
        if name not in self._wanted or getattr(self._here, "asks", False):
            return None
        self._here.asks = True
        try:
            spec = find_spec(name)
        finally:
            self._here.asks = False
        if spec is not None and spec.loader is not None and hasattr(spec.loader, "exec_module"):
            self._follow(name, spec.loader)
        return spec

    def _follow(self, name: str, loader: Any) -> None:
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            if (then := self._wanted.pop(name, None)) is not None:
                _do(then, module)

        loader.exec_module = exec_module


def _do(then: Callable[[ModuleType], None], module: ModuleType) -> None:
    try:
        then(module)
    except Exception:  # noqa: BLE001 - the program imports something of its own
        _LOG.warning("soltrace: compiled solves may not know their callers", exc_info=True)


def meet() -> None:
    """Do what is wanted, once; nothing where telemetry is disabled from outside."""
    if flag(DISABLED):
        return
    for name in list(WANTED):
        if (module := sys.modules.get(name)) is not None:
            _do(WANTED.pop(name), module)
    if WANTED:
        sys.meta_path.insert(0, _AfterImport(WANTED))  # pyright: ignore[reportArgumentType] - it has `find_spec`
