"""Asks questions in SQL of logs: of the views that `soltrace.report.views` describes, and of nothing else.

A question reads. The database is closed to files, networks and extensions before it is asked.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from soltrace.reading.files.places import say_nothing
from soltrace.report.loading import Converted, loaded
from soltrace.report.views import create_views
from soltrace.wire.records import json_number

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_ROWS_AT_ONCE: Final = 1000
_KINDS: Final = ("SELECT", "MULTI")
"""Of statements. DESCRIBE, SUMMARIZE, FROM, VALUES and WITH are of the first, PIVOT is of the last."""


class QuestionError(Exception):
    """A question that can't be answered: its message is one line."""


@dataclass(frozen=True)
class QueryAnswer:
    """What a question is answered with."""

    names: list[str]
    """Of the columns; one that stands there twice has a number behind it the second time."""
    rows: Iterator[tuple[Any, ...]]
    """Plain values: see `plain_value`."""
    read: Converted
    """What was read: how many records, and how many lines that are none."""


@contextmanager
def query(files: Sequence[Path], question: str, say: Callable[[str], None] = say_nothing) -> Generator[QueryAnswer]:
    """Ask a question of logs. Its rows can be read as long as the context is open.

    ```python
    with query([Path("run.jsonl")], "SELECT phase, sum(duration_s) FROM passes GROUP BY ALL") as answer:
        print(answer.names, list(answer.rows))
    ```

    Args:
        files: JSON logs, in any order.
        question: One statement of DuckDB's SQL that reads.
        say: Is called with the files of which a part cannot be read.

    Raises:
        QuestionError: It is no such statement, or can't be answered; or there is no record.
        OSError: A file cannot be read.
        duckdb.Error: There is no room or no memory, or a file cannot be read.
    """
    _check(question)
    with loaded(files, say) as logs:
        counted = logs.counted()
        if not counted.records:
            raise QuestionError("there is no record in what was read")
        create_views(logs.connection)
        _close(logs.connection)
        with _in_one_line():
            result = logs.connection.execute(question)
        names = [str(column[0]) for column in result.description or []]
        kinds = [str(column[1]) for column in result.description or []]
        yield QueryAnswer(_distinct(names), _rows(result, kinds), counted)


def _check(question: str) -> None:
    """Read the question before the logs, which may take long."""
    import duckdb

    with duckdb.connect() as connection, _in_one_line():
        statements = connection.extract_statements(question)
    if len(statements) != 1:
        raise QuestionError(f"expected one statement, got {len(statements)}")
    kind = statements[0].type.name
    if kind not in _KINDS:
        raise QuestionError(f"a question reads, as SELECT, FROM, WITH, DESCRIBE and SUMMARIZE do; got {kind}")


def _close(connection: "DuckDBPyConnection") -> None:
    """Shut out files, networks, extensions and Python's variables. What spills goes to the temporary directory."""
    connection.execute("DROP VIEW IF EXISTS temp.lines")
    connection.execute("SET python_enable_replacements = false")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


@contextmanager
def _in_one_line() -> Generator[None]:
    """Turn what DuckDB says of a question into one line, without the drawing of where it is."""
    from duckdb import Error, InterruptException, IOException, OutOfMemoryException

    try:
        yield
    except (InterruptException, IOException, OutOfMemoryException):
        raise
    except Error as error:
        said = str(error).partition("\nLINE ")[0]
        raise QuestionError(" ".join(said.split())) from None


def _rows(result: "DuckDBPyConnection", kinds: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    while True:
        with _in_one_line():  # a value that can't be converted is noticed when it is its turn
            rows = cast("list[tuple[object, ...]]", result.fetchmany(_ROWS_AT_ONCE))
        for row in rows:
            yield tuple(plain_value(value, kind) for value, kind in zip(row, kinds, strict=True))
        if not rows:
            return


def plain_value(value: Any, kind: str = "") -> Any:
    """Turn a value of DuckDB's into what strict JSON can carry.

    A time is RFC 3339 in UTC, as in the log; what is not finite is `"NaN"`, `"Infinity"` or `"-Infinity"`; an interval
    is in seconds; what is JSON already becomes objects; bytes become hexadecimal digits.

    Args:
        value: As DuckDB's Python package hands it out.
        kind: The type of its column.
    """
    match value:
        case str() if kind == "JSON":
            plain = _decoded(value)
        case None | bool() | int() | str():
            plain = value
        case float() | Decimal():
            plain = json_number(float(value))
        case datetime():
            plain = f"{value.astimezone(UTC) if value.tzinfo else value:%Y-%m-%dT%H:%M:%S.%f}" + "Z" * bool(
                value.tzinfo
            )
        case date() | time():
            plain = value.isoformat()
        case timedelta():
            plain = value.total_seconds()
        case bytes():
            plain = value.hex()
        case dict():
            plain = {str(name): plain_value(each) for name, each in cast("dict[Any, Any]", value).items()}
        case list() | tuple():
            plain = [plain_value(each) for each in cast("list[Any]", value)]
        case _:
            plain = str(value)
    return plain


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):  # nested too deep, or a number beyond any float
        return text


def _distinct(names: list[str]) -> list[str]:
    """Number what stands there before: an object of JSON has each name once."""
    found: list[str] = []
    for name in names:
        number, free = 1, name
        while free in found:
            free, number = f"{name}_{number}", number + 1
        found.append(free)
    return found
