"""The thread that writes a log: a disk that hangs holds up nobody but it.

Host side. The worker hands over lines, has those of a batch written at once, and waits for that no longer than a
moment. A network file system may answer after minutes, or never, and what waits for it can't be called back: so the
wait is a thread's own. Lines that come meanwhile stay in memory, up to a bound.
"""

import math
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol

from soltrace.sinks import LinesLostError
from soltrace.wire.start_thread import start_thread

ANSWER_WITHIN_S: Final = 1.0
"""How long a disk may take before it is said to hang, and is waited for no more."""
BACKLOG_BYTES: Final = 8 * 2**20
"""What may wait for a disk that hangs: some thirty thousand lines."""
TRY_AGAIN_S: Final = 0.1
"""A disk that refuses lines is tried this often. To try each line would cost more than to write it."""
AT_ONCE: Final = 2**20
"""Bytes that are written before the batch is complete."""
_NO_ANSWER: Final = "no answer from the disk"


class Target(Protocol):
    """What is written to."""

    def write(self, lines: Sequence[bytes]) -> None:
        """Write lines; raise `LinesLostError` where some are lost."""
        ...

    def sync(self) -> None:
        """Bring them to the disk."""
        ...

    def close(self) -> None:
        """End."""
        ...


class SilentDiskError(OSError):
    """A disk neither takes lines nor refuses them."""


