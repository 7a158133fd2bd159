"""What is known of one pass when it is over: its records, as far as they are needed, and no more of them than that.

Any side, one thread at a time.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from msgspec import UNSET

from soltrace.wire.records import (
    AnyRecord,
    LaneEnded,
    LaneNonfinite,
    Number,
    PassEnded,
    PassProgress,
    PassRecord,
    PassStarted,
    PassSteps,
)
from soltrace.wire.step_fields import AttemptedSteps

REPORTS_KEPT: Final = 64
"""The latest reports of a pass are kept, and of its steps the last few thousand."""
STEPS_KEPT: Final = 4096
"""Of one lane."""
_STEPS_OF_ALL: Final = 65_536
"""Of all lanes together: what came last."""
_LANES_KEPT: Final = 64
"""Lanes whose reports and ends are kept; the ends of those that failed are all."""
_FORWARD_KEPT: Final = 128
"""Forward passes that are remembered for the backward passes that may come."""

LaneIndex = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempted step."""

    t: float
    dt: float
    accepted: bool
    reason: str
    error: float | None
    """The error estimate over the tolerance; None where it is not known."""
    error_in: str = ""
    """Which number of the state errs most; empty where that is not known."""
    error_share: float = 0.0
    """Its share in the sum of the squared errors."""


@dataclass(frozen=True, slots=True)
class ForwardCost:
    """What a forward pass took."""

    steps: int
    duration_s: float


@dataclass
class Evidence:
    """What is known of a pass that is over."""

    ended: PassEnded
    started: PassStarted | None = None
    """None where its line is missing."""
    lanes: Sequence[LaneEnded] = ()
    """Of a batch: the lanes whose end was told."""
    reports: dict[LaneIndex, deque[tuple[int, float]]] = field(
        default_factory=dict[LaneIndex, deque[tuple[int, float]]]
    )
    """The latest reports of each lane, `()` of a single solve: steps attempted, and where it was."""
    recorded: Sequence[PassSteps] = ()
    """The last steps, where they are recorded: as they were told."""
    nonfinite: Sequence[LaneNonfinite] = ()
    """The first values that were not finite, where they are watched for."""
    forward: ForwardCost | None = None
    """Of a backward pass: what its forward pass took."""

    @property
    def failing(self) -> LaneEnded | PassEnded:
        """The lane that failed first, or else the pass itself."""
        return next((lane for lane in self.lanes if lane.status == "error"), self.ended)

    @property
    def attempted(self) -> int:
        """Steps of all lanes."""
        return _attempted(self.ended)

    @property
    def rejected_share(self) -> float:
        """The share of attempted steps that were rejected; 0 where it is not known."""
        steps = self.failing.steps
        attempted = 0 if steps is UNSET else steps.accepted + steps.rejected
        return 0.0 if steps is UNSET or not attempted else steps.rejected / attempted

    @cached_property
    def telling(self) -> Sequence[Attempt]:
        """The recorded steps of the lane that failed, or of the one that took most."""
        if not self.recorded:
            return ()
        attempts = self._by_lane()
        if isinstance(self.failing, LaneEnded):
            return attempts.get(self._lane, ())
        return max(attempts.values(), key=len, default=())

    @property
    def steps_recorded(self) -> int:
        """How many steps of all lanes are known one by one."""
        return sum(len(told.attempts.t) for told in self.recorded)

    def _by_lane(self) -> dict[LaneIndex, deque[Attempt]]:
        found: dict[LaneIndex, deque[Attempt]] = {}
        for told in self.recorded:
            for lane, attempt in _attempts(told.attempts):
                if lane not in found:
                    found[lane] = deque(maxlen=STEPS_KEPT)
                found[lane].append(attempt)
        return found

    @property
    def points(self) -> Sequence[tuple[int, float]]:
        """The latest reports of what failed, or of the pass."""
        return self.reports.get(self._lane, ())

    @property
    def _lane(self) -> LaneIndex:
        failing = self.failing
        return tuple(failing.batch_index) if isinstance(failing, LaneEnded) else ()

    @property
    def whose(self) -> str:
        """Begins a sentence about what failed: `It`, or `Lane 3`."""
        failing = self.failing
        return "Lane " + ",".join(map(str, failing.batch_index)) if isinstance(failing, LaneEnded) else "It"


