"""The curves of a pass in detail, each a line: its latest value, its range, and a sparkline. Pure."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

from rich.text import Text

from soltrace.reading.live.history import MOST_POINTS, sparkline
from soltrace.reading.live.state import OpenPass
from soltrace.reading.live.step_course import StepColumn, StepCourse
from soltrace.reading.text import number, percent, plural, rate

LABEL: Final = 11
"""Columns of what a line is about."""
WIDE: Final = 60
"""A terminal of as many columns has room for more."""
_WIDEST_SPARKLINE: Final = MOST_POINTS // 2
_VALUE: Final = 10
"""Columns of the latest value, in front of a sparkline."""
_RANGE: Final = 22
"""Columns of the least and the greatest value, where the terminal is wide."""


def labelled(label: str, text: Text) -> Text:
    """Draw a line of the detail: what it is about, and what there is to say."""
    return Text.assemble((label[: LABEL - 1].ljust(LABEL), "dim")).append_text(text)


def curves(shown: OpenPass, width: int, levels: str) -> Iterator[Text]:
    """Draw how step size, error, rejection, rate and watched quantities went: by every step, or else by reports.

    Args:
        shown: The pass.
        width: Of the terminal, in columns.
        levels: The blocks of a sparkline.
    """
    columns = max(4, width - LABEL - _VALUE - (_RANGE if width >= WIDE else 0))
    wide = min(columns, _WIDEST_SPARKLINE)
    draw = partial(_curve, width=width, levels=levels)
    history, steps, batch = shown.history, shown.attempts, shown.lanes is not None
    if steps is not None and steps.from_the_start:
        yield from _of_steps(steps.columns(wide), draw, ("dt mean", "error most") if batch else ("dt", "error"))
    else:
        # Of a batch only its slowest lane says where it is.
        yield draw("dt slowest" if batch else "dt", history.step_sizes(wide), number, logarithmic=True)
        yield draw("rejected", history.rejections(wide), percent, least=0.0)
    yield draw("rate", history.rates(wide), rate, least=0.0)
    if steps is not None and not steps.from_the_start:
        yield from list(_of_steps(steps.columns(wide), draw, ("last dt", "last error")))[:2]
    if shown.watched is not None:
        for name, values in shown.watched.curves(wide):
            yield draw(name, values, number)
    yield labelled("drawn from", Text(_source(steps), "dim"))


def _of_steps(columns: Sequence[StepColumn], draw: Callable[..., Text], labels: tuple[str, str]) -> Iterator[Text]:
    dt, error = labels
    yield draw(dt, [column.dt for column in columns], number, logarithmic=True)
    yield draw(error, [column.error for column in columns], number, logarithmic=True)
    yield draw("rejected", [column.rejected for column in columns], percent, least=0.0)


def _source(steps: StepCourse | None) -> str:
    if steps is None:
        return "reports"
    if steps.from_the_start:
        return f"every step, {plural(steps.last, 'attempt')}"
    return f"reports, and every step from {steps.first:,} to {steps.last:,}"


def _curve(
    label: str,
    values: Sequence[float],
    write: Callable[[float], str],
    *,
    width: int,
    levels: str,
    least: float | None = None,
    logarithmic: bool = False,
) -> Text:
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return labelled(label, Text("not known", "dim"))
    text = Text(write(_digits(known[-1])).ljust(_VALUE))
    if width >= WIDE:
        span = f"{write(_digits(min(known)))} to {write(_digits(max(known)))}"
        text.append(span.ljust(_RANGE), "dim")
    # To three decimals: what differs by less than a thousandth is drawn as equal.
    drawn = [round(math.log(value), 3) if value > 0 else math.nan for value in values] if logarithmic else values
    return labelled(label, text.append(sparkline(drawn, levels, least=least), "cyan"))


def _digits(value: float) -> float:
    """Three digits are enough beside a sparkline."""
    return float(f"{value:.3g}")
