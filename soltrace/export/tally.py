"""Where what an exporter lost is told: to the recorder of the process, or kept until there is one.

Host side, any thread.
"""

import os
import threading
from collections import Counter
from collections.abc import Callable
from typing import Final, TypeAlias

Listener: TypeAlias = Callable[[str, str, int], None]
"""Is told what was lost, why, and how many."""


class Tally:
    """Passes losses on."""

    def __init__(self) -> None:
        """Begin with none, and nobody to tell. In the child of a fork too: those before it are the parent's."""
        self._lock = threading.Lock()
        self._untold: Counter[tuple[str, str]] = Counter()
        self._listener: Listener | None = None

    def add(self, what: str, reason: str, lost: int) -> None:
        """Count a loss."""
        with self._lock:
            listener = self._listener
            if listener is None:
                self._untold[what, reason] += lost
        if listener is not None:
            listener(what, reason, lost)

    def tell(self, listener: Listener | None) -> None:
        """Tell this listener from now on, what nobody was told yet first; None: keep it."""
        with self._lock:
            self._listener = listener
            untold = self._untold if listener is not None else Counter[tuple[str, str]]()
            if listener is not None:
                self._untold = Counter()
        for (what, reason), lost in untold.items():
            if listener is not None:
                listener(what, reason, lost)


TALLY: Final = Tally()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=TALLY.__init__)
