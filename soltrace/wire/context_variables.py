"""What a program has bound with `structlog.contextvars`, as plain values: its log lines have it, so ours have it too.

Host side, on the thread of whoever enters an experiment or solves. Not by structlog's own function: a program that has
bound nothing has not imported that, and need not.
"""

from collections.abc import Mapping
from contextvars import copy_context
from typing import Any, Final

from soltrace.errors import AttributeValueError
from soltrace.wire.attributes import plain_attributes, within_bounds
from soltrace.wire.plain_text import plain_text
from soltrace.wire.records import Attribute

_PREFIX: Final = "structlog_"
"""Of the names of its variables. One that is unbound holds an ellipsis."""


def context_variables() -> Mapping[str, Attribute]:
    """Find what the calling thread or task has bound. What has no form that a line can carry is told as text."""
    bound = {
        variable.name.removeprefix(_PREFIX): value
        for variable, value in copy_context().items()
        if variable.name.startswith(_PREFIX) and value is not Ellipsis
    }
    if not bound:
        return {}
    plain: dict[str, Attribute] = {}
    for name, value in sorted(bound.items(), key=lambda item: item[0]):  # else in no order at all
        plain |= _plain(name, value)
    return within_bounds(plain, tell=False)


def _plain(name: str, value: Any) -> dict[str, Attribute]:
    try:
        return plain_attributes({name: value}, tell=False)
    except AttributeValueError:
        try:
            return {plain_text(name): plain_text(repr(value))}
        except Exception:  # noqa: BLE001 - of its own making: the line does without it
            return {}
