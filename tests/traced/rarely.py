"""Which parameters of a test the oldest versions get: some of each kind. The newest get all."""

from collections.abc import Collection
from typing import Any

import pytest


def some(values: Collection[Any], *kept: Any) -> list[Any]:
    """Mark parameters `once`, but for those that are kept. A tuple is several parameters of one call."""
    several = lambda value: value if isinstance(value, tuple) else (value,)
    return [
        pytest.param(*several(value), marks=[] if value in kept else pytest.mark.once, id=_name(value))
        for value in values
    ]


def _name(value: Any) -> str:
    parts: tuple[Any, ...] = value if isinstance(value, tuple) else (value,)
    return "-".join(
        str(part) if isinstance(part, str | int) else getattr(part, "__name__", type(part).__name__) for part in parts
    )
