"""Records on their way from the worker to who shows them: a bounded queue, of which nobody waits for anybody.

Host side. The worker's thread puts, and the thread that draws takes.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias

from soltrace.reading.live.endings import PassTally
from soltrace.wire.records import AnyRecord, PassEnded, PassStarted

_AT_MOST: Final = 50_000
"""Records. Looked at several times a second, they never become so many, unless the terminal stands still."""

Fed: TypeAlias = AnyRecord | PassTally
"""A record, or what passes have come to of which nothing was told before they ended."""


class Feed:
    """An onlooker that keeps records until they are taken.

    Passes that are over before anybody looks are added up here, one tally for each experiment and phase: a loop makes
    thousands in a second, and what is kept makes the interpreter look for garbage.

    Args:
        left: Is called when the recording is over.
        at_most: Records and tallies that may wait; beyond that the oldest go, and are counted.
    """

    def __init__(self, left: Callable[[], object], at_most: int = _AT_MOST) -> None:
        self.lost = 0
        """How many records were dropped so far; of passes that were added up, their ends."""
        self._left = left
        self._at_most = at_most
        self._lock = threading.Lock()
        """Held for a moment, by who puts and who takes."""
        self._waiting: deque[Fed] = deque()
        self._tallies: dict[tuple[str | None, str], PassTally] = {}
        """Those that wait."""

    def take(self, record: AnyRecord) -> None:
        """Keep one. With the end of a pass its start goes, if nothing has come between them: it is added up."""
        with self._lock:
            if isinstance(record, PassEnded) and self._waiting and _is_start_of(self._waiting[-1], record):
                self._waiting.pop()
                self._add_up(record)
            else:
                self._put(record)

    def _add_up(self, ended: PassEnded) -> None:
        key = (ended.experiment, ended.phase)
        tally = self._tallies.get(key)
        if tally is None:
            tally = self._tallies[key] = PassTally(ended, ended.timestamp, 0.0)
            self._put(tally)
        tally.add(ended, 0.0)

    def _put(self, told: Fed) -> None:
        self._waiting.append(told)
        if len(self._waiting) > self._at_most:
            dropped = self._waiting.popleft()
            if isinstance(dropped, PassTally):
                del self._tallies[dropped.newest.experiment, dropped.newest.phase]
            self.lost += dropped.count if isinstance(dropped, PassTally) else 1

    def leave(self) -> None:
        """Say that no more will come."""
        self._left()

    def drain(self) -> list[Fed]:
        """Take all that wait, in the order of time; a tally stands where the first of its passes ended."""
        with self._lock:
            waiting, self._waiting = self._waiting, deque()
            self._tallies = {}
        return list(waiting)


def _is_start_of(told: Fed, ended: PassEnded) -> bool:
    return isinstance(told, PassStarted) and told.pass_id == ended.pass_id and told.run_id == ended.run_id
