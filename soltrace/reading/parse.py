"""Parses one line into a typed record, tolerantly: whatever the bytes are, there is no exception."""

from datetime import datetime
from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from soltrace.wire.records import SCHEMA_VERSION, AnyRecord


class Unknown(Struct, frozen=True):
    """A line that says what it is, and that this version does not know: a later version's, or another program's."""

    event: str
    schema: int | None = None
    timestamp: datetime | None = None
    experiment: str | None = None
    phase: str | None = None

    @property
    def reason(self) -> str:
        """Why it cannot be shown: completes "a line that is ..."."""
        if self.schema is not None and self.schema != SCHEMA_VERSION:
            return f"of the unknown schema {self.schema}"
        return f"of the unknown event {self.event!r}"


class Rejected(Struct, frozen=True):
    """A line that cannot be understood."""

    reason: str
    """Completes "a line that is ..."."""


Parsed: TypeAlias = AnyRecord | Unknown | Rejected


class _Loose(Struct):
    """Any JSON object: the fields that all records have, of whatever type they may be here."""

    event: object = None
    schema: object = None
    timestamp: object = None
    experiment: object = None
    phase: object = None


_NOT_JSON: Final = Rejected("not JSON")
_NUL: Final = Rejected("with NUL bytes")
"""What a file system leaves behind where a machine died before it wrote. JSON has no NUL bytes."""
_records: Final = msgspec.json.Decoder(AnyRecord)
_objects: Final = msgspec.json.Decoder(_Loose)
KNOWN_EVENTS: Final = tuple(sorted(str(kind.__struct_config__.tag) for kind in AnyRecord.__args__))
"""The wire names of all records."""


def parse(line: bytes) -> Parsed:
    """Parse a line of a log.

    ```python
    parse(b'{"event":"pass.paused","schema":2}').reason  # 'of the unknown schema 2'
    parse(b"{torn")  # Rejected(reason='not JSON')
    ```

    Args:
        line: Its bytes, without the newline. Fields that the record does not have are ignored.

    Returns:
        The record; `Unknown` for an object whose event or schema this version does not know; `Rejected` for all else.
    """
    try:
        # Decoded before, because msgspec does not look at the bytes of a string that it skips.
        record = _records.decode(line if line.isascii() else line.decode())
    except UnicodeDecodeError:
        return Rejected("not UTF-8")
    except msgspec.ValidationError:
        return _other(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _NUL if b"\0" in line else _NOT_JSON
    if record.schema != SCHEMA_VERSION or record.timestamp.tzinfo is None:
        return _other(line)
    return record


def _other(line: bytes) -> Unknown | Rejected:
    try:
        loose = _objects.decode(line)
    except msgspec.ValidationError:
        return Rejected("not a record")
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return Rejected("not JSON")
    if not isinstance(loose.event, str):
        return Rejected("not a record")
    schema = loose.schema if type(loose.schema) is int else None
    if loose.event in KNOWN_EVENTS and schema in (None, SCHEMA_VERSION):
        return Rejected("not a record")
    return Unknown(
        event=loose.event,
        schema=schema,
        timestamp=_timestamp(loose.timestamp),
        experiment=loose.experiment if isinstance(loose.experiment, str) else None,
        phase=loose.phase if isinstance(loose.phase, str) else None,
    )


def _timestamp(value: object) -> datetime | None:
    try:
        timestamp = msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        return None
    return timestamp if timestamp.tzinfo is not None else None