class LogWriter:
    """Writes lines to a target, on a thread of its own, in the order in which they come.

    It is what structlog calls a logger: `writer.info(line)` takes a line.
    """

    def __init__(
        self,
        target: Target,
        *,
        patience_s: float = ANSWER_WITHIN_S,
        bytes_at_most: int = BACKLOG_BYTES,
        sync_s: float = math.inf,
    ) -> None:
        """Begin with nothing to write; the thread starts with the first line.

        Args:
            target: Is called on the thread alone.
            patience_s: How long `settle` waits at most, in seconds.
            bytes_at_most: What may wait. Beyond it lines are refused until the disk answers.
            sync_s: What was written is brought to the disk this often, in seconds. `math.inf`: when it is asked for.
        """
        self._target, self._patience_s, self._bytes_at_most, self._sync_s = target, patience_s, bytes_at_most, sync_s
        self._lock = threading.Lock()
        """Taken itself, and not through the condition: what a signal handler raises could leave that one held."""
        self._changed = threading.Condition(self._lock)
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._in_hand = 0
        """Lines that the thread is writing."""
        self._lost: LinesLostError | None = None
        """What has not been said of it."""
        self._refusal: Exception | None = None
        """Why the last lines could not be written."""
        self._try_again = -math.inf
        self._silent = self._full = False
        self._closed = self._no_thread = False
        self._sync_wanted = self._synced = 0
        self._sync_error: OSError | None = None
        self._sync_due = math.inf
        """When what was written is to be brought to the disk."""
        self._thread: threading.Thread | None = None

    def msg(self, line: bytes) -> None:
        """Take a line. What is lost of those that were taken, `settle` says."""
        with self._lock:
            self._waiting.append(line)
            self._waiting_bytes += len(line)
            if self._silent:
                self._full = self._waiting_bytes > self._bytes_at_most
            elif self._waiting_bytes > AT_ONCE:
                self._have_written()  # a batch may be of any length, and the disk is only slow

    def refuses(self) -> bool:
        """Say whether a line would be lost, and count it then: it need not be made.

        A disk that has refused a batch is tried again with one that comes later. One that is silent is given no more
        than there is room for.
        """
        if self._refusal is None and not self._full:
            return False
        with self._lock:
            refusal = self._refusal if time.monotonic() < self._try_again else None
            if self._full:
                refusal = SilentDiskError(f"{_NO_ANSWER}, and too much waits for it")
            if refusal is None:
                return False
            self._lost = _together(self._lost, LinesLostError(1, refusal))
            return True

    def must_answer(self) -> None:
        """Have the next batch tried in any case.

        Raises:
            OSError: It would have to wait, and might be lost later.
        """
        with self._lock:
            self._try_again = -math.inf
            if self._silent:
                raise SilentDiskError(_NO_ANSWER)

    def settle(self) -> bool:
        """Have what has come so far written, and wait for it, but not for long.

        Returns:
            Whether the disk has taken it.

        Raises:
            LinesLostError: Some of it could not be written, or of what came earlier.
        """
        with self._lock:
            if self._waiting or self._in_hand:
                self._have_written()
            lost, self._lost = self._lost, None
            well = self._refusal is None and not self._silent
        if lost is not None:
            raise lost
        return well

    def _have_written(self) -> None:
        self._start()
        if not self._silent:
            self._silent = not self._changed.wait_for(self._is_idle, self._patience_s)

    def _is_idle(self) -> bool:
        return not (self._waiting or self._in_hand)

    def flush(self, timeout_s: float) -> bool:
        """Have everything written and brought to the disk; say whether that was done in time, and nothing lost.

        Raises:
            OSError: It can't be brought to the disk.
        """
        with self._lock:
            if self._closed:
                return self._is_idle()
            self._sync_wanted += 1
            wanted = self._sync_wanted
            self._start()
            done = self._changed.wait_for(lambda: self._synced >= wanted, max(timeout_s, 0.0))
            error, self._sync_error = self._sync_error, None
            done = done and self._lost is None
        if error is not None:
            raise error
        return done

    def give_up(self) -> int:
        """Forget the lines that wait, and say how many there are, with those that the disk has not answered for."""
        with self._lock:
            number = len(self._waiting) + self._in_hand
            self._waiting, self._waiting_bytes = [], 0
        return number

    def close(self) -> None:
        """Write what is left and end, as soon as the disk lets it; wait for that no longer than a moment."""
        with self._lock:
            self._closed = True
            if self._waiting:
                self._start()
            if self._thread is None:
                self._target.close()
                return
            self._changed.notify_all()
        self._thread.join(0.0 if self._silent else self._patience_s)

    # The thread's side. What has an underscore alone is called under the lock.

    def _start(self) -> None:
        """Have the thread work; where none can be started, because the interpreter ends, do it here."""
        if self._thread is None and not self._no_thread:
            self._thread = start_thread(self._run, "soltrace-log")
            self._no_thread = self._thread is None
        if self._no_thread:
            self._work()
        else:
            self._changed.notify_all()

    def _run(self) -> None:
        # Whoever embeds Python may have left this signal to end the process: a file that gets too long.
        with suppress(AttributeError):
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGXFSZ})
        with self._lock:
            while True:
                self._changed.wait_for(self._has_work, self._until_sync())
                self._work()
                if self._closed and not self._waiting:
                    break
        self._target.close()

    def _until_sync(self) -> float | None:
        return None if self._sync_due == math.inf else max(self._sync_due - time.monotonic(), 0.0)

    def _has_work(self) -> bool:
        return bool(self._waiting) or self._closed or self._synced < self._sync_wanted

    def _work(self) -> None:
        while self._waiting:
            lines, self._waiting, self._waiting_bytes = self._waiting, [], 0
            self._in_hand = len(lines)
            lost = self._unlocked(lines)
            self._in_hand, self._silent, self._full = 0, False, False
            self._refusal = None if lost is None else lost.error
            self._try_again = time.monotonic() + TRY_AGAIN_S
            self._lost = _together(self._lost, lost)
            self._sync_due = min(self._sync_due, time.monotonic() + self._sync_s)
            self._changed.notify_all()
        wanted = self._sync_wanted
        if self._synced < wanted or time.monotonic() >= self._sync_due:
            self._sync_due = math.inf
            error = self._unlocked_sync()
            if self._synced < wanted:
                self._synced, self._sync_error = wanted, error
                self._changed.notify_all()

    def _unlocked(self, lines: Sequence[bytes]) -> LinesLostError | None:
        self._lock.release()
        try:
            self._target.write(lines)
        except LinesLostError as lost:
            return lost
        except Exception as error:  # noqa: BLE001 - the thread goes on
            return LinesLostError(len(lines), error)
        else:
            return None
        finally:
            self._lock.acquire()

    def _unlocked_sync(self) -> OSError | None:
        self._lock.release()
        try:
            self._target.sync()
        except OSError as error:
            return error
        else:
            return None
        finally:
            self._lock.acquire()


def _together(first: LinesLostError | None, second: LinesLostError | None) -> LinesLostError | None:
    """Add up losses; what is said of them is the reason of the later one."""
    if first is None or second is None:
        return first or second
    return LinesLostError(first.lines + second.lines, second.error)
