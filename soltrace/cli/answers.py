"""Shows the answer to a question: as a table for people, or as lines of JSON for scripts and agents."""

import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TextIO, cast

import msgspec

if TYPE_CHECKING:
    import io

MOST_SHOWN: Final = 1000
"""How many rows people are shown. The table is as wide as its widest value, so all of it has to be there at once."""
_LONGEST: Final = 60
"""Characters of a value in a table."""
_NULL: Final = "-"


def print_json(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write an object for each row, one a line.

    Args:
        names: Of the columns.
        rows: Plain values.
    """
    from soltrace.reading.text import printable_json

    out = _output()
    on_terminal = out.isatty()
    for row in rows:
        line = msgspec.json.encode(dict(zip(names, row, strict=True))).decode()
        out.write((printable_json(line) if on_terminal else line) + "\n")


def print_table(names: Sequence[str], rows: Iterator[Sequence[Any]]) -> bool:
    """Show rows as a table; where the terminal is too narrow for it, as one block a row.

    Args:
        names: Of the columns.
        rows: Plain values.

    Returns:
        Whether there are more rows than are shown.
    """
    from rich.console import Console

    from soltrace.reading.text import clean

    shown = list(islice(rows, MOST_SHOWN))
    heads = [clean(name, _LONGEST) for name in names]
    texts = [[_text(value) for value in row] for row in shown]
    numeric = [_is_numeric(column) for column in zip(*shown, strict=True)]
    table = _table(heads, texts, numeric)
    wide = Console(width=1 << 20)
    width = wide.measure(table).maximum
    out = _output()
    # A file or a pipe is as wide as it has to be.
    if out.isatty() and width > shutil.get_terminal_size().columns and shown:
        _print_blocks(heads, texts)
    else:
        Console(file=out, width=max(width, 1), highlight=False, soft_wrap=True).print(table)
    return next(rows, None) is not None


def _output() -> TextIO:
    """Standard output, in UTF-8 whatever the locale is: a log holds any text."""
    out = cast("io.TextIOWrapper[io.BufferedWriter]", sys.stdout)
    out.reconfigure(encoding="utf-8")
    return out


def _table(heads: Sequence[str], texts: Sequence[Sequence[str]], numeric: Sequence[bool]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for head, right in zip(heads, numeric or [False] * len(heads), strict=True):
        table.add_column(Text(head), justify="right" if right else "left", no_wrap=True)
    for row in texts:
        table.add_row(*(Text(text) for text in row))
    return table


def _print_blocks(heads: Sequence[str], texts: Sequence[Sequence[str]]) -> None:
    width = max(map(len, heads), default=0)
    for row in texts:
        print()
        for head, text in zip(heads, row, strict=True):
            print(f"{head:<{width}}  {text}")


def _is_numeric(column: Sequence[Any]) -> bool:
    known = [value for value in column if value is not None]
    numbers = [value for value in known if isinstance(value, int | float) and not isinstance(value, bool)]
    return bool(numbers) and all(value in {"NaN", "Infinity", "-Infinity"} for value in known if value not in numbers)


def _text(value: Any) -> str:
    from soltrace.reading.text import clean, number

    match value:
        case None:
            return _NULL
        case str():
            return clean(value, _LONGEST)
        case bool():
            return "true" if value else "false"
        case float():
            return number(value)
        case int():
            return str(value)
        case _:
            return clean(msgspec.json.encode(value).decode(), _LONGEST)
