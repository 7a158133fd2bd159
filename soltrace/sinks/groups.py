"""What metrics are told apart by: experiment, phase and solver, a bounded number of each whatever a user calls them.

Host side, any thread. There is one table for the process, however often soltrace is configured: each new value costs
the backend another series of every metric, for good.
"""

import threading
from dataclasses import dataclass
from typing import Final

from soltrace.wire.names import ATTR_EXPERIMENT, ATTR_PHASE, ATTR_SOLVER
from soltrace.wire.records import Phase

OTHER: Final = "_OTHER"
"""Stands for every value beyond the limit, as in OpenTelemetry's conventions."""
EXPERIMENTS_AT_MOST: Final = 100
"""Names of experiments. Beyond this, somebody puts a seed or a date into them, which belongs in an attribute."""
SOLVERS_AT_MOST: Final = 20
"""Classes of solvers. diffrax has some thirty, of which a program uses two or three."""


@dataclass(frozen=True, slots=True, eq=False)
class PassGroup:
    """The passes that one series of a metric is about. There is one object for each group: equal is the same."""

    experiment: str | None
    """Names of the open experiments, joined by `/`; None outside any, `OTHER` beyond `EXPERIMENTS_AT_MOST`."""
    phase: Phase
    solver: str | None
    """The solver's class; None if the start of the pass was not seen, `OTHER` beyond `SOLVERS_AT_MOST`."""

    @property
    def attributes(self) -> dict[str, str]:
        """What the series has for attributes: under their wire names, without what is not known."""
        values = {ATTR_EXPERIMENT: self.experiment, ATTR_PHASE: self.phase, ATTR_SOLVER: self.solver}
        return {name: value for name, value in values.items() if value is not None}


class PassGroups:
    """The groups that there have been, and the names that they may have."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.Lock()
        self._experiments: set[str] = set()
        self._solvers: set[str] = set()
        self._known: dict[tuple[str | None, str, str | None], PassGroup] = {}

    def of(self, experiment: str | None, phase: Phase, solver: str | None) -> PassGroup:
        """Return the group of a pass.

        Args:
            experiment: Its experiment, or None.
            phase: Its phase.
            solver: Its solver, or None if its start was not seen.
        """
        with self._lock:
            experiment = _bounded(experiment, self._experiments, EXPERIMENTS_AT_MOST)
            solver = _bounded(solver, self._solvers, SOLVERS_AT_MOST)
            named = experiment, phase, solver
            group = self._known.get(named)
            if group is None:
                group = self._known[named] = PassGroup(*named)
            return group

    def known(self) -> list[PassGroup]:
        """Return all of them, in the order in which they came."""
        with self._lock:
            return list(self._known.values())


def _bounded(name: str | None, known: set[str], at_most: int) -> str | None:
    if name is None or name in known:
        return name
    if len(known) >= at_most:
        return OTHER
    known.add(name)
    return name


GROUPS: Final = PassGroups()
"""Those of this process."""
