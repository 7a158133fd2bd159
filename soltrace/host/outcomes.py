"""How a lane ended: diffrax's names of result codes, and those that this room gives itself.

Host side, on the worker thread.
"""

import functools
from typing import Final

import numpy as np

from soltrace.host.signals import Array
from soltrace.wire.records import Status

SUCCESSFUL: Final = "successful"
EVENT: Final = "event_occurred"
ABANDONED: Final = "abandoned"
"""The end of a pass never came."""
CUT_SHORT: Final = "interrupted"
"""Nor of this one, because a signal has ended its process, or has cut the solve short."""
UNKNOWN: Final = "unknown"
"""A progress meter is not told how a solve ended."""
UNRECOGNISED: Final = "unrecognised"
"""A code without a name: the program and this table disagree."""
GOOD: Final = (SUCCESSFUL, EVENT, UNKNOWN)
OWN: Final = (SUCCESSFUL, EVENT, ABANDONED, CUT_SHORT, UNKNOWN, UNRECOGNISED)


class Outcomes:
    """Names by code. The program's codes come first, so that they stay what they are."""

    def __init__(self, results: tuple[str, ...]) -> None:
        """Number the names."""
        self.names = results + tuple(name for name in OWN if name not in results)
        self.good: Array = np.isin(self.names, GOOD)
        self._from_program = len(results)
        self._codes = {name: code for code, name in enumerate(self.names)}

    def code(self, name: str) -> int:
        """The code of a name."""
        return self._codes[name]

    def is_good(self, code: int) -> bool:
        """Say whether it is a good end."""
        return self.names[code] in GOOD

    def clean_one(self, code: int) -> int:
        """A code from a program; one that it cannot mean becomes `unrecognised`."""
        return code if 0 <= code < self._from_program else self.code(UNRECOGNISED)

    def clean(self, codes: Array) -> Array:
        """Codes from a program; those that it cannot mean become `unrecognised`."""
        valid = (codes >= 0) & (codes < self._from_program)
        return np.where(valid, codes, self.code(UNRECOGNISED))

    def translated(self, other: "Outcomes", codes: Array) -> Array:
        """Codes of another program's as codes here."""
        table = [self.code(name if name in self.names else UNRECOGNISED) for name in other.names]
        return np.array(table)[other.clean(codes)]

    def status(self, code: int) -> Status:
        """Say whether it is a good end, as a line does."""
        return "ok" if self.is_good(code) else "error"


@functools.lru_cache(maxsize=64)
def outcomes(results: tuple[str, ...]) -> Outcomes:
    """The outcomes of a program whose results have these names."""
    return Outcomes(results)
