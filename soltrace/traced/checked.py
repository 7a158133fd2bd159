"""Lets `jax.experimental.checkify` look into the loop of a solve, as it looks into a `while`.

Traced side. `checkify` goes through a jaxpr with a rule for each primitive, and one that it has no rule for is one that
can't fail: what is wrong in a step (an index out of bounds, a division by zero) would not be found.
"""

import sys
from typing import Any, Final

from jax.experimental import checkify
from jax.extend.core import ClosedJaxpr, Primitive  # pyright: ignore[reportPrivateImportUsage] - 0.12: one with Jaxpr

# Where its rules are has no public name: a jax that has moved them makes do without ours.
_CHECKIFY: Final[Any] = sys.modules[checkify.check_error.__module__]
_RULES: Final[dict[Primitive, Any]] = getattr(_CHECKIFY, "error_checks", {})


def _checked(*operands: Any, jaxpr: Any, **_: Any) -> Any:
    first = len(operands) - len(jaxpr.invars)
    *context, error, wanted = operands[:first]  # a context from jax 0.11 on
    return _CHECKIFY.checkify_jaxpr(*context, ClosedJaxpr(jaxpr, ()), wanted, error, *operands[first:])


def let_checkify_into(primitive: Primitive) -> None:
    """Have `checkify` evaluate what a primitive holds, as its parameter `jaxpr`, a jaxpr without constants."""
    _RULES[primitive] = _checked
