"""What can't be instrumented runs bare: a solve that fails while it is traced with our hooks is traced without.

Traced side. Which of the two fails tells whose error it is: what the user's own code raises, it raises again.
"""

from collections.abc import Callable
from typing import TypeVar

from soltrace.traced._jax import under_a_jit
from soltrace.wire.losses import described
from soltrace.wire.warn import warn_once

_Result = TypeVar("_Result")


def or_bare(reporting: Callable[[], _Result], bare: Callable[[], _Result]) -> _Result:
    """Trace a solve that reports or, if that fails, as it would be without soltrace, and warn once of the cause.

    Args:
        reporting: Traces it with our hooks.
        bare: Traces it without.

    Raises:
        Exception: What `bare` raises; where nothing is traced, what `reporting` raises: it may have run for hours.
    """
    if not under_a_jit():
        return reporting()
    try:
        return reporting()
    except Exception as error:  # noqa: BLE001 - whatever it is, it may be ours
        cause = described(error)  # not the error: its traceback holds what was traced
    result = bare()
    warn_once(f"a solve reports nothing, because it could not be traced with its reports: {cause}.")
    return result
