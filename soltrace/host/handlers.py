"""Tell what a signal handler raised from a failure of ours: a handler runs between any two instructions of ours.

Host side, on the main thread, where Python runs handlers. What a handler raises is its program's, and goes through.
"""

import signal
from types import TracebackType
from typing import Any


def raised_by_a_handler(error: BaseException) -> bool:
    """Say whether this came out of a signal handler.

    What is no `Exception` (`KeyboardInterrupt`, `SystemExit`) is never a failure of ours.
    """
    if not isinstance(error, Exception):
        return True
    codes = {_code(signal.getsignal(number)) for number in signal.valid_signals()} - {None}
    return bool(codes) and any(code in codes for code in _codes(error.__traceback__))


def _codes(trace: TracebackType | None) -> list[object]:
    codes: list[object] = []
    while trace is not None:
        codes.append(trace.tb_frame.f_code)
        trace = trace.tb_next
    return codes


def _code(handler: Any) -> object:
    """The code that a handler is: of a function, a method, a partial of one, or an object that is called."""
    while hasattr(handler, "func"):
        handler = handler.func
    if not hasattr(handler, "__code__"):
        handler = getattr(handler, "__call__", None)  # noqa: B004 - not whether, but what
    return getattr(handler, "__code__", None)
