"""The chosen records as a table: one row a record, the same columns whatever comes, for spreadsheets and data frames.

A column is a name of the flat form of any of the records. Attributes and resources have names of their own, and lists
no fixed length: they stay JSON within their cell.
"""

import csv
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, get_args

import msgspec

from soltrace.reading.files.source import LogEntry
from soltrace.reading.text import printable_json
from soltrace.wire.flat import LEADING, flat_names
from soltrace.wire.records import AnyRecord, Record

_json: Final = msgspec.json.Encoder().encode
COLUMNS: Final = tuple(dict.fromkeys((*LEADING, *(name for kind in get_args(AnyRecord) for name in flat_names(kind)))))
"""The header: the fields of every record first, then those that only some have."""


class CsvView:
    """Write rows. The header is written at once.

    Args:
        write: Takes whole rows.
        terminal: Whether they go to one: then characters that it would obey are escaped.
    """

    def __init__(self, write: Callable[[str], object], *, terminal: bool) -> None:
        self._terminal = terminal
        self._rows = csv.DictWriter(_Target(write), COLUMNS, lineterminator="\n")
        self._rows.writeheader()

    def feed(self, entries: Iterable[LogEntry]) -> None:
        """Write a row for each record."""
        self._rows.writerows(dict(self._cells(entry.value)) for entry in entries if isinstance(entry.value, Record))

    def _cells(self, record: Record) -> Iterator[tuple[str, Any]]:
        for name, value in record.flat.items():
            cell = _cell(value)
            yield name, printable_json(cell) if self._terminal and isinstance(cell, str) else cell


class _Target:
    """What `csv.writer` writes to."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self.write = write


def _cell(value: Any) -> Any:
    return _json(value).decode() if isinstance(value, bool | list | dict) else value
