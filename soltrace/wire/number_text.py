"""Decides which texts are numbers: the values of `SOLTRACE_ATTRIBUTES`, the groups of a report.

Any side, any thread. Pure Python, since `soltrace tail` must not import numpy.
"""

import re
from decimal import Decimal
from typing import Final

_INT64: Final = range(-(2**63), 2**63)
"""What OpenTelemetry, Parquet and most readers of JSON can hold."""
_NUMBER: Final = re.compile(
    r"""
    (?P<integer> -?(?:0|[1-9][0-9]*) )
    (?P<fraction> \.(?:0|[0-9]*[1-9]) )?  # 3.10 is a version; as a number it would become 3.1
    (?P<exponent> [eE][+-]?[0-9]{1,3} )?  # those of floats have no more digits
    """,
    re.VERBOSE,
)
_HASH: Final = re.compile(r"[0-9]{2,}[eE][0-9]+")
"""An abbreviated commit may look like this. Nobody writes a number so: programs print one digit before the `e`."""


def parse_number(text: str) -> int | float | None:
    """Return the number that a text spells, or None if the text says more than the number would.

    A number is what JSON calls one, as long as printing it gives back what was written. Everything else keeps its
    text, because nobody could tell afterwards what it had been: `007` and `1_000` are the names of jobs, `3.10` is a
    version, `12e5678` a commit, and `0.1234567890123456789` has more digits than a float.

    ```python
    parse_number("3"), parse_number("-2.5"), parse_number("1e-3")  # (3, -2.5, 0.001)
    parse_number("007"), parse_number("12e5678"), parse_number("infinity")  # (None, None, None)
    ```

    Args:
        text: Without space around it.

    Returns:
        An int that fits into 64 bits, a finite float, or None.
    """
    found = _NUMBER.fullmatch(text)
    if found is None or _HASH.fullmatch(text):
        return None
    if found["fraction"] is None and found["exponent"] is None:
        return _integer(text)
    value = float(text)
    # Not `==` on floats, to which 1e-400 is 0 and 1e400 is infinity: nothing may be lost on the way.
    return value if Decimal(text) == Decimal(repr(value)) else None


def _integer(text: str) -> int | None:
    if len(text) > len(str(_INT64.start)) or text == "-0":  # Python itself refuses thousands of digits.
        return None
    value = int(text)
    return value if value in _INT64 else None
