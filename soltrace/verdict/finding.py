"""What a rule has found, and how its numbers are written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from soltrace.wire.records import Number
from soltrace.wire.verdicts import Verdict, VerdictKind

_SMALLEST_SHARE: Final = 0.001
_MINUTE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, why, and what to try."""

    kind: VerdictKind
    text: str
    advice: str
    numbers: Mapping[str, Number | str] = field(default_factory=dict[str, Number | str])
    """What the text says, for programs."""

    @property
    def verdict(self) -> Verdict:
        """The same as a record carries it."""
        return Verdict(kind=self.kind, text=self.text, advice=self.advice)


def times(count: int, noun: str) -> str:
    """Write how many of something: `1 step`, `4,096 steps`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def share(value: float) -> str:
    """Write a share as a percentage: `34 %`."""
    if 0.0 < value < _SMALLEST_SHARE:
        return "less than 0.1 %"
    return f"{_two_digits(100.0 * value)} %"


def figure(value: Number) -> str:
    """Write a number of the user's own, such as solver time."""
    return value if isinstance(value, str) else f"{value:.6g}"


def about(count: float) -> str:
    """Write a count that is only an estimate, with two digits: `about 12,000`."""
    if count >= 1e9:  # noqa: PLR2004 - no longer readable as digits
        return f"about {count:.1e}"
    digits = len(str(int(count))) - 2
    return f"about {round(count, -digits) if digits > 0 else count:,.0f}"


def seconds(value: float) -> str:
    """Write a time: `0.31 s`, `12 ms`, `4.2 min`."""
    if value >= _MINUTE_S:
        return f"{_two_digits(value / _MINUTE_S)} min"
    return f"{_two_digits(value)} s" if value >= 1.0 else f"{_two_digits(1e3 * value)} ms"


def _two_digits(value: float) -> str:
    return f"{value:.2g}" if value < 99.5 else f"{value:,.0f}"  # noqa: PLR2004 - else 99.7 is written as 1e+02


def lane_text(batch_index: list[int]) -> str:
    """Name a lane by its index, the outermost vmap first: `lane 3`, `lane 0,2`."""
    return "lane " + ",".join(map(str, batch_index))
