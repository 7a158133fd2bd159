"""Estimates when a pass will be over: one formula for heartbeats, metrics and the live view.

Any side; one object for each pass, used from one thread. Pure Python, since `soltrace tail` must not import numpy.
"""

import math
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

RECENT_S: Final = 10.0
"""How far back "recently" reaches. Steps may become ten times slower half-way, and an average over the whole pass would
take as long to notice as the pass has lasted."""
_FEWEST_SAMPLES: Final = 6
"""Kept however old they are, so that the speed is also known of a pass whose steps take longer than that."""
_CLOSEST_S: Final = RECENT_S / 40
"""Samples closer than this tell nothing more, and those of ten thousand open passes take room."""
_MOST_SAMPLES: Final = 64
"""What a clock that runs backwards can leave behind."""


class ProgressSample(NamedTuple):
    """Where a pass was at one moment."""

    time_s: float
    """On any clock, as long as it is the same for all samples of a pass."""
    progress: float
    """Unitless, in [0, 1]."""
    steps: int = 0
    """Steps attempted, for those who want their rate too."""


class RecentProgress:
    """Keeps the recent past of one pass, and estimates from it when the pass will be over.

    Feed it the start of the pass and each of its reports. Whoever has seen the same reports gets the same estimate, be
    it the process that solves, the metrics, or a reader of the log.

    ```python
    recent = RecentProgress()
    recent.add(0.0, progress=0.0)
    recent.add(2.0, progress=0.2)
    recent.rate, recent.eta_s  # (0.1, 8.0)
    ```
    """

    def __init__(self) -> None:
        self._samples: deque[ProgressSample] = deque(maxlen=_MOST_SAMPLES)

    @property
    def samples(self) -> Sequence[ProgressSample]:
        """The recent past, the oldest sample first."""
        return self._samples

    @property
    def rate(self) -> float | None:
        """Recent progress per second; None until it is known at two moments."""
        return speed(self._samples[0], self._samples[-1]) if self._samples else None

    @property
    def eta_s(self) -> float | None:
        """Seconds from the latest report to the end, if the pass goes on at that rate.

        None of a pass that has not moved recently: it may be over at once or never.
        """
        rate = self.rate
        return _ratio(1.0 - self._samples[-1].progress, rate) if rate else None

    def add(self, time_s: float, progress: float, steps: int = 0) -> None:
        """Add a sample.

        Args:
            time_s: The moment of the report, in seconds.
            progress: Where the pass was then: unitless, in [0, 1]. It is 0 at the start, which is a sample too.
            steps: Steps attempted by then.
        """
        samples = self._samples
        if len(samples) > 1 and time_s - samples[-2].time_s < _CLOSEST_S:
            samples.pop()
        samples.append(ProgressSample(time_s, progress, steps))
        while len(samples) > _FEWEST_SAMPLES and time_s - samples[1].time_s >= RECENT_S:
            samples.popleft()


def speed(earlier: ProgressSample, later: ProgressSample) -> float | None:
    """Return the progress per second between two samples, never negative; None if no time has passed."""
    return _ratio(later.progress - earlier.progress, later.time_s - earlier.time_s)


def _ratio(part: float, whole: float) -> float | None:
    ratio = max(0.0, part) / whole if whole > 0 else math.inf
    return ratio if math.isfinite(ratio) else None  # JSON has no infinity
