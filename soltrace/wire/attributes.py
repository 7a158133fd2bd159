"""Attributes as users give them, checked, made plain and bounded when they are given.

Host side, on the caller's thread.
"""

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, Final

import msgspec

from soltrace.errors import AttributeValueError
from soltrace.wire.array_values import ITEMS_AT_MOST
from soltrace.wire.attribute_forms import Entries, form_of
from soltrace.wire.flat_attributes import LOOKED_AT_MOST, NAMES_AT_MOST, ROWS_AT_MOST, FlatAttributes, failure, shown
from soltrace.wire.losses import OUTSIDE, What, Why
from soltrace.wire.number_text import parse_number
from soltrace.wire.plain_text import NAME_AT_MOST, plain_text
from soltrace.wire.records import Attribute, Scalar

JSON_BYTES_AT_MOST: Final = 32768
"""All of them together, as JSON: they are on each line."""
LEFT_OUT: Final = "soltrace.left_out"
"""The attribute that says how many others there were no room for."""
_DIGITS: Final = 12
"""Characters of a number of an array, of which only the number of items is known."""
_NUMBERS_AT_MOST: Final = ITEMS_AT_MOST * ROWS_AT_MOST
"""Of an array, however large."""
_ENCODE: Final = msgspec.json.Encoder().encode


def plain_attributes(
    attributes: Any, more: Mapping[str, Any] | None = None, *, tell: bool = True
) -> dict[str, Attribute]:
    """Make of attributes what a log line can carry.

    A table within them (a dictionary, a dataclass, a list of lists, the rows of an array) becomes attributes with dots
    in their names. What is too large is cut, says so, and is counted as a loss.

    Args:
        attributes: A mapping of names to values, or an object that has such a form, such as argparse's.
        more: Further ones, which win.
        tell: Whether what is cut is counted.

    Raises:
        AttributeValueError: A name is no string, or stands twice; or a value has no form that a line can carry.
    """
    return _plain(attributes, more, lambda _: False, tell=tell)


def plain_and_kept(attributes: Any, keep: Callable[[Any], bool], *, tell: bool) -> dict[str, Any]:
    """Do the same, but leave some values what they are.

    Args:
        attributes: As `plain_attributes`.
        keep: Says which, of those that stand in no list.
        tell: Whether what is cut is counted.
    """
    return _plain(attributes, None, keep, tell=tell)


def _plain(
    attributes: Any, more: Mapping[str, Any] | None, keep: Callable[[Any], bool], *, tell: bool
) -> dict[str, Any]:
    flat = FlatAttributes(keep)
    given = _given(attributes)
    for name, value in [
        *((name, value) for name, value in given if more is None or name not in more),
        *(more or {}).items(),
    ]:
        flat.add(name, value)
    if tell:
        OUTSIDE.add(What.ATTRIBUTE, Why.TOO_LARGE, flat.cut)
    return within_bounds(flat.plain, flat.left_out, tell=tell)


def _given(attributes: Any) -> list[tuple[Any, Any]]:
    try:
        form = form_of(attributes)
        if isinstance(form, Entries):
            return list(islice(form.entries, LOOKED_AT_MOST + 1))
    except Exception as error:
        raise AttributeValueError(f"Attributes could not be read: {failure(error)}.") from error
    raise AttributeValueError(f"Attributes must be a mapping of names to values, got {shown(attributes)}.")


def within_bounds(attributes: Mapping[str, Attribute], left_out: int = 0, *, tell: bool = True) -> dict[str, Attribute]:
    """Leave out attributes where there are too many, or they are too large together: the deepest, and the largest.

    Args:
        attributes: Plain ones.
        left_out: How many have been left out before.
        tell: Whether what is left out is counted.
    """
    sizes = {name: _size(name, value) for name, value in attributes.items() if name != LEFT_OUT}
    kept = dict.fromkeys(sorted(sizes, key=lambda name: name.count("."))[:NAMES_AT_MOST])
    total = sum(sizes[name] for name in kept)
    for name in sorted(kept, key=lambda name: -sizes[name]):
        if total <= JSON_BYTES_AT_MOST:
            break
        total -= sizes[name]
        del kept[name]
    missing = left_out + len(sizes) - len(kept)
    if tell:
        OUTSIDE.add(What.ATTRIBUTE, Why.TOO_LARGE, missing)
    before = attributes.get(LEFT_OUT, 0)
    missing += before if isinstance(before, int) else 0
    bounded = {name: value for name, value in attributes.items() if name in kept}
    return bounded | {LEFT_OUT: missing} if missing else bounded


def _size(name: str, value: Any) -> int:
    """How long it is as JSON, name and punctuation included. What is kept as it is has digits only."""
    try:
        return len(_ENCODE(name)) + len(_ENCODE(value)) + 2
    except TypeError:
        return len(name) + 4 + _DIGITS * min(_NUMBERS_AT_MOST, int(getattr(value, "size", 1)))


def parse_attributes(text: str) -> tuple[dict[str, Attribute], list[str]]:
    """Parse attributes as they are written in `SOLTRACE_ATTRIBUTES` and after `soltrace run --attributes`.

    ```python
    parse_attributes("seed=3,lr=1e-3,job=007,now")  # ({'seed': 3, 'lr': 0.001, 'job': '007'}, ['now'])
    ```

    Args:
        text: `key=value` pairs, separated by commas. Space around keys and values is ignored.

    Returns:
        The attributes, and the parts that are no `key=value`. A value is a bool (`true`, `false`), a number if it
        is spelled as one (see [`soltrace.wire.number_text.parse_number`][]), and a string otherwise.
    """
    attributes: dict[str, Attribute] = {}
    malformed: list[str] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        if equals and name.strip():
            attributes[plain_text(name.strip(), NAME_AT_MOST)] = _parsed(value.strip())
        else:
            malformed.append(part)
    return within_bounds(attributes), malformed


def _parsed(text: str) -> Scalar:
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    number = parse_number(text)
    return plain_text(text) if number is None else number
