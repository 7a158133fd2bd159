"""Records on their way from the worker to who shows them: a bounded queue, of which nobody waits for anybody.

Host side. The worker's thread puts, and the thread that draws takes.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from soltrace.wire.records import AnyRecord, PassEnded, PassStarted

_AT_MOST: Final = 50_000
"""Records. Looked at several times a second, they never become so many, unless the terminal stands still."""


class Feed:
    """An onlooker that keeps records until they are taken.

    Args:
        left: Is called when the recording is over.
        at_most: Records that may wait; beyond that the oldest go, and are counted.
    """

    def __init__(self, left: Callable[[], object], at_most: int = _AT_MOST) -> None:
        self._left = left
        self._waiting: deque[AnyRecord] = deque(maxlen=at_most)
        self._put = self._taken = 0

    @property
    def lost(self) -> int:
        """How many records were dropped so far."""
        return max(0, self._put - self._taken - len(self._waiting))

    def take(self, record: AnyRecord) -> None:
        """Keep one. The end of a pass takes the place of its start, if nothing has come between them: it says all."""
        if isinstance(record, PassEnded) and self._waiting:
            self._drop_start_of(record)
        self._waiting.append(record)
        self._put += 1

    def _drop_start_of(self, ended: PassEnded) -> None:
        # What has been kept makes the interpreter look for garbage, and a loop of solves keeps thousands in a second.
        try:
            last = self._waiting[-1]
            if isinstance(last, PassStarted) and last.pass_id == ended.pass_id and last.run_id == ended.run_id:
                self._waiting.pop()  # nobody else puts: it is the last still, unless it has been taken
                self._put -= 1
        except IndexError:  # taken meanwhile
            pass

    def leave(self) -> None:
        """Say that no more will come."""
        self._left()

    def drain(self) -> list[AnyRecord]:
        """Take all that wait."""
        records = [self._waiting.popleft() for _ in range(len(self._waiting))]
        self._taken += len(records)
        return records
