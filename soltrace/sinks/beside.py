"""Who looks on in this very process: readers beside the solve, such as the live view, which come and go.

Host side, on the worker thread. Every run has this sink, and it hands records over and does nothing else.
"""

import os
import threading
from typing import Final, Protocol

from soltrace.wire.records import AnyRecord


class Onlooker(Protocol):
    """Looks at records, and never keeps the worker waiting."""

    def take(self, record: AnyRecord) -> None:
        """Take one record. On the worker thread."""
        ...

    def leave(self) -> None:
        """Look no more: the recording is over. Any thread."""
        ...


class Onlookers:
    """Those of this process."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.Lock()
        self.present: tuple[Onlooker, ...] = ()

    def add(self, onlooker: Onlooker) -> None:
        """Hand it the records from now on."""
        with self._lock:
            self.present = (*self.present, onlooker)

    def remove(self, onlooker: Onlooker) -> None:
        """Hand it no more."""
        with self._lock:
            self.present = tuple(other for other in self.present if other is not onlooker)

    def dismiss(self) -> None:
        """Tell all of them that it is over."""
        for onlooker in self.present:
            onlooker.leave()

    def forget(self) -> None:
        """Begin with none in the child of a fork: the threads that looked are not there."""
        self.__init__()


ONLOOKERS: Final = Onlookers()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=ONLOOKERS.forget)


class Beside:
    """The sink."""

    def listens(self) -> bool:
        """Say whether anybody looks on."""
        return bool(ONLOOKERS.present)

    def handle(self, record: AnyRecord) -> None:
        """Hand one record to each."""
        for onlooker in ONLOOKERS.present:
            onlooker.take(record)

    def flush(self, timeout_s: float) -> bool:  # noqa: ARG002 - there is nothing to wait for
        """Return at once: what is looked at is kept elsewhere."""
        return True

    def close(self) -> None:
        """Do nothing: they may look at the next run too."""
