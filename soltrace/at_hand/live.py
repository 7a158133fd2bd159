"""`soltrace.live`: the live view in the process that solves, one for all that asks for it.

Host side, on the threads of whoever asks.
"""

import atexit
import logging
import os
import threading
from types import TracebackType
from typing import Final, Self

from soltrace.at_hand.live_drawing import Drawing
from soltrace.at_hand.screens import suitable
from soltrace.host.process import PROCESS
from soltrace.wire.flags import LIVE
from soltrace.wire.losses import described

_FOR_PROGRAMS_S: Final = 30.0
"""How long leaving waits for programs that still run: what they tell is to be in the summary."""
_LOG: Final = logging.getLogger("soltrace")


class live:  # noqa: N801 - used like the functions of contextlib
    """Show what the solves of this process are doing, here: in the terminal or in the notebook.

    The view stands at the foot of the terminal that stderr is; whatever the program prints scrolls above it. Where
    stderr is no terminal, a line is written every few seconds. In a notebook, each cell that solves gets an output area
    that updates, and stays as a summary. It is a reader of what is recorded, as `soltrace tail` is, and no solve waits
    for it.

    ```python
    with soltrace.live():
        train()

    soltrace.live()  # or from here to the end of the process, or to `soltrace.shutdown()`
    ```

    There is one view in a process. Where it is asked for again, that is the same one, and it goes when the last who has
    asked leaves. Children of `multiprocessing` draw nothing.

    Leaving it waits for programs that still run, unless an exception leaves it.
    """

    def __init__(self) -> None:
        """Begin to show. It never raises: without a screen, nothing is shown."""
        self._asks = SHOWN.ask()

    def __enter__(self) -> Self:
        """Do nothing more: the view is there."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave it."""
        if error is None:
            self.close()
        else:
            self._leave(wait=False)

    def close(self) -> None:
        """Leave it. The last who does takes it away, and a summary stays; a second call does nothing."""
        self._leave(wait=True)

    def _ipython_display_(self) -> None:
        """Show nothing of itself, where a cell of a notebook ends with it."""

    def _leave(self, *, wait: bool) -> None:
        if self._asks is not None:
            asks, self._asks = self._asks, None
            SHOWN.leave(asks, wait=wait)


class Shown:
    """The view of this process, and who asks for it."""

    def __init__(self) -> None:
        """Begin without."""
        self._lock = threading.Lock()
        self._drawing: Drawing | None = None
        self._asking = 0

    def ask(self) -> Drawing | None:
        """Show it, unless it is shown already; None where it cannot be."""
        if not PROCESS.enabled():
            return None
        with self._lock:
            if self._drawing is None:
                self._drawing, self._asking = self._started(), 0
            self._asking += 1
            return self._drawing

    def leave(self, drawing: Drawing, *, wait: bool) -> None:
        """Do without from now on."""
        with self._lock:
            if drawing is not self._drawing:
                return  # it is over, or this is the child of a fork
            self._asking -= 1
            last = not self._asking
        if last:
            try:
                if wait and (recorder := PROCESS.recorder) is not None:
                    recorder.await_programs(_FOR_PROGRAMS_S)
            finally:  # also if Ctrl-C has cut that short
                self.end()

    def end(self) -> None:
        """Take it away, whoever asks for it."""
        with self._lock:
            drawing, self._drawing = self._drawing, None
        if drawing is not None:
            drawing.end()

    def forget(self) -> None:
        """Begin without in the child of a fork: the terminal is the parent's to draw on."""
        self.__init__()

    def _started(self) -> Drawing | None:
        try:
            if (screen := suitable()) is None:
                return None
            drawing = Drawing(screen, self.end)
            drawing.start()
        except Exception as error:  # noqa: BLE001 - a program is not to fail because nobody can look at it
            _LOG.warning("soltrace: there is no live view: %s", described(error))
            return None
        return drawing


SHOWN: Final = Shown()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=SHOWN.forget)


@atexit.register
def _at_exit() -> None:
    if PROCESS.recorder is None:  # or else the view ends with the run, when all is told
        SHOWN.end()


def show_as_asked() -> None:
    """Show it from now on, as the environment asks. Programs that this one starts are on the same terminal."""
    if SHOWN.ask() is not None:
        os.environ[LIVE] = "0"
