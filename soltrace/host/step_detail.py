"""How much is told of each step of a solve.

Host side; the traced room asks when a solve is traced.
"""

import os
from typing import Final, Literal, TypeAlias, get_args

from soltrace.errors import ConfigurationError
from soltrace.wire.warn import warn_once

Detail: TypeAlias = Literal["steps", "failures", "none"]
"""`steps`: every step; `failures`: the last ones of a solve that fails; `none`: nothing."""
VARIABLE: Final = "SOLTRACE_DETAIL"


def checked(detail: object) -> Detail:
    """Return what was asked for.

    Raises:
        soltrace.ConfigurationError: There is no such detail.
    """
    for known in get_args(Detail):
        if detail == known:
            return known
    raise ConfigurationError(f"detail= must be {_NAMES}, got {detail!r}.")


def of_the_environment() -> Detail:
    """Return what `SOLTRACE_DETAIL` asks for; what it can't mean is warned of, once."""
    wanted = os.environ.get(VARIABLE, "").strip().lower() or "none"
    try:
        return checked(wanted)
    except ConfigurationError:
        warn_once(f"{VARIABLE} must be {_NAMES}, got {wanted!r}: nothing is told of each step.")
        return "none"


_NAMES: Final = "'steps', 'failures' or 'none'"
