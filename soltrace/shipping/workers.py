"""Ships many logs at once: a process for each core, each with one log after the other."""

import multiprocessing
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from soltrace.shipping.one_log import ShippedCounts
from soltrace.shipping.worker_process import FOLLOW_S, LogTold, Orders, work

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

LAST_BATCH_S: Final = 10.0
"""For so long a worker may take to end its batch when it is to stop."""


class _Worker(NamedTuple):
    process: BaseProcess
    pipe: "Connection[Path | None, LogTold]"


class Workers:
    """Worker processes, from `with` to its end.

    Args:
        orders: What each is to do.
        number: How many.
        tell: Is called with what they say.
    """

    def __init__(self, orders: Orders, number: int, tell: Callable[[LogTold], None]) -> None:
        self._orders, self._tell = orders, tell
        self._workers = [_started(orders) for _ in range(number)]
        self._busy: dict[Any, Path] = {}

    def __enter__(self) -> Self:
        """Return them."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let each end its batch, and hear of it."""
        self._busy.clear()
        for worker in self._workers:
            with suppress(OSError):  # it has left already
                worker.pipe.send(None)
            if error is not None:
                worker.process.terminate()
        deadline = time.monotonic() + LAST_BATCH_S
        while self._workers and (left := deadline - time.monotonic()) > 0:
            self._hear(left, [])
        for worker in self._workers:
            worker.pipe.close()

    def ship(self, paths: Iterable[Path]) -> None:
        """Ship these, and return when all are over."""
        waiting = list(paths)[::-1]
        for worker in self._workers:
            self._next(worker, waiting)
        while self._busy:
            self._hear(None, waiting)
        for path in waiting:  # all workers have died
            self._tell(LogTold(path, ShippedCounts(), over=True, problem=f"{path} is not shipped"))

    def follow(self, appeared: Callable[[], Iterable[Path]]) -> None:
        """Ship what there is and what appears, until there is an interruption.

        Args:
            appeared: Lists the logs that have appeared since the last time.
        """
        number = 0
        while self._workers:
            for path in appeared():
                self._workers[number % len(self._workers)].pipe.send(path)
                number += 1
            self._hear(FOLLOW_S, [])

    def _hear(self, timeout_s: float | None, waiting: list[Path]) -> None:
        pipes: dict[Any, _Worker] = {worker.pipe: worker for worker in self._workers}
        for pipe in wait(list(pipes), timeout_s):
            worker = pipes[pipe]
            try:
                told = worker.pipe.recv()
            except (EOFError, OSError):
                self._died(worker)
                continue
            self._tell(told)
            if told.over:
                self._next(worker, waiting)

    def _next(self, worker: _Worker, waiting: list[Path]) -> None:
        self._busy.pop(worker.pipe, None)
        if waiting:
            path = self._busy[worker.pipe] = waiting.pop()
            with suppress(OSError):  # it has died: that is heard
                worker.pipe.send(path)

    def _died(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.process.join(LAST_BATCH_S)
        path = self._busy.pop(worker.pipe, None)
        worker.pipe.close()
        if path is not None:
            self._tell(
                LogTold(path, ShippedCounts(), over=True, problem=f"{path} is not shipped: its process was killed")
            )


def _started(orders: Orders) -> _Worker:
    # Begun anew, not forked: nothing of this process is in it.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, orders), name="soltrace-ship")
    process.start()
    theirs.close()
    return _Worker(process, ours)  # pyright: ignore[reportUnknownArgumentType]
