"""A process that ships logs, for another one that shows how far it is.

It is the one that sends and notes. So a SIGKILL of the command leaves nothing in doubt: this one sees that it is alone,
ends the batch that it is at, notes it and leaves.
"""

import os
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Final, NamedTuple, TypeAlias

from soltrace.reading.files.parts import Gaps, whole_log
from soltrace.shipping.journal import BeingShippedError
from soltrace.shipping.one_log import LogShipper, ShippedCounts
from soltrace.shipping.sender import NotSentError, Sender, SentSignal

FOLLOW_S: Final = 1.0
"""Between two looks at logs that are followed."""


class Orders(NamedTuple):
    """What is to be done with each log."""

    endpoint: str
    state: Path | None
    """The directory of the journals; None: beside the logs."""
    patience_s: float
    """For how long a request is sent again, and a part that is missing is waited for."""
    abandon: bool
    """Whether the runs are over, and what is still open in a log never ended."""
    follow: bool
    signals: tuple[SentSignal, ...]
    """What is sent of a log."""
    open_only: frozenset[Path] = frozenset()
    """Logs of runs that have sent all but what never ended."""


class LogTold(NamedTuple):
    """What a worker says of a log."""

    path: Path
    counts: ShippedCounts
    over: bool = False
    """Whether it is done with it."""
    problem: str | None = None


Pipe: TypeAlias = "Connection[LogTold, Path | None]"


class _StopError(Exception):
    """Nothing more is to be sent."""


class _Life:
    """Whether to go on: nobody has said to stop, and whoever started this is still there."""

    def __init__(self) -> None:
        parent = parent_process()
        self._parent = os.getppid() if parent is None else parent.pid
        self._told_to_stop = False
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is the command's, which then closes the pipe
        signal.signal(signal.SIGTERM, self._stop)

    def _stop(self, _signum: int, _frame: FrameType | None) -> None:
        self._told_to_stop = True

    def check(self) -> None:
        """Raise if it is to stop."""
        if self._told_to_stop or os.getppid() != self._parent:
            raise _StopError


def work(pipe: "Pipe", orders: Orders) -> None:
    """Ship the logs whose paths come through a pipe, until None does."""
    life = _Life()
    sender = Sender(orders.endpoint, orders.patience_s, life.check)
    try:
        (_follow if orders.follow else _each)(pipe, orders, sender, life.check)
    except (_StopError, EOFError, OSError):  # OSError: of the pipe, at the other end of which nobody is
        pass
    finally:
        sender.close()


def _each(pipe: "Pipe", orders: Orders, sender: Sender, check: Callable[[], None]) -> None:
    while (path := pipe.recv()) is not None:
        check()
        shipper = LogShipper(
            path,
            sender,
            orders.state,
            orders.signals,
            partial(_tell, pipe, path),
            open_only=path in orders.open_only,
        )
        with _reported(pipe, shipper, path):
            shipper.advance()
            shipper.finish(abandon=orders.abandon)


@contextmanager
def _reported(pipe: "Pipe", shipper: LogShipper, path: Path) -> Generator[None]:
    """Say of a log that it is over, and why if it could not all be shipped."""
    problem = None
    try:
        yield
    except (NotSentError, BeingShippedError) as error:
        problem = str(error)
    except ConnectionError:  # the pipe's: nobody listens any more
        raise
    except OSError as error:
        problem = f"cannot ship {path}: {error.strerror or error}"
    except _StopError:
        _tell_the_last(pipe, path, shipper)
        raise
    finally:
        shipper.close()
    for gone in shipper.gone:
        pipe.send(LogTold(path, shipper.counts, problem=gone))
    if problem is None and shipper.damaged is not None:
        problem = f"{shipper.damaged} is damaged: what can be read of it is shipped, and the rest is not"
    pipe.send(LogTold(path, shipper.counts, over=True, problem=problem))


def _follow(pipe: "Pipe", orders: Orders, sender: Sender, check: Callable[[], None]) -> None:
    shippers: dict[Path, LogShipper | None] = {}
    earlier: dict[Path, LogShipper] = {}
    said: set[str] = set()
    gaps = Gaps(orders.patience_s)
    try:
        while True:
            arrived = gaps.arrived()
            for path, shipper in shippers.items():
                if shipper is not None and (parts := arrived[whole_log(path)]):
                    shipper.counts.missing -= parts
                    shipper.close()
                    shippers[path], earlier[path] = None, shipper
            for path, found in shippers.items():
                # After that, or a failure, it is begun anew, which reads again and sends nothing again.
                shipper = found or LogShipper(
                    path,
                    sender,
                    orders.state,
                    orders.signals,
                    partial(_tell, pipe, path),
                    gaps=gaps,
                    after=earlier.pop(path, None),
                )
                shippers[path] = shipper
                if not _stepped(path, shipper, pipe, said):
                    shippers[path], earlier[path] = None, shipper
                    shipper.close()
            check()
            if pipe.poll(FOLLOW_S):
                if (path := pipe.recv()) is None:
                    return
                shippers[path] = None
    finally:
        for path, shipper in shippers.items():
            if shipper is not None:
                _tell_the_last(pipe, path, shipper)
                shipper.close()


def _tell(pipe: "Pipe", path: Path, counts: ShippedCounts) -> None:
    pipe.send(LogTold(path, counts))


def _tell_the_last(pipe: "Pipe", path: Path, shipper: LogShipper) -> None:
    """Say what was sent of a log by now: more than was said before, or the command was interrupted as it heard that."""
    with suppress(OSError):  # nobody listens
        _tell(pipe, path, shipper.counts)


def _stepped(path: Path, shipper: LogShipper, pipe: "Pipe", said: set[str]) -> bool:
    """Ship what a log has gained, and say whether that could be done."""
    problem = None
    try:
        shipper.advance()
    except (NotSentError, BeingShippedError) as error:
        problem = str(error)
    except ConnectionError:  # the pipe's: nobody listens any more
        raise
    except OSError as error:
        problem = f"cannot ship {path}: {error.strerror or error}"
    for told in [*shipper.gone, *([] if problem is None else [problem])]:
        if told not in said:
            said.add(told)
            pipe.send(LogTold(path, shipper.counts, problem=told))
    shipper.gone.clear()
    return problem is None