class Gathering:
    """The evidence of one pass, while it is under way."""

    __slots__ = ("_lanes", "_nonfinite", "_recorded", "_reports", "_steps", "begun")

    def __init__(self, started: PassStarted | None) -> None:
        """Begin with its first line."""
        self.begun = started
        self._lanes: list[LaneEnded] = []
        self._reports: dict[LaneIndex, deque[tuple[int, float]]] = {}
        self._recorded: deque[PassSteps] = deque()
        self._steps = 0
        self._nonfinite: list[LaneNonfinite] = []

    def add(self, record: AnyRecord) -> None:
        """Take one of its lines."""
        if isinstance(record, PassProgress):
            self._add_report(record)
        elif isinstance(record, LaneEnded):
            if len(self._lanes) < _LANES_KEPT or record.status == "error":
                self._lanes.append(record)
        elif isinstance(record, PassSteps):
            self._add_steps(record)
        elif isinstance(record, LaneNonfinite):
            self._nonfinite.append(record)

    def ended(self, record: PassEnded, forward: ForwardCost | None) -> Evidence:
        """Its last line."""
        return Evidence(record, self.begun, self._lanes, self._reports, self._recorded, self._nonfinite, forward)

    def _add_report(self, record: PassProgress) -> None:
        if record.lanes is not UNSET or not isinstance(record.t, float):
            return
        lane = () if record.batch_index is UNSET else tuple(record.batch_index)
        if lane not in self._reports:
            if len(self._reports) >= _LANES_KEPT:
                return
            self._reports[lane] = deque(maxlen=REPORTS_KEPT)
        self._reports[lane].append((record.step, record.t))

    def _add_steps(self, record: PassSteps) -> None:
        if record.phase == "backward":
            return  # those of the forward pass once more
        # As they are: of most passes nobody asks for them one by one.
        self._recorded.append(record)
        self._steps += len(record.attempts.t)
        while self._steps > _STEPS_OF_ALL and len(self._recorded) > 1:
            self._steps -= len(self._recorded.popleft().attempts.t)


def _attempts(told: AttemptedSteps) -> Iterator[tuple[LaneIndex, Attempt]]:
    count = len(told.t)
    errors = [None] * count if told.scaled_error is UNSET else told.scaled_error
    lanes: list[list[int]] = [[]] * count if told.batch_index is UNSET else told.batch_index
    error_in: Sequence[str] = [""] * count if told.error_in is UNSET else told.error_in
    shares: Sequence[Number] = [0.0] * count if told.error_share is UNSET else told.error_share
    columns = told.t, told.dt, told.accepted, told.reason, errors, error_in, shares, lanes
    for t, dt, accepted, reason, error, where, share, lane in zip(*columns, strict=True):
        known = None if error is None else float(error)
        yield tuple(lane), Attempt(float(t), float(dt), accepted, reason, known, where, float(share))


class Gatherings:
    """The evidence of all passes that are under way.

    ```python
    gatherings = Gatherings()
    for record in records:
        if (evidence := gatherings.add(record)) is not None:
            print([finding.text for finding in findings(evidence)])
    ```
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._open: dict[str, Gathering] = {}
        self._forward: OrderedDict[str, ForwardCost] = OrderedDict()

    def add(self, record: AnyRecord) -> Evidence | None:
        """Take a record of any kind. Of the last one of a pass, return the evidence of that pass."""
        # Not a match: this is asked of every record of every solve.
        if isinstance(record, PassEnded):
            return self._end(record)
        if isinstance(record, PassStarted):
            self._open[record.pass_id] = Gathering(record)
        elif isinstance(record, PassRecord) and (gathering := self._open.get(record.pass_id)) is not None:
            gathering.add(record)
        return None

    def _end(self, record: PassEnded) -> Evidence:
        gathering = self._open.pop(record.pass_id, None) or Gathering(None)
        if record.phase == "forward":
            self._forward[record.pass_id] = ForwardCost(_attempted(record), record.duration_s)
            if len(self._forward) > _FORWARD_KEPT:
                self._forward.popitem(last=False)
            return gathering.ended(record, None)
        started = gathering.begun
        known = "" if started is None or started.forward_pass_id is UNSET else started.forward_pass_id
        return gathering.ended(record, self._forward.get(known))


def _attempted(ended: PassEnded) -> int:
    steps = ended.steps
    return ended.step if steps is UNSET else steps.accepted + steps.rejected
