"""What is queued for the worker: a signal with its pass and its moment, or a record that is ready.

Made on any thread, read on the worker's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from soltrace.host.signals import Array, Role, Signal, SolveInfo
from soltrace.host.table import PassEntry
from soltrace.wire.losses import What
from soltrace.wire.records import AnyRecord

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Emission:
    """One signal. Not frozen: a frozen one takes five times as long to make, and this is made inside the program."""

    signal: Signal
    info: SolveInfo
    ints: Array
    floats: Array
    extras: Sequence[Array]
    time_ns: int
    monotonic: float
    entry: PassEntry = field(init=False)
    """The pass that it is about, once that is known: set before the pass is opened or closed."""
    closing: bool = False
    """Of a stretch's end: it failed, and its backward pass with it."""
    report: bool = False
    """Of a stretch's end: a report is due."""

    @property
    def progress(self) -> bool:
        """May be dropped. A stretch's end may not: its steps count."""
        return self.signal.role is Role.STEP or self.signal.role is Role.DETAIL

    @property
    def lost(self) -> tuple[What, int]:
        """What is lost where it is dropped, and how much of it."""
        if self.signal.role is not Role.DETAIL:
            return What.PROGRESS, 1
        return What.STEPS, int((self.extras[1][..., 0] >= 0).sum())

    @property
    def nbytes(self) -> int:
        """Size of the arrays."""
        own = self.ints.nbytes + self.floats.nbytes
        return own + sum(extra.nbytes for extra in self.extras) if self.extras else own

    def ints_of_a_lane(self) -> list[int]:
        """The ints of the first lane: those that all lanes share are read here."""
        ints = self.ints if self.ints.ndim == 1 else self.ints.reshape(-1, self.ints.shape[-1])[0]
        return ints.tolist()

    def step(self) -> int:
        """The largest step of the lanes: finished lanes stand still, the others go on together."""
        return int(self.ints[1] if self.ints.ndim == 1 else self.ints[..., 1].max())


@dataclass(slots=True, frozen=True)
class Abandonment:
    """A pass is given up: its end did not come."""

    entry: PassEntry
    time_ns: int
    monotonic: float
    interrupted: bool = False
    """Because of a signal."""
    progress: bool = False
    nbytes: int = 0
    lost: tuple[What, int] = (What.PROGRESS, 1)


@dataclass(slots=True, frozen=True)
class Announcement:
    """A record that is no pass's."""

    record: AnyRecord
    parent: object = None
    progress: bool = False
    nbytes: int = 0
    lost: tuple[What, int] = (What.PROGRESS, 1)


Queued = Emission | Abandonment | Announcement
"""What the worker takes from its queue."""
Told = tuple[AnyRecord, object]
"""A record, and the place under which the span of its pass is opened."""


def moment(time_ns: int) -> datetime:
    """Nanoseconds since 1970 as a UTC time, to the microsecond. Not `fromtimestamp`: a float rounds."""
    return _EPOCH + timedelta(microseconds=time_ns // 1000)
