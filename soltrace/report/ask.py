"""Asks DuckDB questions, each the SQL of one file, and turns the rows of the answers into facts.

A column becomes the field of the same name. What comes from a log is made harmless for all that follows: long strings
are cut, and what is not finite is named.
"""

import math
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, TypeVar, cast

import msgspec
from msgspec import Struct

from soltrace.report.facts import Top
from soltrace.wire.records import Attribute, json_number

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_FactT = TypeVar("_FactT", bound=Struct)
QueryRow: TypeAlias = dict[str, Any]
"""Values by the names of their columns."""
MAX_TEXT_CHARS: Final = 300
"""How many characters of a string are kept."""
MOST_ATTRIBUTES: Final = 50
ATTRIBUTES: Final = "attributes"
"""The column that is not cut, which would not be JSON any more. `read_attributes` reads it."""
_ROWS_AT_ONCE: Final = 1000
_LARGEST: Final = 1 << 62
"""JSON's integers have no end, and those that we write have."""


def read_sql(question: str, **words: str) -> str:
    """Read the SQL of a question.

    Args:
        question: The name of a file in `sql/`.
        words: Expressions that take the place of the words in capitals.
    """
    text = resources.files("soltrace.report").joinpath("sql", f"{question}.sql").read_text(encoding="utf-8")
    for word, expression in words.items():
        text = text.replace(word.upper(), expression)
    return text


class Asks(Protocol):
    """Asks a question of whoever holds the records, as `ask` does of DuckDB."""

    def __call__(self, question: str, /, *, compared_by: str = "", **parameters: object) -> list[QueryRow]:
        """Return the rows of the answer."""
        ...


def ask(
    connection: "DuckDBPyConnection", question: str, /, *, compared_by: str = "", **parameters: object
) -> list[QueryRow]:
    """Ask a question, and return the rows of the answer.

    Args:
        connection: The database that `gather` has filled.
        question: The name of a file in `sql/`.
        compared_by: The expression of what is compared by, in a question that compares.
        parameters: Values of the question's `$names`.
    """
    words = {"compared_by": compared_by} if compared_by else {}
    return ask_sql(connection, read_sql(question, **words), **parameters)


def ask_sql(connection: "DuckDBPyConnection", text: str, **parameters: object) -> list[QueryRow]:
    """Ask a question that was read already, as `ask` does."""
    result = connection.execute(text, parameters)
    names = [column[0] for column in result.description or ()]
    return [
        {name: value if name == ATTRIBUTES else harmless(value) for name, value in zip(names, row, strict=True)}
        for row in cast("list[tuple[object, ...]]", result.fetchall())
    ]


def each_row(connection: "DuckDBPyConnection", text: str, **parameters: object) -> Iterator[QueryRow]:
    """Ask a question whose answer may be long, and hand out its rows as they are, one by one."""
    result = connection.execute(text, parameters)
    names = [column[0] for column in result.description or ()]
    while rows := cast("list[tuple[object, ...]]", result.fetchmany(_ROWS_AT_ONCE)):
        for row in rows:
            yield dict(zip(names, row, strict=True))


def to_facts(rows: list[QueryRow], kind: type[_FactT]) -> list[_FactT]:
    """Turn rows into facts. Columns that are no fields are left out."""
    return msgspec.convert(rows, list[kind])


def to_top(rows: list[QueryRow], kind: type[_FactT]) -> Top[_FactT]:
    """Turn rows into the first of many facts. The column `total` says how many there are."""
    return Top(to_facts(rows, kind), cast("int", rows[0]["total"]) if rows else 0)


def read_attributes(text: str | None) -> dict[str, Attribute]:
    """Read the attributes of an experiment or of a pass. What is no attribute stays as JSON."""
    try:
        values = cast("Mapping[str, object]", msgspec.json.decode(text or "{}"))
    except RecursionError:
        values = {"…": text}
    return {harmless(name): _attribute(value) for name, value in list(values.items())[:MOST_ATTRIBUTES]}


def _attribute(value: object) -> Attribute:
    if isinstance(value, list):
        items = cast("list[object]", value)
        if all(isinstance(item, bool | int | float | str) for item in items):
            return [harmless(item) for item in items[:MOST_ATTRIBUTES]]
    if isinstance(value, bool | int | float | str):
        return harmless(value)
    return harmless(msgspec.json.encode(value).decode())


def harmless(value: Any) -> Any:
    """Return a value of an answer made harmless: strings cut, what is not finite named, no endless integers."""
    if isinstance(value, str) and len(value) > MAX_TEXT_CHARS:
        return value[: MAX_TEXT_CHARS - 1] + "…"
    if isinstance(value, float) and not math.isfinite(value):
        return json_number(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return max(-_LARGEST, min(value, _LARGEST))
    return value
