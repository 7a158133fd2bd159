"""Wait for what may never return: an exporter whose backend is dead, a device that hangs.

Any thread.
"""

import math
from collections.abc import Callable
from typing import TypeVar

from soltrace.wire.losses import failures
from soltrace.wire.start_thread import start_thread

_Result = TypeVar("_Result")


def within(call: Callable[[], _Result], timeout_s: float) -> _Result | None:
    """Run a call on a thread of its own, and return what it returns, or None where that takes longer.

    Args:
        call: what is run; where no thread can be started, without a bound.
        timeout_s: seconds.

    Raises:
        Exception: what the call raises in that time.
    """
    done: list[_Result] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            done.append(call())
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
            failed.append(error)

    bounded(run, timeout_s)
    for error in failed:
        raise error
    return done[0] if done else None


def bounded(call: Callable[[], object], timeout_s: float, *, must_run: bool = True) -> bool:
    """Run a call on a thread of its own and wait at most so long.

    Args:
        call: what is run.
        timeout_s: seconds; infinity: as long as it takes.
        must_run: where no thread can be started (from Python 3.12 on, while the interpreter ends), run it without a
            bound rather than not at all.

    Returns:
        Whether it returned in time, without raising, anything but False.
    """
    done: list[object] = []

    def run() -> None:
        try:
            done.append(call())
        except failures():  # the caller is told that it did not go well
            done.append(False)

    thread = start_thread(run, "soltrace-waiting")
    if thread is not None:
        thread.join(None if timeout_s == math.inf else max(timeout_s, 0.0))
    elif must_run:
        run()
    return bool(done) and done[0] is not False
