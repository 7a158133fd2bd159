"""What all runs of a process share, under one lock: its passes, its experiments, and what its programs wait for.

Host side, any thread.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from soltrace.host.calls import Mark
from soltrace.host.context import Contexts
from soltrace.host.table import HandleTable

Barrier = Callable[[], object]
"""Returns when the programs that have been dispatched are done."""


@dataclass
class Shared:
    """There is one in a process."""

    barriers: list[Barrier] = field(default_factory=list[Barrier])
    """Called before anything waits for passes."""
    mark: Mark | None = None
    """Marks what the calling thread has dispatched."""
    passes: HandleTable = field(default_factory=HandleTable)
    contexts: Contexts = field(default_factory=Contexts)
    opened_for: str | None = None
    """The experiment whose beginning has opened the run; None: a solve has, or nothing is open."""
    lock: threading.RLock = field(default_factory=threading.RLock)
    """Held whenever a pass, an experiment or a run begins or ends. Who holds it can take it again: while a run is being
    opened, a warning may run code of the user's that solves."""

    def __post_init__(self) -> None:
        """Make what waits."""
        self.passes_ended = threading.Condition(self.lock)
        """Notified when a pass has ended."""

    def after_fork(self) -> "Shared":
        """What the child of a fork begins with: the lock may be held, and passes and experiments are the parent's.

        Not so the handles: programs and pullbacks of the parent's keep theirs, and mean none of the child's.
        """
        return Shared(self.barriers, self.mark, HandleTable(self.passes.last_handle))
