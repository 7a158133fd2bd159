"""Trace programs that say nothing of soltrace: what `soltrace run` and the OpenTelemetry instrumentor share.

Host side, on the caller's thread. Nothing here imports jax or diffrax before the program does: it may have to say first
how (JAX_PLATFORMS, XLA_FLAGS, JAX_ENABLE_X64), and it may never do so.
"""

import importlib
import sys
from types import ModuleType
from typing import Final

from wrapt import register_post_import_hook

import soltrace.setup.configure  # noqa: F401 # pyright: ignore[reportUnusedImport] - it says how a run is opened
from soltrace.host.process import PROCESS
from soltrace.wire.plain_text import said_by
from soltrace.wire.warn import warn

PATCH: Final = "soltrace.zero_code.patch"


class _Wanted:
    """Whether solves are to report, once diffrax is there."""

    def __init__(self) -> None:
        self.on = False
        self.hooked = False


_WANTED: Final = _Wanted()


def instrument() -> None:
    """Let every solve of `diffrax.diffeqsolve` report, by whatever name it is called. Twice is once."""
    _WANTED.on = True
    if "diffrax" in sys.modules:
        _patch()
    elif not _WANTED.hooked:
        _WANTED.hooked = True
        # Two hooks, because diffrax may be imported by our own traced room, which can't be used before it is complete.
        register_post_import_hook(_when_traced_is_there, "soltrace.traced")
        register_post_import_hook(_when_diffrax_is_there, "diffrax")


def uninstrument() -> None:
    """Make diffrax what it was."""
    _WANTED.on = False
    patch = sys.modules.get(PATCH)
    if patch is not None:
        patch.unpatch()


def tell_exit(error: SystemExit) -> None:
    """Have the last line of the run say that the program ends by this, unless that is how a program ends well.

    Nobody else can tell: Python calls no hook for it, and forgets it before what is registered with `atexit` runs.
    """
    recorder = PROCESS.recorder
    if recorder is not None and error.code:
        recorder.exits_by = said_by(error)


def _when_diffrax_is_there(_: ModuleType) -> None:
    if _WANTED.on and "soltrace.traced" not in sys.modules:
        _try("soltrace.traced")


def _when_traced_is_there(_: ModuleType) -> None:
    if _WANTED.on:
        _patch()


def _patch() -> None:
    # The traced room first: while it is imported on behalf of the patch, its hook would find half of that.
    patch = _try("soltrace.traced") and _try(PATCH)
    if patch is not None:
        patch.patch()


def _try(module: str) -> ModuleType | None:
    """Import a module of ours; the program's import of diffrax must not fail because of it."""
    try:
        return importlib.import_module(module)
    except Exception as error:  # noqa: BLE001 - whatever it is: a diffrax that is too new, most likely
        warn(f"diffrax's solves are not traced: {type(error).__name__}: {error}")
        return None
