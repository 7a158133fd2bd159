"""`configure`, `flush`, `shutdown`: how a program sets soltrace up, and has it finish.

Host side. Nothing here runs before somebody asks for it or the first solve reports.
"""

import time
from typing import Final

from soltrace.callers import CALLERS, HANDING
from soltrace.errors import ConfigurationError
from soltrace.export.exporters import maker
from soltrace.host.process import PROCESS
from soltrace.host.recorder import Recorder
from soltrace.setup.children import for_a_child
from soltrace.setup.opening import OpeningPlan
from soltrace.setup.outputs import import_sinks, set_up_export
from soltrace.setup.process_end import end, with_the_process, write_now
from soltrace.setup.settings import Settings, takes_settings
from soltrace.setup.sigterm import SIGTERM
from soltrace.sinks.beside import ONLOOKERS
from soltrace.wire.start_thread import on_own_thread

FOR_CLOSING: Final = 0.1
"""Of the time that `shutdown` has: kept to write down what could not be exported."""


@takes_settings(Settings)
def configure(settings: Settings) -> None:
    """Say how this process records, from now on. What was recorded before is flushed and closed.

    A solve that is under way goes on in the run that it began in; if that takes too long, its end is made up there, and
    counted as lost.

    ```python
    soltrace.configure(directory="logs", attributes={"seed": 3})
    ```
    """
    if on_own_thread():
        raise ConfigurationError("configure() in a processor or sink would wait for itself: call it elsewhere.")
    if settings.otlp_endpoint is not None:
        maker("traces", "otlp", settings.otlp_endpoint)
    if settings.flush_on_sigterm:
        SIGTERM.install(_at_exit, write_now)
    set_up_export(settings)
    with_the_process(_at_exit)
    CALLERS.apart = settings.threads_apart
    _close(PROCESS.install(OpeningPlan(settings, _at_exit)))
    if PROCESS.enabled():
        import_sinks(settings)


def flush(timeout_s: float = 30.0) -> bool:
    """Wait until programs that run are done and what they reported is where it is to go: on disk, and exported.

    In a processor of structlog's or OpenTelemetry's it would wait for itself: it returns at once there, with False.

    Args:
        timeout_s: Wait no longer, in seconds.

    Returns:
        Whether everything got there in time.
    """
    if on_own_thread():
        return False
    recorder = PROCESS.recorder
    return True if recorder is None else recorder.flush(timeout_s)


def shutdown(timeout_s: float = 30.0) -> bool:
    """Flush, give up passes that are still open, say what was lost, and close. The next solve begins a new run.

    Where `flush` would wait for itself it does nothing, and returns False.

    Args:
        timeout_s: Wait no longer, in seconds.

    Returns:
        Whether everything got where it is to go in time.
    """
    if on_own_thread():
        return False
    try:
        return _close(PROCESS.take(), timeout_s)
    finally:
        ONLOOKERS.dismiss()


def _close(recorder: Recorder | None, timeout_s: float = 30.0) -> bool:
    if recorder is None:
        return True
    deadline = time.monotonic() + timeout_s
    flushed = recorder.flush(timeout_s * (1 - FOR_CLOSING))  # first: closing says what could not be exported
    return recorder.close(deadline - time.monotonic()) and flushed


def _at_exit(killed_by: str | None = None) -> None:
    plan = PROCESS.plan
    end(plan.settings.exit_timeout_s if isinstance(plan, OpeningPlan) else Settings().exit_timeout_s, killed_by)


HANDING.tell = for_a_child
PROCESS.begin_with(OpeningPlan(Settings(), _at_exit))
with_the_process(_at_exit)
