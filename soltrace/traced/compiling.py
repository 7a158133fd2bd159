"""How long it took to trace, lower and compile a program with a solve in it, as jax itself measures it.

Traced side, on the thread that compiles. jax announces when it has traced, lowered and compiled a program, for every
one, even of `a + b`; whether one has a solve in it is known when a call to the host is lowered. Not a timer around the
solve: that is traced inside a program of the user's, which is compiled long after. But what jax traces of an eager
solve under `vmap` or `grad` it does not announce: that alone is timed here.
"""

import contextlib
import re
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

import jax

from soltrace import host

TRACE = "/jax/core/compile/jaxpr_trace_duration"
LOWER = "/jax/core/compile/jaxpr_to_mlir_module_duration"
COMPILE = "/jax/core/compile/backend_compile_duration"

_ARGUMENTS_AT_MOST: Final = 64
_TENSOR: Final = re.compile(r"tensor<((?:[\d?]+x)*)(.*)>")
_NAMES: Final = {
    "i1": "bool",
    **{f"{sign}i{bits}": f"{name}int{bits}" for sign, name in (("", ""), ("u", "u")) for bits in (8, 16, 32, 64)},
    **{f"f{bits}": f"float{bits}" for bits in (16, 32, 64)},
    **{f"complex<f{bits}>": f"complex{2 * bits}" for bits in (32, 64)},
    "bf16": "bfloat16",
}
"""Of the elements of a tensor, as MLIR calls them and as NumPy does."""
_AT_MOST: Final = 64
"""Programs that are traced and never lowered, or lowered and never compiled, and are remembered all the same."""


@dataclass(frozen=True)
class _Span:
    """What jax has announced. Times are the system's, in seconds, as jax takes them."""

    function: str
    start: float
    end: float

    @property
    def duration_s(self) -> float:
        return self.end - self.start


@dataclass(frozen=True)
class _Lowered:
    """A program with a solve that is to be compiled, perhaps on another thread."""

    name: str
    thread: int
    trace_s: float
    lower_s: float
    arguments: tuple[str, ...] | None


@dataclass
class _Thread(threading.local):
    """What this thread is compiling."""

    calls: list[tuple[float, host.Signal]] = field(default_factory=list[tuple[float, host.Signal]])
    """When which calls to the host were lowered, into programs whose lowering is not over."""
    arguments: tuple[str, ...] | None = None
    """Of the program into which the last of them was."""
    traced: deque[_Span] = field(default_factory=lambda: deque(maxlen=_AT_MOST))
    """What was traced and has not been lowered; the last is the newest."""
    began: float | None = None
    """When the solve that was called last began to be traced, if it is not part of what jax has announced."""


_THREAD: Final = _Thread()
_LOWERED: Final[deque[_Lowered]] = deque(maxlen=_AT_MOST)
_LOCK: Final = threading.Lock()
_EAGER: Final = "diffeqsolve"
"""What an eager solve is called by jax: diffrax compiles it by itself."""


def tracing(*, anew: bool) -> None:
    """Note that this thread traces a solve.

    Args:
        anew: It has just been called. Otherwise nobody may have noted the call.
    """
    if anew or _THREAD.began is None:
        _THREAD.began = time.time()


def lowering(signal: host.Signal, module: Any) -> None:
    """Note that the program which this thread lowers has a solve in it, or a part of one.

    Args:
        signal: What it will tell.
        module: The program, as MLIR; its function `main` takes what the program takes.
    """
    _THREAD.calls.append((time.time(), signal))
    with contextlib.suppress(Exception):  # no public interface: without it, what a program takes is not told
        main = next(op for op in module.body.operations if op.name.value == "main")
        _THREAD.arguments = tuple(_type_name(str(kind)) for kind in main.type.inputs[:_ARGUMENTS_AT_MOST])


def _type_name(kind: str) -> str:
    """Write a type of MLIR's as jax's users know it: `tensor<3x4xf32>` is `float32[3,4]`."""
    found = _TENSOR.fullmatch(kind)
    if found is None:
        return kind
    sizes, element = found[1].removesuffix("x").replace("x", ","), found[2]
    return f"{_NAMES.get(element, element)}[{sizes}]"


def _listen(event: str, start_time: float, end_time: float, **kwargs: str | int) -> None:
    name = str(kwargs.get("fun_name", ""))
    span = _Span(name.partition("(")[2].removesuffix(")") or name, start_time, end_time)  # jit(fit), pmap(fit)
    if event == TRACE:
        _traced(span)
    elif event == LOWER:
        _lowered(name, span)
    elif event == COMPILE:
        _compiled(name, span)


def _traced(span: _Span) -> None:
    while _THREAD.traced and _THREAD.traced[-1].start >= span.start:
        _THREAD.traced.pop()  # a part of this
    _THREAD.traced.append(span)
    if _THREAD.began is not None and _THREAD.began >= span.start:
        _THREAD.began = None


def _lowered(name: str, span: _Span) -> None:
    # Not all calls: a program may be compiled while another one is lowered.
    own = {signal for at, signal in _THREAD.calls if at >= span.start}
    _THREAD.calls = [call for call in _THREAD.calls if call[0] < span.start]
    trace_s = _announced(span)
    if not own:
        return
    if trace_s is None and span.function == _EAGER and host.Signal.FORWARD_START in own:
        began, _THREAD.began = _THREAD.began, None
        trace_s = None if began is None else span.start - began
    with _LOCK:
        _LOWERED.append(_Lowered(name, threading.get_ident(), trace_s or 0.0, span.duration_s, _THREAD.arguments))


def _announced(lowered: _Span) -> float | None:
    """Find how long it took to trace what has been lowered; None where jax has not said, or it was traced before."""
    while _THREAD.traced and _THREAD.traced[-1].start >= lowered.start:
        _THREAD.traced.pop()  # what lowering traces
    named = [span for span in _THREAD.traced if span.function == lowered.function]
    if lowered.function == _EAGER:
        # Lowered as soon as it is traced: what was traced before the call, or is left over, is never lowered.
        for span in named:
            _THREAD.traced.remove(span)
        return named[-1].duration_s if named and named[-1].start >= (_THREAD.began or 0.0) else None
    if not named:
        return None
    _THREAD.traced.remove(named[-1])
    return named[-1].duration_s


def _compiled(name: str, span: _Span) -> None:
    with _LOCK:
        same = [lowered for lowered in _LOWERED if lowered.name == name]
        if not same:
            return
        lowered = next((one for one in reversed(same) if one.thread == threading.get_ident()), same[-1])
        _LOWERED.remove(lowered)
    host.compiled(span.function, lowered.trace_s, lowered.lower_s, span.duration_s, lowered.arguments)


jax.monitoring.register_event_time_span_listener(_listen)
