"""The bounded queue between the threads of compiled programs and the worker.

Host side: any thread puts, the worker takes. Full, it drops the oldest *progress*, never a start or an end; a new pass
is refused before starts and ends alone could fill it. Nothing here waits on anybody but the worker.
"""

import math
import threading
import time
from collections import Counter, deque
from typing import Final, Generic, Protocol, TypeVar

from soltrace.wire.losses import What

LINGER_S: Final = 0.1
"""How long the worker lets items gather. Waking it at once costs the solve: 50 us for the waking alone, and then it
holds the interpreter lock just when the program's next call, or the caller who waits for the result, wants it. Ten
times a second is as often as anybody looks."""
ACTIVE_S: Final = 1.0
"""So long after the last item the worker looks for more by itself; only then it sleeps until it is woken."""
BATCH: Final = 256
"""Items taken at a time, so that what was lost is said in between."""
BYTES_AT_MOST: Final = 64 * 2**20
"""A report of 100 000 lanes is some 2 MB: a bound on items alone would be none."""


class Queueable(Protocol):
    """What is queued."""

    @property
    def progress(self) -> bool:
        """May be dropped."""
        ...

    @property
    def nbytes(self) -> int:
        """Its size, roughly."""
        ...

    @property
    def lost(self) -> tuple[What, int]:
        """What is lost where it is dropped, and how much of it."""
        ...


T = TypeVar("T", bound=Queueable)


class Queue(Generic[T]):
    """First in, first out, except for what is dropped."""

    def __init__(self, capacity: int, *, bytes_at_most: int = BYTES_AT_MOST, linger_s: float = LINGER_S) -> None:
        """Begin empty; `capacity` counts items."""
        self.capacity, self._bytes_at_most, self._linger_s = capacity, bytes_at_most, linger_s
        self._lock = threading.Lock()
        """Taken itself, and not through the condition: what a signal handler raises could leave that one held."""
        self._changed = threading.Condition(self._lock)
        self._kept: deque[tuple[int, T]] = deque()
        self._progress: deque[tuple[int, T]] = deque()
        self._kept_bytes = self._progress_bytes = 0
        self._last = 0
        self._dropped: Counter[What] = Counter()
        self._active_until = 0.0
        self._in_hand = math.inf
        """The first item that the worker is dealing with."""
        self._idle = self._urgent = self._closed = False

    def has_room(self) -> bool:
        """Say whether a new pass may begin: its start and its end will not be dropped."""
        return len(self._kept) < self.capacity and self._kept_bytes < self._bytes_at_most

    def put(self, item: T) -> None:
        """Add an item."""
        with self._lock:
            if self._closed:
                self._drop(item)
                return
            self._last += 1
            if item.progress:
                self._progress.append((self._last, item))
                self._progress_bytes += item.nbytes
            else:
                self._kept.append((self._last, item))
                self._kept_bytes += item.nbytes
            self._make_room()
            if self._idle or (self._in_hand == math.inf and len(self) * 2 > self.capacity):
                self._changed.notify_all()

    def _make_room(self) -> None:
        while self._progress and (
            len(self) > self.capacity or self._kept_bytes + self._progress_bytes > self._bytes_at_most
        ):
            _, item = self._progress.popleft()
            self._progress_bytes -= item.nbytes
            self._drop(item)

    def _drop(self, item: T) -> None:
        what, much = item.lost
        self._dropped[what] += much

    def __len__(self) -> int:
        """Items waiting."""
        return len(self._kept) + len(self._progress)

    def take(self, timeout_s: float | None) -> list[T] | None:
        """Let items gather, and take up to `BATCH` of them in order, or none yet. None: closed, and all was taken.

        Args:
            timeout_s: sleep no longer where there is nothing to take; None: until there is.
        """
        with self._lock:
            self._in_hand = math.inf
            self._changed.notify_all()
            if not self._hurry():
                self._wait(timeout_s)
            self._in_hand = self._oldest()
            batch = [self._pop() for _ in range(min(BATCH, len(self)))]
            if not len(self):
                self._urgent = False
            return None if self._closed and not batch else batch

    def poll(self) -> list[T]:
        """Take what is in here, without waiting: for who does the work of a worker that could not be started."""
        with self._lock:
            return [self._pop() for _ in range(len(self))]

    def _hurry(self) -> bool:
        return self._urgent or self._closed or len(self) * 2 > self.capacity

    def _wait(self, timeout_s: float | None) -> None:
        self._changed.wait(self._linger_s)
        if len(self):
            self._active_until = time.monotonic() + ACTIVE_S
        elif time.monotonic() >= self._active_until and not self._hurry():
            self._idle = True
            self._changed.wait(timeout_s)
            self._idle = False
            self._active_until = time.monotonic() + ACTIVE_S

    def _pop(self) -> T:
        if not self._progress or (self._kept and self._kept[0][0] < self._progress[0][0]):
            _, item = self._kept.popleft()
            self._kept_bytes -= item.nbytes
        else:
            _, item = self._progress.popleft()
            self._progress_bytes -= item.nbytes
        return item

    def take_dropped(self) -> Counter[What]:
        """What was dropped since this was asked last, and how much of it."""
        with self._lock:
            dropped, self._dropped = self._dropped, Counter()
            return dropped

    def join(self, timeout_s: float) -> bool:
        """Wait until the worker has dealt with everything that is in here now; say whether it has."""
        deadline = time.monotonic() + timeout_s
        with self._lock:
            last = self._last
            self._urgent = True
            self._changed.notify_all()
            while min(self._oldest(), self._in_hand) <= last:
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    return False
                self._changed.wait(remaining)
            return True

    def _oldest(self) -> float:
        return min((queue[0][0] for queue in (self._kept, self._progress) if queue), default=math.inf)

    def close(self) -> None:
        """Take no more; the worker deals with what is in here and ends."""
        with self._lock:
            self._closed = True
            self._changed.notify_all()
