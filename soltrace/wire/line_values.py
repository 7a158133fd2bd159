"""The values that fields of a line may have.

Any side, any thread.
"""

import math
from collections.abc import Mapping
from typing import Literal, TypeAlias

Number: TypeAlias = float | Literal["NaN", "Infinity", "-Infinity"]
"""A float as strict JSON can carry it: null would hide the evidence of a non-finite value.

A record holds the text too, and not the float: it then equals what its line decodes to, and a reader meets one form.
"""
Watched: TypeAlias = Mapping[str, Number]
"""What quantities that the user watches are, by their names."""
Scalar: TypeAlias = bool | int | float | str
"""One value of a user's."""
Attribute: TypeAlias = Scalar | list[Scalar]
"""A user's attribute. A non-finite float in it is written as in a `Number`."""


def json_number(value: float) -> Number:
    """Turn a float into what strict JSON can carry: `"NaN"`, `"Infinity"` and `"-Infinity"` if it is not finite."""
    if math.isfinite(value):
        return float(value)
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"
