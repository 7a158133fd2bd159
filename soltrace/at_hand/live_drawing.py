"""Draws on a screen, again and again, on a thread of its own, what a feed brings.

Host side. Whatever goes wrong here ends the picture, and is said once; the solve does not notice.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from soltrace.at_hand.feed import Feed
from soltrace.at_hand.screens import LONGEST_PAUSE_S, LiveScreen
from soltrace.host.process import PROCESS
from soltrace.sinks.beside import ONLOOKERS
from soltrace.wire.losses import described

_LOG: Final = logging.getLogger("soltrace")
_SHARE: Final = 0.004
"""Of a processor, and of the interpreter's lock, that pictures may take."""
_FOR_THE_REST_S: Final = 1.0
"""How long the end of a picture may wait for records that are on their way."""
_FOR_THE_THREAD_S: Final = 2.0
"""And for the thread, which hangs where the terminal does (Ctrl-S)."""


class Drawing:
    """One picture, from its beginning to its end.

    Args:
        screen: Where.
        left: Is called when the recording is over.
    """

    def __init__(self, screen: LiveScreen, left: Callable[[], object]) -> None:
        self._screen = screen
        self._feed = Feed(left)
        self._lock = threading.RLock()
        """Held by who draws."""
        self._stop = threading.Event()
        self._failed = False
        self._thread = screen.thread(target=self._run, name="soltrace-live", daemon=True)

    def start(self) -> None:
        """Begin to draw.

        Raises:
            RuntimeError: No thread can be started, because the process ends.
        """
        ONLOOKERS.add(self._feed)
        try:
            self._thread.start()
        except RuntimeError:
            ONLOOKERS.remove(self._feed)
            raise
        self._screen.begin(self.at_once)

    def end(self) -> None:
        """Take in what is on its way, draw for the last time, and leave the screen as it is to stay."""
        try:
            _settle()
        finally:  # also if Ctrl-C has cut that short
            ONLOOKERS.remove(self._feed)
            self._stop.set()
            self._thread.join(_FOR_THE_THREAD_S)

    def at_once(self, action: Callable[[float], object]) -> None:
        """Take in all that has happened by now, and do something with the picture. Any thread but the one that draws.

        Args:
            action: What to do; it is told the time.
        """
        _settle()
        with self._lock:
            self._safely(action)

    def _run(self) -> None:
        while True:
            over, began_s = self._stop.is_set(), time.thread_time()
            with self._lock:
                self._safely(self._screen.finish if over else self._screen.show)
            if over or self._failed:
                return
            self._stop.wait(pause_s(self._screen.period_s, time.thread_time() - began_s))

    def _safely(self, action: Callable[[float], object]) -> None:
        if self._failed:
            return
        try:
            now_s = time.monotonic()
            self._screen.feed(self._feed.drain(), now_s, self._feed.lost)
            action(now_s)
        except Exception as error:  # noqa: BLE001 - whatever it is, the solve goes on
            self._failed = True
            ONLOOKERS.remove(self._feed)
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        try:
            self._screen.abandon()
        except Exception as another:  # noqa: BLE001 - the first is said
            error.add_note(f"and then {described(another)}")
        if not isinstance(error, OSError):  # or the terminal is gone, and nobody is there to be told
            _LOG.warning("soltrace: the live view is over, the solves go on: %s", described(error))


def pause_s(period_s: float, cost_s: float) -> float:
    """How long to wait for the next picture, in seconds.

    Args:
        period_s: From one picture to the next, where they cost little.
        cost_s: Processor time of the last one.
    """
    return max(period_s, min(cost_s / _SHARE, LONGEST_PAUSE_S))


def _settle() -> None:
    """Have the worker deal with what it was told."""
    if (recorder := PROCESS.recorder) is not None:
        recorder.drain(_FOR_THE_REST_S)
