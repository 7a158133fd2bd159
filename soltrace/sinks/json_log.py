"""The JSON log: one object a line, strict JSON, UTF-8, through structlog.

Host side, on the worker thread. structlog's global configuration is never touched: the processors are our own. Or else
the target is a structlog logger of the user's, which renders as it is configured to.
"""

import inspect
import itertools
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog
from msgspec import UNSET, structs

from soltrace.sinks import LinesLostError
from soltrace.sinks.log_file import LogFile
from soltrace.sinks.log_writer import LogWriter
from soltrace.sinks.node_file import NodeFile
from soltrace.wire.json_line import json_line
from soltrace.wire.log_names import ENDING
from soltrace.wire.losses import What
from soltrace.wire.records import AnyRecord, LogOpened, LogResource, TelemetryDropped


def render(_: Any, __: str, event: Mapping[str, Any]) -> bytes:
    """Render an event, which is a record, as one line of JSON: our only structlog processor."""
    return json_line(event["record"])


class LoggerLog:
    """Hands records to a structlog logger of the user's, as the fields of their lines."""

    def __init__(self, logger: Any) -> None:
        """Write to a structlog logger, by the method of a record's level, with the event and its fields."""
        self._logger, self._lost = logger, False
        """Whether a line got lost since the last flush."""

    def handle(self, record: AnyRecord) -> None:
        """Write one record."""
        fields = _as_keywords(record.line)
        try:
            written = getattr(self._logger, record.level)(fields.pop("event"), **fields)
            _check_written(written)
        except BaseException:
            self._lost = True
            raise

    def flush(self, timeout_s: float) -> bool:  # noqa: ARG002 - a logger can't be hurried
        """Say whether all lines since the last flush were taken."""
        complete, self._lost = not self._lost, False
        return complete

    def close(self) -> None:
        """Leave a user's logger open."""


class _Lines(structlog.BoundLoggerBase):
    """A structlog logger that takes records, whatever their level."""

    def write(self, record: AnyRecord) -> None:
        self._proxy_to_logger("msg", record=record)


class JsonLog:
    """Writes records as JSON lines to a file, those of a batch at once, and never waits long for the disk.

    `handle` takes a record, and `settle` has it written.
    """

    kept: Final = What.RECORD

    def __init__(self, make: Callable[[Callable[[int], list[bytes]]], LogFile], *, sync_s: float = math.inf) -> None:
        """Write to a file.

        Args:
            make: Opens it, given what makes the first lines of its later parts.
            sync_s: How often it is brought to the disk, in seconds.

        Raises:
            OSError: It can't be made.
        """
        self.target = make(self._introduction)
        self._writer = LogWriter(self.target, sync_s=sync_s)
        logger = structlog.wrap_logger(self._writer, processors=[render], wrapper_class=_Lines, context_class=dict)
        self._logger: _Lines = logger.bind()
        self._lost = False
        """Whether a line got lost since the last flush."""
        self._opened: LogOpened | None = None
        self._latest: datetime | None = None
        """The time of the youngest record."""

    def handle(self, record: AnyRecord) -> None:
        """Take one record."""
        if self._latest is None or record.timestamp > self._latest:
            self._latest = record.timestamp
        if isinstance(record, LogOpened):
            self._opened = record
        elif isinstance(record, LogResource) and self._opened is not None:
            self._opened = structs.replace(self._opened, resource=record.resource)
        elif isinstance(record, TelemetryDropped):
            self._writer.must_answer()  # else this would be said, and lost afterwards
        if self._writer.refuses():
            return
        try:
            self._logger.write(record)
        except BaseException:
            self._lost = True
            raise

    def _introduction(self, part: int) -> list[bytes]:
        """Make the first line of a part: the same as of the first one, with what has become known since."""
        if self._opened is None or self._latest is None:
            return []
        number = UNSET if part == 1 else part  # the first line of all was lost
        return [json_line(structs.replace(self._opened, timestamp=self._latest, part=number))]

    def settle(self) -> bool:
        """Have what was taken written, and say whether the disk has taken it; wait for that no longer than a moment.

        Raises:
            LinesLostError: Some of it could not be written, or of what was taken earlier.
        """
        try:
            return self._writer.settle()
        except LinesLostError:
            self._lost = True
            raise

    def give_up(self, timeout_s: float) -> int:  # noqa: ARG002 - a flush has waited for that
        """Forget what the disk has not taken, and say how many records that are."""
        return self._writer.give_up()

    def flush(self, timeout_s: float) -> bool:
        """Bring what was written to the disk; False where a line since the last flush could not be written."""
        brought = self._writer.flush(timeout_s)
        complete, self._lost = not self._lost, False
        return complete and brought

    def close(self) -> None:
        """Close the file."""
        self._writer.close()


_METHODS_OWN: Final = frozenset({"self", "method_name"})
"""Arguments of structlog's methods: as keywords of ours, they would be given twice."""


def _as_keywords(line: Mapping[str, Any]) -> dict[str, Any]:
    """Copy a line as keywords; only what a user has bound may be called as an argument is."""
    return {f"context.{name}" if name in _METHODS_OWN else name: value for name, value in line.items()}


def _check_written(result: Any) -> None:
    if inspect.iscoroutine(result):  # structlog was configured anew, and the logger is asynchronous now
        result.close()
        raise TypeError("the logger's methods must be awaited")


def fresh_file(
    directory: Path,
    stem: str,
    suffix: str = ENDING,
    *,
    bytes_at_most: int | None = None,
    sync_s: float = math.inf,
) -> tuple[str, JsonLog]:
    """Make a log file that nobody else has: `<stem>.jsonl`, or `<stem>-2.jsonl` and so on.

    Args:
        directory: Where; it is made if it is not there.
        stem: What the file is to be called.
        suffix: How its name ends.
        bytes_at_most: A part of it that is longer is followed by the next one.
        sync_s: How often it is brought to the disk, in seconds.

    Returns:
        The stem that was free, and the log.

    Raises:
        OSError: The directory can't be made or written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        name = stem if number == 1 else f"{stem}-{number}"
        make = partial(_made, LogFile, directory / f"{name}{suffix}", bytes_at_most)
        with suppress(FileExistsError):
            return name, JsonLog(make, sync_s=sync_s)
    raise AssertionError  # there is always another number


def shared_file(path: Path, *, bytes_at_most: int | None = None, sync_s: float = math.inf) -> JsonLog:
    """Open the log that all processes of a node share; make it if it is not there.

    Args:
        path: The file; its directory is made too.
        bytes_at_most: A part of it that is longer is followed by the next one.
        sync_s: How often it is brought to the disk, in seconds.

    Raises:
        OSError: It can't be made or written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    return JsonLog(partial(_made, NodeFile, path, bytes_at_most), sync_s=sync_s)


def _made(
    kind: type[LogFile], path: Path, bytes_at_most: int | None, introduce: Callable[[int], list[bytes]]
) -> LogFile:
    return kind(path, bytes_at_most=bytes_at_most, introduce=introduce)
