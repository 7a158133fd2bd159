"""Variables of the environment that switch something on or off.

Any side. One that says neither is left out, and that is said when a run is opened.
"""

import os
from collections.abc import Mapping
from typing import Final

DISABLED: Final = "SOLTRACE_DISABLED"
THREADS_APART: Final = "SOLTRACE_THREADS_APART"
ONE_TRACE: Final = "SOLTRACE_ONE_TRACE"
LIVE: Final = "SOLTRACE_LIVE"
_USUALLY: Final[Mapping[str, bool]] = {DISABLED: False, THREADS_APART: True, ONE_TRACE: True, LIVE: False}
_MEANT: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


def flag(name: str) -> bool:
    """Say whether something is on: as its variable says, or as it usually is."""
    return _MEANT.get(_text(name).lower(), _USUALLY[name])


def unclear_flags() -> Mapping[str, str]:
    """Return what those variables say that say neither."""
    texts = {name: _text(name) for name in _USUALLY}
    return {name: text for name, text in texts.items() if text and text.lower() not in _MEANT}


def _text(name: str) -> str:
    return os.environ.get(name, "").strip()
