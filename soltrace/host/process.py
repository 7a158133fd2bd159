"""The one recorder of this process, and the doors that lead to it.

Host side, any thread. The recorder is made at the first use; `soltrace.setup.configure`, which knows what it is made
of, is imported by name then and not before, because this room depends on no sink.
"""

import importlib
import logging
import os
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from soltrace.host.signals import NOTHING_KNOWN, Array, Signal, SolveInfo, default_answer

if TYPE_CHECKING:
    from soltrace.host.context import Context, HasContext
    from soltrace.host.recorder import Recorder

WIRING: Final = "soltrace.setup.configure"
"""The module whose `open_recorder()` makes this process's recorder."""
TRUE: Final = frozenset({"1", "true", "yes", "on"})
_LOG: Final = logging.getLogger("soltrace")
_STARTS: Final = frozenset({Signal.FORWARD_START, Signal.METER_START})


class Process:
    """What there is one of in a process."""

    def __init__(self) -> None:
        """Begin with nothing open."""
        self.lock = threading.RLock()
        self.recorder: Recorder | None = None
        self.enabled: bool | None = None
        self.barriers: list[Callable[[], object]] = []
        self.experiments: list[Context] = []
        """Those that are open, in the order in which they were entered; they outlive a change of configuration."""
        self.failures = 0

    def forget(self) -> None:
        """Start afresh in the child of a fork: its locks may be held, and the worker thread is not there."""
        self.lock = threading.RLock()
        self.recorder = None
        self.experiments = []


PROCESS: Final = Process()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=PROCESS.forget)


def enabled() -> bool:
    """Say whether solves are to be traced at all: `configure(enabled=...)`, else `SOLTRACE_DISABLED`."""
    if PROCESS.enabled is not None:
        return PROCESS.enabled
    return os.environ.get("SOLTRACE_DISABLED", "").strip().lower() not in TRUE


def opened() -> "Recorder | None":
    """The recorder, if something has been recorded already."""
    return PROCESS.recorder


def recorder() -> "Recorder | None":
    """The recorder, made now if need be; None where telemetry is disabled."""
    if not enabled():
        return None
    if PROCESS.recorder is None:
        with PROCESS.lock:
            if PROCESS.recorder is None:
                PROCESS.recorder = importlib.import_module(WIRING).open_recorder()
    return PROCESS.recorder


def receive(signal: Signal, info: SolveInfo | None, ints: Array, floats: Array, extras: Sequence[Array] = ()) -> Array:
    """Take a signal from a compiled program and answer it. Never raises: a failure is counted, and answered by default.

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
        target = PROCESS.recorder or (recorder() if signal in _STARTS else None)
        if target is None:
            return default_answer(signal)
        return target.receive(signal, info or NOTHING_KNOWN, ints, floats, extras)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not reach the solve
        _failed(error)
        return default_answer(signal)


def compiled(function: str, trace_s: float, lower_s: float, compile_s: float) -> None:
    """Take what the compilation of a program that holds a solve took. Never raises.

    Args:
        function: The name of what was compiled.
        trace_s: Seconds for tracing it; 0 where it had been traced before.
        lower_s: Seconds for lowering it.
        compile_s: Seconds for compiling it, or for reading it from jax's cache of compiled programs.
    """
    try:
        if (target := recorder()) is not None:
            target.compiled(function, trace_s, lower_s, compile_s)
    except Exception as error:  # noqa: BLE001 - called while a solve is compiled
        _failed(error)


def _failed(error: Exception) -> None:
    """Count what went wrong outside a recorder; inside one, the recorder counts."""
    PROCESS.failures += 1
    if PROCESS.failures == 1:
        _LOG.warning("soltrace: a solve could not be recorded: %s: %s", type(error).__name__, error)


def register_context(experiment: "HasContext | None" = None) -> int:
    """Remember where a solve belongs, for a program that will name it in its start.

    Args:
        experiment: the experiment that the caller chose. None: the one that is current now.

    Returns:
        A number for the start's `context_token`; 0 where the start needs none, because no experiment was chosen, the
        caller is in the innermost one and has no OpenTelemetry span of its own: then what is current *when the program
        runs* counts.
    """
    try:
        target = recorder()
        return 0 if target is None else target.register_context(experiment)
    except Exception as error:  # noqa: BLE001 - called while a solve is traced
        _failed(error)
        return 0


def current_context() -> int:
    """Remember where the caller stands: `register_context()` without a choice."""
    return register_context()


def register_barrier(barrier: Callable[[], object]) -> None:
    """Have `barrier` called before anything waits for passes: it returns when dispatched programs are done."""
    if barrier not in PROCESS.barriers:
        PROCESS.barriers.append(barrier)
