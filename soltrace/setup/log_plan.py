"""How logs are written, as `configure` and the environment say: one a process or a node, how long, how safe.

Host side, on the thread of whoever configures or solves first.
"""

import math
import os
import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeVar

from soltrace.setup.settings import Settings
from soltrace.wire.plain_text import NAME_AT_MOST, plain_text
from soltrace.wire.warn import warn_once

_Value = TypeVar("_Value")
_UNITS: Final = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}


class LogPlan(NamedTuple):
    """How a log is written."""

    one_a_node: bool
    """All processes of a machine write to the same one."""
    bytes_at_most: int | None
    """How long a part of it may get."""
    sync_s: float
    """How often it is brought to the disk, in seconds."""


def log_plan(settings: Settings, environ: Mapping[str, str] = os.environ) -> LogPlan:
    """Decide how the next log is written. A variable that can't be understood is a warning, and is left out."""

    def given(value: _Value | None, name: str, read: Callable[[str], _Value | None], like: str) -> _Value | None:
        text = environ.get(name, "").strip()
        if value is not None or not text:
            return value
        if (found := read(text)) is None:
            warn_once(f"{name} must be {like}; left out: {plain_text(text, NAME_AT_MOST)!r}.")
        return found

    sync_s = given(settings.log_sync_s, "SOLTRACE_LOG_SYNC_S", _seconds, "a number of seconds such as 5")
    return LogPlan(
        given(settings.log, "SOLTRACE_LOG", _whose, "process or node") == "node",
        given(settings.log_max_bytes, "SOLTRACE_LOG_MAX_BYTES", _bytes, "a number of bytes such as 500M"),
        math.inf if sync_s is None else sync_s,
    )


def _whose(text: str) -> str | None:
    return text if text in {"process", "node"} else None


def _bytes(text: str) -> int | None:
    found = re.fullmatch(r"(\d{1,15})([kMG]?)", text, re.ASCII)
    return None if found is None else int(found[1]) * _UNITS[found[2]] or None


def _seconds(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if number > 0 else None
