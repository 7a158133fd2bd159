"""The JSON log: one object a line, strict JSON, UTF-8, through structlog.

Host side, on the worker thread. structlog's global configuration is never touched: the processors are our own. Or else
the target is a structlog logger of the user's, which renders as it is configured to.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from soltrace.wire.flat import LEADING
from soltrace.wire.records import AnyRecord

_ENCODER: Final = msgspec.json.Encoder()


class LogFile:
    """A file that a line reaches in one write: whoever reads along never sees half of one.

    It is what structlog calls a logger: `log_file.info(line)` writes a line.

    Not a buffered file, flushed now and then: a line costs a system call more (2 us), and a kill of the process then
    loses none.
    """

    def __init__(self, path: Path) -> None:
        """Create the file.

        Raises:
            OSError: It exists, or can't be made.
        """
        self.path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._torn = False

    def msg(self, line: bytes) -> None:
        """Write one line. After a failure halfway (a full disk), the next line begins on a line of its own."""
        data = b"\n" + line + b"\n" if self._torn else line + b"\n"
        self._torn = True
        while data:
            data = data[os.write(self._fd, data) :]
        self._torn = False

    debug = info = warning = error = msg

    def sync(self) -> None:
        """Bring what was written to the disk, or to the file's server."""
        os.fsync(self._fd)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def render(_: Any, __: str, event: Mapping[str, Any]) -> bytes:
    """Render an event as one line of JSON, what a reader looks for first in front: our only structlog processor."""
    return _ENCODER.encode({key: event[key] for key in LEADING if key in event} | dict(event))


class JsonLog:
    """Writes records as JSON lines, to a file or to a structlog logger."""

    def __init__(
        self, logger: Any, *, sync: Callable[[], None] | None = None, close: Callable[[], None] | None = None
    ) -> None:
        """Write to a structlog logger; `JsonLog.file` is for files.

        Args:
            logger: Is called by the method of a record's level, with the event and the fields of its line.
            sync: Brings what was written to the disk.
            close: Closes what `logger` writes to.
        """
        self._logger, self._sync, self._close = logger, sync, close

    @classmethod
    def file(cls, path: Path) -> "JsonLog":
        """Write to a new file.

        Raises:
            OSError: It exists, or can't be made.
        """
        target = LogFile(path)
        logger = structlog.wrap_logger(
            target,
            processors=[render],
            wrapper_class=structlog.make_filtering_bound_logger(0),
            context_class=dict,
            cache_logger_on_first_use=True,
        )
        return cls(logger.bind(), sync=target.sync, close=target.close)

    def handle(self, record: AnyRecord) -> None:
        """Write one record."""
        fields = dict(record.line)
        getattr(self._logger, record.level)(fields.pop("event"), **fields)

    def flush(self, timeout_s: float) -> bool:  # noqa: ARG002 - a disk can't be hurried
        """Bring what was written to the disk."""
        if self._sync is not None:
            self._sync()
        return True

    def close(self) -> None:
        """Close the file. A user's logger stays open."""
        if self._close is not None:
            self._close()


def fresh_file(directory: Path, stem: str, suffix: str = ".jsonl") -> tuple[str, JsonLog]:
    """Make a log file that nobody else has: `<stem>.jsonl`, or `<stem>-2.jsonl` and so on.

    Args:
        directory: Where; it is made if it is not there.
        stem: What the file is to be called.
        suffix: How its name ends.

    Returns:
        The stem that was free, and the log.

    Raises:
        OSError: The directory can't be made or written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        name = stem if number == 1 else f"{stem}-{number}"
        try:
            return name, JsonLog.file(directory / f"{name}{suffix}")
        except FileExistsError:
            number += 1
