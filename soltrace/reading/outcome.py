"""Tells how what is followed ends: whether its passes are over, and whether one has failed or stalled.

For scripts that wait. Passes are over when at least one was seen, none is open and no experiment either, and nothing
has come for a moment. A pass that is said to have stalled, or whose run is gone without a word, is not waited for; of a
run that was killed between two passes, the experiment stays open. What has become of a run that was replaced by a retry
of its job does not count: the retry does.
"""

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from soltrace.reading.attempts import Attempts
from soltrace.reading.parse import Parsed
from soltrace.wire.records import (
    ExperimentEnded,
    ExperimentStarted,
    LogOpened,
    PassEnded,
    PassHeartbeat,
    PassRecord,
    Record,
)

EXIT_OK: Final = 0
"""The exit status where every pass has ended well."""
EXIT_FAILED: Final = 1
"""Where one has failed."""
EXIT_STALLED: Final = 3
"""Where one has stalled or a run has stopped without a word, and none has failed."""
PATIENCE_S: Final = 60.0
"""A run with an open pass is heard of every five seconds. One that has been silent for so long is gone."""
SETTLED_S: Final = 2.0
"""For so long nothing must come: between a forward pass and its backward pass none is open."""
_DEAD_S: Final = 1.0
"""For so long the last lines of a process are waited for that is known to be gone."""
_LISTEN_S: Final = 12.0
"""Time for two heartbeats of a run whose last line is old: its clock may differ from ours."""


@dataclass
class _Run:
    heard_s: float
    """When its last line came, on our clock."""
    newest: datetime
    """What that line says itself."""
    process: tuple[str, int] | None = None
    """Its host and process id."""
    stalled: dict[str, bool] = field(default_factory=dict[str, bool])
    """Its open passes, and whether they are said to have stalled."""
    experiments: dict[str | None, int] = field(default_factory=dict[str | None, int])
    """Its open experiments, and how often each is open."""
    failed: bool = False
    """Whether a pass of it has failed."""
    over: bool = False
    """Whether it is not waited for any more."""


def process_is_gone(host: str, pid: int) -> bool:
    """Return whether a process is known to be gone. Nothing is known of those on other hosts."""
    if host != socket.gethostname() or pid <= 0:
        return False
    with suppress(PermissionError, OverflowError):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
    return False


class Outcome:
    """Watches passes until all of them are over.

    Args:
        patience_s: A run that is silent for so long while a pass of it is open is gone, and the pass has stalled.
        monotonic: Returns seconds.
        now: Returns the time.
        gone: Returns, for a host and a process id, whether the process is known to be gone.
    """

    def __init__(
        self,
        patience_s: float = PATIENCE_S,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        gone: Callable[[str, int], bool] = process_is_gone,
    ) -> None:
        self._patience_s = patience_s
        self._monotonic = monotonic
        self._now = now
        self._gone = gone
        self._runs: dict[str, _Run] = {}
        self._began_s = monotonic()
        self._heard_s = self._began_s
        self._seen = False
        self._attempts = Attempts()

    def feed(self, record: Parsed) -> None:
        """Take in a record. Those of one run must come in their order."""
        if not isinstance(record, Record):
            return
        self._heard_s = self._monotonic()
        run = self._runs.get(record.run_id)
        if run is None:
            run = self._runs[record.run_id] = _Run(self._heard_s, record.timestamp)
        run.heard_s, run.newest, run.over = self._heard_s, max(run.newest, record.timestamp), False
        match record:
            case LogOpened():
                self._attempts.opened(record)
                host, pid = record.resource.get("host"), record.resource.get("pid")
                run.process = (host, pid) if isinstance(host, str) and isinstance(pid, int) else None
            case ExperimentStarted():
                run.experiments[record.experiment] = run.experiments.get(record.experiment, 0) + 1
            case ExperimentEnded():
                run.experiments[record.experiment] = run.experiments.get(record.experiment, 1) - 1
                if run.experiments[record.experiment] <= 0:
                    del run.experiments[record.experiment]
            case PassEnded():
                self._seen = True
                run.failed = run.failed or record.status == "error"
                run.stalled.pop(record.pass_id, None)
            case PassRecord():
                self._seen = True
                run.stalled[record.pass_id] = isinstance(record, PassHeartbeat) and record.stalled
            case _:
                pass

    def status(self) -> int | None:
        """Return the exit status, or None while there is something to wait for."""
        now = self._monotonic()
        if not self._seen or now - self._heard_s < SETTLED_S:
            return None
        runs = self._counting()
        for run in runs:
            run.over = run.over or self._given_up(run, now)
        waiting = any(not run.over and (not run.stalled or not all(run.stalled.values())) for run in runs)
        return None if waiting else self.final()

    def final(self) -> int:
        """Return the exit status if nothing more comes: a pass or an experiment that is open then has stalled."""
        runs = self._counting()
        if any(run.failed for run in runs):
            return EXIT_FAILED
        return EXIT_STALLED if any(map(_open, runs)) else EXIT_OK

    def _counting(self) -> list[_Run]:
        return [run for run_id, run in self._runs.items() if not self._attempts.replaced(run_id)]

    def _given_up(self, run: _Run, now: float) -> bool:
        if not _open(run):
            return True
        silent_s = now - run.heard_s
        if run.process is not None and silent_s >= _DEAD_S and self._gone(*run.process):
            return True
        if not run.stalled:
            return False  # Between passes a program may compute for long.
        said_s = (self._now() - run.newest).total_seconds()
        listened = silent_s >= min(_LISTEN_S, self._patience_s)
        return silent_s >= self._patience_s or (listened and said_s >= self._patience_s)


def _open(run: _Run) -> bool:
    return bool(run.stalled or run.experiments)
