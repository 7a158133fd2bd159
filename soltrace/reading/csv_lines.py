"""The chosen records as a table: one row a record, the same columns whatever comes, for spreadsheets and data frames.

A column is a field of any of the records; what is nested in a record is flattened (`steps.accepted`). Attributes and
resources have names of their own, and lists no fixed length: they stay JSON within their cell.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct

from soltrace.reading.files.source import LogEntry
from soltrace.reading.text import printable_json
from soltrace.wire.records import AnyRecord, Lanes, Record, Steps

_FIRST: Final = ("timestamp", "level", "event")
_NESTED: Final[Mapping[str, type[Struct]]] = {"steps": Steps, "lanes": Lanes}
_json: Final = msgspec.json.Encoder().encode


def _columns() -> Iterator[str]:
    yield from _FIRST
    fields = [name for kind in AnyRecord.__args__ for name in kind.__struct_fields__]
    for name in dict.fromkeys(fields):
        if name in _NESTED:
            yield from (f"{name}.{inner}" for inner in _NESTED[name].__struct_fields__)
        elif name not in _FIRST:
            yield name


COLUMNS: Final = tuple(_columns())
"""The header: the fields of every record first, then those that only some have."""


class CsvView:
    """Write rows. The header is written at once.

    Args:
        write: Takes whole rows.
        terminal: Whether they go to one: then characters that it would obey are escaped.
    """

    def __init__(self, write: Callable[[str], object], *, terminal: bool) -> None:
        self._terminal = terminal
        self._rows = csv.writer(_Target(write), lineterminator="\n")
        self._rows.writerow(COLUMNS)

    def feed(self, entries: Iterable[LogEntry]) -> None:
        """Write a row for each record."""
        self._rows.writerows(
            [self._cell(cells.get(column, "")) for column in COLUMNS]
            for entry in entries
            if isinstance(entry.value, Record)
            for cells in (_cells(entry.value),)
        )

    def _cell(self, value: Any) -> Any:
        return printable_json(value) if self._terminal and isinstance(value, str) else value


class _Target:
    """What `csv.writer` writes to."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self.write = write


def _cells(record: AnyRecord) -> dict[str, Any]:
    cells: dict[str, Any] = {
        "timestamp": f"{record.timestamp:%Y-%m-%dT%H:%M:%S.%f}{_zone(record)}",
        "event": str(record.__struct_config__.tag),
    }
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if name in cells or value is UNSET:
            continue
        if isinstance(value, Struct):
            inner = {f"{name}.{key}": getattr(value, key) for key in value.__struct_fields__}
            cells |= {key: item for key, item in inner.items() if item is not UNSET}
        elif isinstance(value, bool):
            cells[name] = "true" if value else "false"
        else:
            cells[name] = _json(value).decode() if isinstance(value, list | dict) else value
    return cells


def _zone(record: AnyRecord) -> str:
    offset = f"{record.timestamp:%z}"
    return "Z" if offset == "+0000" else f"{offset[:3]}:{offset[3:]}"
