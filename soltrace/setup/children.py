"""What a program tells the processes that it starts: under which span they are.

Host side, on the caller's thread.
"""

import os
from collections.abc import Mapping
from typing import Final

from soltrace.host.process import PROCESS

_TOLD: Final = ("TRACEPARENT", "TRACESTATE", "BAGGAGE")


def for_a_child() -> dict[str, str]:
    """Return what a child is told that the calling thread starts now, as variables of the environment."""
    if PROCESS.plan is None or not PROCESS.enabled() or (place := PROCESS.place()) is None:
        return {}
    from soltrace.sinks.propagation import handed_down

    return handed_down(place)


def child_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return an environment for a program that is started now: what it solves is under the caller's span.

    That is the span of the experiment that the caller is in, or a span of your own that is current there. It is told as
    `TRACEPARENT`, `TRACESTATE` and `BAGGAGE`, which any program understands that OpenTelemetry instruments.

    ```python
    with soltrace.experiment("sweep"):
        subprocess.run([sys.executable, "-c", "..."], env=soltrace.child_environment(), check=True)
    ```

    Children of `multiprocessing`, `concurrent.futures` and joblib need nothing of it, nor do forks.

    Args:
        environ: What it has otherwise.

    Returns:
        A copy of `environ` with these variables. They are as they were where the caller is in nothing.
    """
    told = for_a_child()
    kept = environ if not told else {name: text for name, text in environ.items() if name not in _TOLD}
    return {**kept, **told}
