"""The JSON log: one object a line, strict JSON, UTF-8, through structlog.

Host side, on the worker thread. structlog's global configuration is never touched: the processors are our own. Or else
the target is a structlog logger of the user's, which renders as it is configured to.
"""

import inspect
import logging
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import structlog

from soltrace.wire.descriptors import above_standard
from soltrace.wire.json_line import json_line
from soltrace.wire.records import AnyRecord

LOOK_S: Final = 1.0
"""How often it is looked whether a log that is still there was moved."""
_LOG: Final = logging.getLogger("soltrace")


class LogFile:
    """A file that a line reaches in one write: whoever reads along never sees half of one.

    It is what structlog calls a logger: `log_file.info(line)` writes a line. A file that is removed or moved while the
    program runs is begun anew, with the line that it began with.

    Not a buffered file, flushed now and then: a line costs a system call more (2 us), and a kill of the process then
    loses none.
    """

    def __init__(self, path: Path) -> None:
        """Create the file.

        Raises:
            OSError: It exists, or can't be made.
        """
        self.path = path.absolute()  # the program may change its directory
        self._fd = self._open(os.O_EXCL)
        self._file = _identity(os.fstat(self._fd))
        self._looked = time.monotonic()
        self._first = b""
        self._torn = False

    def _open(self, flags: int = 0) -> int:
        flags |= os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        return above_standard(os.open(self.path, flags, 0o644))

    def msg(self, line: bytes) -> None:
        """Write one line. After a failure halfway (a full disk), the next line begins on a line of its own."""
        self._first = self._first or line
        if not self._is_there():
            self._begin_anew()
        self._write(line)

    debug = info = warning = error = msg

    def _write(self, line: bytes) -> None:
        data = b"\n" + line + b"\n" if self._torn else line + b"\n"
        self._torn = True
        while data:
            data = data[os.write(self._fd, data) :]
        self._torn = False

    def _is_there(self) -> bool:
        """Say whether a line would get where it is looked for: the file is not removed, and its descriptor is ours.

        Who becomes a daemon closes all descriptors, and what is opened next gets the same number.
        """
        try:
            found = os.fstat(self._fd)
        except OSError:
            return False
        if _identity(found) != self._file or not found.st_nlink:
            return False
        if (now := time.monotonic()) - self._looked < LOOK_S:
            return True
        self._looked = now
        try:
            return _identity(self.path.stat()) == self._file
        except FileNotFoundError:
            return False
        except OSError:  # it can't be seen at the moment: that a line is lost is found out when it is written
            return True

    def _begin_anew(self) -> None:
        """Open what is at the path now."""
        self._give_up_descriptor()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = self._open()
        found = os.fstat(self._fd)
        self._file, self._torn = _identity(found), False
        if not found.st_size:
            _LOG.warning("soltrace: the log was removed or moved while it was written: begun anew: %s", self.path)
            if self._first:
                self._write(self._first)

    def _give_up_descriptor(self) -> None:
        """Close it, unless it is somebody else's by now."""
        with suppress(OSError):
            if _identity(os.fstat(self._fd)) == self._file:
                os.close(self._fd)
        self._fd = -1

    def sync(self) -> None:
        """Bring what was written to the disk, or to the file's server."""
        os.fsync(self._fd)

    def close(self) -> None:
        """Close the file."""
        self._give_up_descriptor()


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def render(_: Any, __: str, event: Mapping[str, Any]) -> bytes:
    """Render an event, which is a record, as one line of JSON: our only structlog processor."""
    return json_line(event["record"])


class JsonLog:
    """Writes records as JSON lines, to a file or to a structlog logger."""

    def __init__(
        self,
        logger: Any,
        *,
        fields_of: Callable[[AnyRecord], dict[str, Any]] = lambda record: dict(record.line),
        sync: Callable[[], None] | None = None,
        close: Callable[[], None] | None = None,
    ) -> None:
        """Write to a structlog logger; `JsonLog.file` is for files.

        Args:
            logger: Is called by the method of a record's level, with the event and its fields.
            fields_of: Makes these; those of the line, unless `logger` takes others.
            sync: Brings what was written to the disk.
            close: Closes what `logger` writes to.
        """
        self._logger, self._fields_of, self._sync, self._close = logger, fields_of, sync, close
        self._lost = False
        """Whether a line got lost since the last flush."""

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
        return cls(logger.bind(), fields_of=_as_it_is, sync=target.sync, close=target.close)

    def handle(self, record: AnyRecord) -> None:
        """Write one record."""
        fields = self._fields_of(record)
        try:
            written = getattr(self._logger, record.level)(fields.pop("event"), **fields)
            _check_written(written)
        except Exception:
            self._lost = True
            raise

    def flush(self, timeout_s: float) -> bool:  # noqa: ARG002 - a disk can't be hurried
        """Bring what was written to the disk; False where a line since the last flush could not be written."""
        complete, self._lost = not self._lost, False
        if self._sync is not None:
            self._sync()
        return complete

    def close(self) -> None:
        """Close the file. A user's logger stays open."""
        if self._close is not None:
            self._close()


def _as_it_is(record: AnyRecord) -> dict[str, Any]:
    return {"event": None, "record": record}


def _check_written(result: Any) -> None:
    if inspect.iscoroutine(result):  # structlog was configured anew, and the logger is asynchronous now
        result.close()
        raise TypeError("the logger's methods must be awaited")


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
