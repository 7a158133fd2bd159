"""The shortest decimals of many float32 at once.

Host side, any thread. numpy finds them one by one.
"""

from typing import Final, NamedTuple, Self

import numpy as np

from soltrace.host.signals import Array

_FEWEST: Final = 6
"""Digits that are tried: with fewer, the others are zeros, which a float does not have."""
_ENOUGH: Final = 9
"""Digits with which any float32 is found again."""
_LARGEST_EXPONENT: Final = 12
"""Of ten, of the numbers that are dealt with at once: with nine digits before it, 10**22 is still exact."""
_SHIFTS: Final = range(_FEWEST - _LARGEST_EXPONENT, _ENOUGH + _LARGEST_EXPONENT)
"""By how many places the point may have to be moved, to have all digits before it."""
_UP: Final = np.array([float(10 ** max(shift, 0)) for shift in _SHIFTS])
_DOWN: Final = np.array([float(10 ** max(-shift, 0)) for shift in _SHIFTS])


def shortest(values: Array) -> Array:
    """Round to as few digits as are needed to find each again.

    Args:
        values: float32 `[n]`.

    Returns:
        float64 `[n]`, whose own shortest decimals are those of the float32.
    """
    with np.errstate(all="ignore"):  # there are odd NaNs, too
        found = values.astype(np.float64)
        exponent = np.floor(np.log10(np.abs(found)))
        usual = np.abs(exponent) < _LARGEST_EXPONENT  # neither zero nor infinite, nor NaN
    at = np.flatnonzero(usual)
    left = _Numbers(at, values[at], found[at], exponent[at].astype(np.int64))
    # What is found again with some digits, is so with more. Most need eight, or nine.
    found[at] = left.rounded(_ENOUGH)[1]
    for digits in range(_ENOUGH - 1, _FEWEST - 1, -1):
        fits, rounded = left.rounded(digits)
        kept = np.flatnonzero(fits)
        left = left.of(kept)
        found[left.at] = rounded[kept]
    for i in np.flatnonzero(~usual & np.isfinite(values) & (values != 0.0)).tolist():
        found[i] = float(str(values[i]))
    return found


class _Numbers(NamedTuple):
    at: Array
    """Where they are among all."""
    values: Array
    exact: Array
    """The same as float64."""
    exponent: Array
    """Of ten: of the first digit."""

    def of(self, which: Array) -> Self:
        return self._make(x[which] for x in self)

    def rounded(self, digits: int) -> tuple[Array, Array]:
        """Round to so many digits, and say which are found again."""
        shift = digits - 1 - _SHIFTS.start - self.exponent
        # Powers of ten up to here are exact, and so is what is divided or multiplied by one: the nearest float.
        up, down = _UP[shift], _DOWN[shift]
        rounded = np.rint(self.exact * up / down) / up * down
        return rounded.astype(np.float32) == self.values, rounded
