"""Which passes are shown, and in which order: those that fail or stand still first. Pure."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from soltrace.reading.live.runs import Runs
from soltrace.reading.live.state import OpenPass
from soltrace.reading.phrases import half, solve
from soltrace.reading.text import natural_key
from soltrace.wire.records import PassRecord, Record

_FOREVER_S: Final = 1e12
_Value: TypeAlias = float | list[tuple[str, int, str]]


def _by_start(at: OpenPass, runs: Runs) -> _Value:
    del at, runs
    return 0.0  # It is the order in which they come.


def _by_progress(at: OpenPass, runs: Runs) -> _Value:
    del runs
    # In whole percents, or rows of about the same progress would change places all the time.
    return math.floor(at.progress * 100 + 1e-6)


def _by_eta(at: OpenPass, runs: Runs) -> _Value:
    del runs
    eta_s = at.eta_s
    # The longest first, what nobody knows last; in steps of a fifth, for the same reason.
    return math.inf if eta_s is None else -math.floor(math.log(min(max(eta_s, 1.0), _FOREVER_S), 1.2))


def _by_experiment(at: OpenPass, runs: Runs) -> _Value:
    del runs
    return natural_key(at.first.experiment or "")


def _by_run(at: OpenPass, runs: Runs) -> _Value:
    return natural_key(runs.name(at.first))


ORDERS: Final[dict[str, Callable[[OpenPass, Runs], _Value]]] = {
    "started": _by_start,
    "progress": _by_progress,
    "eta": _by_eta,
    "experiment": _by_experiment,
    "run": _by_run,
}
"""By name: what passes are compared by. Those that are equal stay in the order in which they started."""


@dataclass
class Choice:
    """What its reader wants to see."""

    order: str = "started"
    reverse: bool = False
    text: str = ""
    """Only what has this in the name of its experiment, run, solve or phase."""
    failed_only: bool = False

    def next_order(self) -> None:
        """Change to the next order."""
        names = list(ORDERS)
        self.order = names[(names.index(self.order) + 1) % len(names)]
        self.reverse = False

    def admits(self, record: Record, runs: Runs) -> bool:
        """Tell whether a record belongs to what is looked for."""
        if not self.text:
            return True
        words = [record.experiment or "-", runs.name(record), record.run_id]
        if isinstance(record, PassRecord):
            words += [solve(record), half(record)]
        return self.text.casefold() in " ".join(words).casefold()

    def arrange(self, passes: Iterable[OpenPass], runs: Runs) -> list[OpenPass]:
        """Choose, and bring into order."""
        chosen = [
            at
            for at in passes
            if (not self.failed_only or at.failing or at.stalled) and (not self.text or self.admits(at.first, runs))
        ]
        by = ORDERS[self.order]
        chosen.sort(key=lambda at: by(at, runs))
        if self.reverse:
            chosen.reverse()
        chosen.sort(key=_trouble)
        return chosen


def _trouble(at: OpenPass) -> int:
    if at.failing:
        return 0
    return 1 if at.stalled else 2
