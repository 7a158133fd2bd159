"""Attributes made flat: tables and lists within one another become names with dots, as far as there is room.

Host side, on the caller's thread.
"""

from collections.abc import Callable
from typing import Any, Final

from soltrace.errors import AttributeValueError
from soltrace.wire.attribute_forms import Entries, Form, Items, NoFormError, form_of
from soltrace.wire.plain_text import NAME_AT_MOST, TEXT_AT_MOST, plain_text
from soltrace.wire.records import Scalar

NAMES_AT_MOST: Final = 128
"""Attributes of an experiment, or of a solve. A span of OpenTelemetry's SDK keeps as many."""
ROWS_AT_MOST: Final = 16
"""Of a list of lists, of an array's rows: each is an attribute of its own."""
DEPTH_AT_MOST: Final = 8
"""Of tables and lists within one another."""
LOOKED_AT_MOST: Final = 8 * NAMES_AT_MOST
"""Values that are looked at, so that a table of millions costs no more than one of a thousand."""
_SHOWN_AT_MOST: Final = 128
"""Characters of a value, or of a failure, in a message."""


class FlatAttributes:
    """Attributes, as they are added."""

    def __init__(self, keep: Callable[[Any], bool]) -> None:
        self.plain: dict[str, Any] = {}
        self.cut = 0
        """Values that are not whole."""
        self.left_out = 0
        """Values that were not looked at."""
        self._keep = keep

    def add(self, name: Any, value: Any) -> None:
        """Add what a user has called so."""
        if not isinstance(name, str) or not name:
            raise AttributeValueError(f"An attribute's name must be a non-empty string, got {shown(name)}.")
        name = plain_text(str.__str__(name), NAME_AT_MOST)
        try:
            self._put(name, value, ())
        except AttributeValueError:
            raise
        except Exception as error:  # whatever the methods of a value raise
            raise AttributeValueError(f"Attribute {name!r} could not be read: {failure(error)}.") from error

    def _put(self, name: str, value: Any, within: tuple[int, ...]) -> None:
        if len(self.plain) >= LOOKED_AT_MOST:
            self.left_out += 1
            return
        if self._keep(value):
            self._set(name, value)
            return
        form = _form(name, value, within)
        within = (*within, id(value))
        if isinstance(form, Items | Entries) and len(within) > DEPTH_AT_MOST:
            self.cut += 1
            self._set(name, "…")
        elif isinstance(form, Entries):
            self._put_table(name, form, within)
        elif isinstance(form, Items):
            self._put_items(name, form, within)
        else:
            self.cut += _is_cut(form)
            self._set(name, form)

    def _put_table(self, name: str, table: Entries, within: tuple[int, ...]) -> None:
        empty = True
        for number, (key, value) in enumerate(table.entries):
            empty = False
            if number >= NAMES_AT_MOST:
                self.left_out += 1
                return
            self._put(plain_text(f"{name}.{_key(name, key)}", NAME_AT_MOST), value, within)
        if empty:
            self._set(name, "{}")

    def _put_items(self, name: str, items: Items, within: tuple[int, ...]) -> None:
        forms = [_form(name, item, within) for item in items.first]
        scalars = [form for form in forms if not isinstance(form, Items | Entries)]
        if len(scalars) == len(forms):
            fitting = _fitting(scalars)
            more = None if items.more is None else items.more + len(scalars) - len(fitting)
            self._set(name, fitting if more == 0 else [*fitting, _mark(more)])
            self.cut += more == 0 and any(map(_is_cut, fitting))
        else:
            for number, item in enumerate(items.first[:ROWS_AT_MOST]):
                self._put(f"{name}.{number}", item, within)
            more = None if items.more is None else items.more + len(items.first[ROWS_AT_MOST:])
            if more != 0:
                self._set(f"{name}.…", _mark(more))
        self.cut += more != 0

    def _set(self, name: str, value: Any) -> None:
        if name in self.plain:
            raise AttributeValueError(f"Attribute {name!r} stands twice: once by that name, and once within a table.")
        self.plain[name] = value


def _form(name: str, value: Any, within: tuple[int, ...]) -> Form:
    if id(value) in within:
        raise AttributeValueError(f"Attribute {name!r} contains itself.")
    try:
        return form_of(value)
    except NoFormError:
        raise AttributeValueError(
            f"Attribute {name!r} must be a bool, int, float or str, or what has such a form (a path, a date, a member "
            f"of an enumeration), or a list, an array or a table of these; got {shown(value)}."
        ) from None


def _key(name: str, key: Any) -> str:
    form = form_of(key)
    if isinstance(form, Items | Entries) or form == "":
        raise AttributeValueError(f"Attribute {name!r} has a key that is no name: {shown(key)}.")
    return str(form)


def _is_cut(form: Form) -> bool:
    return isinstance(form, str) and len(form) > TEXT_AT_MOST and form.endswith(" characters)")


def _fitting(items: list[Scalar]) -> list[Scalar]:
    """As many items as have no more characters together than two texts may have."""
    room = 2 * TEXT_AT_MOST
    for number, item in enumerate(items):
        room -= len(item) if isinstance(item, str) else 0
        if room < 0:
            return items[:number]
    return items


def _mark(more: int | None) -> str:
    return "… more" if more is None else f"… {more} more"


def failure(error: Exception) -> str:
    """An exception as a message shows it."""
    try:
        return f"{type(error).__name__}: {error}"[:_SHOWN_AT_MOST]
    except Exception:  # noqa: BLE001 - it is of a class of the user's
        return type(error).__name__


def shown(value: Any) -> str:
    """A value as a message shows it, whatever its `repr` does."""
    kind = type(value).__name__
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - that a value can't be shown must not hide what is wrong with it
        return f"a value of type {kind}"
    return f"{plain_text(text, _SHOWN_AT_MOST)} of type {kind}"
