"""What passes have come to since a view began: one total for each experiment and phase. Pure."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, TypeAlias

from soltrace.reading.live.endings import PassTally
from soltrace.reading.parse import Parsed
from soltrace.wire.records import ExperimentEnded, PassEnded, ProgramCompiled, Record

_MOST: Final = 100
"""Totals, and experiments that are over, which are kept; of what went before only the number is known."""
_Key: TypeAlias = tuple[str | None, str]


class Totals:
    """Adds passes up by experiment and phase, whichever run they are of."""

    def __init__(self) -> None:
        self.ended = self.failed = 0
        """Passes, all of them."""
        self.compiled = 0
        """Programs."""
        self.compiled_s = 0.0
        """Seconds that tracing, lowering and compiling them took."""
        self._tallies: OrderedDict[_Key, PassTally] = OrderedDict()
        self._experiments: OrderedDict[str | None, ExperimentEnded] = OrderedDict()

    @property
    def tallies(self) -> Sequence[PassTally]:
        """The totals, in the order in which their first passes ended."""
        return list(self._tallies.values())

    @property
    def experiments(self) -> Sequence[ExperimentEnded]:
        """The ends of experiments, the latest of each name."""
        return list(self._experiments.values())

    @property
    def left_out(self) -> int:
        """Passes that ended, and are in none of the totals any more."""
        return self.ended - sum(tally.count for tally in self._tallies.values())

    def feed(self, records: Iterable[Parsed | PassTally], now_s: float) -> None:
        """Take in records, in the order of time, and passes that are counted already.

        Args:
            records: What happened.
            now_s: The present, on a monotonic clock.
        """
        for record in records:
            match record:
                case PassEnded():
                    self.ended += 1
                    self.failed += record.status == "error"
                    self._tally(record, record.timestamp, now_s).add(record, now_s)
                case PassTally():
                    self.ended += record.count
                    self.failed += record.failed
                    self._tally(record.newest, record.since, now_s).merge(record, now_s)
                case ExperimentEnded():
                    self._experiments.pop(record.experiment, None)
                    self._experiments[record.experiment] = record
                    if len(self._experiments) > _MOST:
                        self._experiments.popitem(last=False)
                case ProgramCompiled():
                    self.compiled += 1
                    self.compiled_s += record.trace_s + record.lower_s + record.compile_s
                case _:
                    pass

    def heard_s(self, record: Record, phase: str) -> float | None:
        """When the end of a pass like this one was last heard of; None if never."""
        tally = self._tallies.get((record.experiment, phase))
        return None if tally is None else tally.heard_s

    def _tally(self, record: PassEnded, since: datetime, now_s: float) -> PassTally:
        key = (record.experiment, record.phase)
        tally = self._tallies.get(key)
        if tally is None:
            tally = self._tallies[key] = PassTally(record, since, now_s)
            if len(self._tallies) > _MOST:
                self._tallies.popitem(last=False)
        return tally
