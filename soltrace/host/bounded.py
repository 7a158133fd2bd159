"""Wait for what may never return: an exporter whose backend is dead, a device that hangs.

Any thread.
"""

import math
import threading
from collections.abc import Callable


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
        except Exception:  # noqa: BLE001 - the caller is told that it did not go well
            done.append(False)

    thread = threading.Thread(target=run, name="soltrace-waiting", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        if must_run:
            run()
    else:
        thread.join(None if timeout_s == math.inf else max(timeout_s, 0.0))
    return bool(done) and done[0] is not False
