"""The end of the process: everything gets where it is to go, or is counted and said to be lost, within a bound.

Host side, on the thread that ends the process. No thread is started for it: from Python 3.12 on, none can be.
"""

import atexit
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

from soltrace.export.named import global_providers
from soltrace.export.registry import EXPORTS
from soltrace.host.child import end_is_near
from soltrace.host.process import PROCESS
from soltrace.sinks.beside import ONLOOKERS
from soltrace.wire.multiprocessings import that_started_this
from soltrace.wire.plain_text import said_by

FOR_THE_LOG_S: Final = 0.5
"""Kept, but no more than half of the time there is, to write down what could not be exported."""
FOR_PROGRAMS: Final = 0.5
"""Of the time there is: the most that programs still running are waited for, and then the worker, or nothing is left
for exporting."""
FOR_SILENCE_S: Final = 1.0
"""The longest that is waited for programs that go on, until they know that they are to report no more: they call ten
times a second, or at each step."""
BY_ITSELF: Final = "the process has ended"
"""Why an experiment is over that nobody has left."""
TO_WRITE_S: Final = 5.0
"""The longest that is waited for the worker, where nobody waits for it."""


def end(timeout_s: float, killed_by: str | None = None) -> None:
    """Export, say what was lost, finish the log. Nothing is exported afterwards.

    An exit handler that runs later may solve: that is still written to the log.

    Args:
        timeout_s: How long it may take.
        killed_by: The signal that ends the process: programs that run are not waited for, and their passes are
            `interrupted`. None: it ends by itself.
    """
    deadline = time.monotonic() + timeout_s
    for_the_log = min(FOR_THE_LOG_S, timeout_s / 2)
    recorder = PROCESS.finish()  # a thread that goes on solving begins nothing now
    try:
        if recorder is not None:
            if killed_by is None:
                recorder.await_programs(timeout_s * FOR_PROGRAMS)
                # Who calls while the interpreter is taken down would end the process by SIGABRT: the thread is made to
                # exit then, in the midst of C++.
                recorder.silence(min(FOR_SILENCE_S, deadline - time.monotonic() - for_the_log))
            recorder.drain((deadline - time.monotonic() - for_the_log) * FOR_PROGRAMS)
        # What it gives up must be counted while there is a log to say it in.
        if not EXPORTS.flush(deadline - time.monotonic() - for_the_log):
            EXPORTS.stop(0.0, timeout_s)
    finally:  # also if Ctrl-C has cut that short
        if recorder is not None:
            uncaught = _uncaught()
            recorder.ended_by = killed_by or (said_by(uncaught) if uncaught else recorder.exits_by)
            interrupted_by = killed_by or (type(uncaught).__name__ if isinstance(uncaught, KeyboardInterrupt) else None)
            recorder.finish(
                deadline - time.monotonic(), interrupted_by or BY_ITSELF, interrupted=interrupted_by is not None
            )
        PROCESS.go_on(recorder)
        EXPORTS.stop(deadline - time.monotonic(), timeout_s)  # what was abandoned has ended only now
        ONLOOKERS.dismiss()


def write_now() -> None:
    """Have what has been told so far written down: by a signal's word, the process may be killed in the next moment."""
    end_is_near()
    if (recorder := PROCESS.recorder) is not None:
        recorder.drain(TO_WRITE_S)


def _uncaught() -> BaseException | None:
    """The exception that has ended the program, if one did: its traceback is printed by now."""
    interactive = hasattr(sys, "ps1")  # then it was printed some time ago, and the program went on
    error = None if interactive else getattr(sys, "last_value", None)
    return error if isinstance(error, BaseException) else None


def with_the_process(call: Callable[[], object]) -> None:
    """Have this called when the process ends, before what was registered earlier."""
    # Anew each time: what is registered last runs first, and must run before a provider set up meanwhile shuts down.
    atexit.unregister(call)
    atexit.register(call)
    _BEFORE[:] = call, global_providers()
    if (name := that_started_this()) is not None:
        # If it was forked it leaves by `os._exit`, without what `atexit` has. Before its queues are joined (-5).
        sys.modules[f"{name}.util"].Finalize(None, call, exitpriority=0)


_BEFORE: Final[list[object]] = []
"""What is called when the process ends, and the providers that there were then: each shuts itself down at the end."""


def _before_the_exit_handlers() -> None:
    """See to it that ours runs before that of a provider which was set since ours was registered."""
    call, known = _BEFORE
    if callable(call) and PROCESS.recorder is not None and known != global_providers():
        with_the_process(call)


# It has no public name. `concurrent.futures` registers there for the same reason: threads are joined before `atexit`.
if (register := getattr(threading, "_register_atexit", None)) is not None:
    register(_before_the_exit_handlers)
