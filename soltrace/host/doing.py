"""What this process is about while none of its passes is heard of: whether a program is traced or compiled.

Host side, on the worker thread. jax says only afterwards that it has compiled; but the thread that compiles stands in a
file of jax's all the while.
"""

import sys
from collections.abc import Iterable
from types import FrameType
from typing import Final

from soltrace.wire.resource import jax_in_use

COMPILING: Final = "compiling"
TRACING: Final = "tracing"
NEITHER: Final = "elsewhere"
"""In a program that computes, in the user's own work, or waiting for something."""
STEP: Final = "step"
STEP_OR_OTHERS: Final = "step or other processes"
"""From here the two can't be told apart: a step of a program of several processes waits for all of them."""
_CALLBACK: Final = "callback"
"""In what a program has called on the host: a function of the user's, or of ours."""
_FILES: Final = {
    "/jax/_src/callback.py": _CALLBACK,
    "/jax/_src/compiler.py": COMPILING,
    "/jax/_src/interpreters/mlir.py": TRACING,
    "/jax/_src/interpreters/partial_eval.py": TRACING,
}
"""Where a thread stands that does this: the innermost of these decides."""
_DEEPEST: Final = 1000


def doing(frames: Iterable[FrameType] | None = None) -> str:
    """Say what the process is doing: `compiling`, `tracing` or `elsewhere`.

    Args:
        frames: The innermost frame of each thread; None: as they are now.
    """
    found = _found(frames)
    return next((what for what in (COMPILING, TRACING) if what in found), NEITHER)


def stuck_in() -> str:
    """Say what a pass is in that has stalled: a program is compiled meanwhile, or it is in one step."""
    found, jax = _found(None), jax_in_use()
    if COMPILING in found:
        return COMPILING
    if jax is None or jax.process_count() == 1 or _CALLBACK in found:  # that is this process's own part of a step
        return STEP
    return STEP_OR_OTHERS


def _found(frames: Iterable[FrameType] | None) -> set[str]:
    current = sys._current_frames().values() if frames is None else frames  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    return {_of_a_thread(frame) for frame in current}


def _of_a_thread(innermost: FrameType) -> str:
    frame: FrameType | None = innermost
    for _ in range(_DEEPEST):
        if frame is None:
            break
        name = frame.f_code.co_filename
        for file, what in _FILES.items():
            if name.endswith(file):
                return what
        frame = frame.f_back
    return NEITHER
