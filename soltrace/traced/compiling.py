"""How long it took to trace, lower and compile a program with a solve in it, as jax itself measures it.

Traced side, on the thread that compiles. jax announces the durations of every program that it compiles, even of
`a + b`; whether one has a solve in it is known when a call to the host is lowered. Not a timer around the solve: that
is traced inside a program of the user's, which is compiled long after.
"""

import threading

import jax

from soltrace import host

TRACE = "/jax/core/compile/jaxpr_trace_duration"
LOWER = "/jax/core/compile/jaxpr_to_mlir_module_duration"
COMPILE = "/jax/core/compile/backend_compile_duration"


class _Thread(threading.local):
    """What this thread is compiling."""

    holds_solve = False
    """A call to the host has been lowered, into the program that is being lowered."""
    traced: tuple[str, float] = ("", 0.0)
    """The program that was traced last, and its seconds."""
    lowered: tuple[str, float] | None = None
    """The program with a solve that was lowered last, if it has not been compiled yet."""


_THREAD = _Thread()


def lowering() -> None:
    """Note that the program which this thread lowers has a solve in it."""
    _THREAD.holds_solve = True


def _listen(event: str, duration_secs: float, **kwargs: str | int) -> None:
    name = str(kwargs.get("fun_name", ""))
    if event == TRACE:
        _THREAD.traced = (name, duration_secs)
    elif event == LOWER and _THREAD.holds_solve:
        _THREAD.lowered, _THREAD.holds_solve = (name, duration_secs), False
    elif event == COMPILE and _THREAD.lowered is not None and _THREAD.lowered[0] == name:
        (_, lower_s), _THREAD.lowered = _THREAD.lowered, None
        traced, trace_s = _THREAD.traced
        function = name.partition("(")[2].removesuffix(")") or name  # jit(fit), pmap(fit)
        # Another name: the jaxpr was traced before, and is only lowered anew.
        host.compiled(function, trace_s if traced == function else 0.0, lower_s, duration_secs)


jax.monitoring.register_event_duration_secs_listener(_listen)
