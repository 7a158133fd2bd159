"""One pass, looked at closely: what it is, where it is, and how step size, rejection and rate went so far. Pure."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Final

from msgspec import UnsetType
from rich.text import Text

from soltrace.reading.live.columns import bar
from soltrace.reading.live.frame import Painter
from soltrace.reading.live.glyphs import PHASES, Glyphs
from soltrace.reading.live.history import MOST_POINTS
from soltrace.reading.live.runs import Runs
from soltrace.reading.live.sparkline import sparkline
from soltrace.reading.live.state import OpenPass
from soltrace.reading.phrases import attributes, ended, finished, half, index, solve
from soltrace.reading.plain import LONGEST_LINE
from soltrace.reading.text import clean, clock, duration, local, number, percent, plural, rate, steady
from soltrace.wire.records import Attribute, PassStarted

_LABEL: Final = 11
_WIDEST_SPARKLINE: Final = MOST_POINTS // 2
_VALUE: Final = 10
"""Columns of the latest value, before a sparkline."""
_RANGE: Final = 22
"""Columns of the least and the most, where the terminal is wide."""
_WIDE: Final = 60
_FIGURES: Final = 36
"""Columns of what stands beside the progress."""
_RESOURCES: Final = (
    "host",
    "job",
    "array_task",
    "rank",
    "backend",
    "device_kinds",
    "pid",
    "scheduler",
    "jax",
    "diffrax",
)
"""What of a run's resource is shown, in this order."""
_SLOWEST: Final = 8


class Detail:
    """Draw a pass.

    Args:
        painter: Says things that the list says too.
        runs: Know where a run lives.
        zone: Whose times are shown; None for this machine's.
        glyphs: Signs to draw with.
    """

    def __init__(self, painter: Painter, runs: Runs, zone: tzinfo | None, glyphs: Glyphs) -> None:
        self._painter = painter
        self._runs = runs
        self._zone = zone
        self._glyphs = glyphs

    def lines(self, at: OpenPass, now: datetime, width: int) -> list[Text]:
        """Draw it for a terminal of that width, the most important first."""
        above = [self._title(at), *self._where(at, now, width), *self._series(at, width)]
        return [*above, *self._about(at), *self._lanes(at, width)]

    def _title(self, at: OpenPass) -> Text:
        first = at.first
        name = "-" if first.experiment is None else clean(first.experiment)
        title = Text.assemble((f"{solve(first)} ", "bold"), (half(first), f"bold {PHASES.get(first.phase, '')}"))
        title.append(f"  {name}", "bold")
        run = self._runs.column(first)
        return title.append(f"{self._glyphs.dot}{run}", "dim") if run else title

    def _where(self, at: OpenPass, now: datetime, width: int) -> Iterator[Text]:
        if at.end is not None:
            yield _line("", Text(clean(ended(at.end), LONGEST_LINE), "red" if at.failing else "green"))
        else:
            yield from self._gauge(at, now, width)
        rejected = "" if at.rejected is None else f", {at.rejected:,} rejected"
        yield _line("steps", Text(plural(at.step, "step") + rejected))
        if at.lanes is not None:
            yield _line("lanes", Text(finished(at.lanes), "red" if at.lanes.failed else ""))

    def _lanes(self, at: OpenPass, width: int) -> Iterator[Text]:
        """Draw the slowest of a batch that is under way, each with a bar of its own."""
        if at.end is not None:
            return
        size = min(30, max(4, width - _LABEL - _FIGURES // 2))
        style = PHASES.get(at.first.phase, "")
        for lane in at.slowest[:_SLOWEST]:
            gauge = bar(lane.progress, size, style, self._glyphs)
            yield _line(f"lane {index(lane.batch_index)}", gauge.append(f"  {percent(lane.progress):>7}"))

    def _gauge(self, at: OpenPass, now: datetime, width: int) -> Iterator[Text]:
        beside = _FIGURES if width >= _WIDE else _FIGURES // 2
        size = min(30, max(4, width - _LABEL - beside))
        line = Text.assemble(bar(at.progress, size, PHASES.get(at.first.phase, ""), self._glyphs))
        line.append(f"  {percent(at.progress)}").append("" if at.t is None else f"  t {steady(at.t)}")
        left = Text.assemble((self._painter.left(at, now), "yellow" if at.stalled else "dim"))
        if width >= _WIDE:
            yield _line("progress", line.append("  ").append_text(left))
        else:
            yield _line("progress", line)
            yield _line("", left)

    def _series(self, at: OpenPass, width: int) -> Iterator[Text]:
        columns = max(4, width - _LABEL - _VALUE - (_RANGE if width >= _WIDE else 0))
        wide = min(columns, _WIDEST_SPARKLINE)
        history = at.history
        # Of a batch only its slowest lane says where it is.
        yield self._curve("dt" if at.lanes is None else "dt slowest", history.step_sizes(wide), number, width)
        yield self._curve("rejected", history.rejections(wide), percent, width, least=0.0)
        yield self._curve("rate", history.rates(wide), rate, width, least=0.0)

    def _curve(
        self,
        label: str,
        values: Sequence[float],
        write: Callable[[float], str],
        width: int,
        *,
        least: float | None = None,
    ) -> Text:
        known = [value for value in values if math.isfinite(value)]
        if not known:
            return _line(label, Text("not known", "dim"))
        text = Text(write(_digits(known[-1])).ljust(_VALUE))
        if width >= _WIDE:
            span = f"{write(_digits(min(known)))} to {write(_digits(max(known)))}"
            text.append(span.ljust(_RANGE), "dim")
        return _line(label, text.append(sparkline(values, self._glyphs, least=least), "cyan"))

    def _about(self, at: OpenPass) -> Iterator[Text]:
        first = at.first
        if isinstance(first, PassStarted):
            yield _line("solver", Text("  ".join(_solver(first))))
            yield _line("over", Text("  ".join(_over(first))))
        if first.attributes:
            yield _line("attributes", Text(clean(attributes(first.attributes), LONGEST_LINE)))
        since = clock(local(first.timestamp, self._zone))[:8]
        length = at.end.duration_s if at.end is not None else (at.latest - first.timestamp).total_seconds()
        yield _line("since", Text(f"{since}, for {duration(length)}"))
        if lives := _lives(self._runs.resource(first.run_id)):
            yield _line("run", Text(lives))
        yield _line("id", Text(clean(first.pass_id, LONGEST_LINE)))


def _line(label: str, text: Text) -> Text:
    return Text.assemble((label[: _LABEL - 1].ljust(_LABEL), "dim")).append_text(text)


def _digits(value: float) -> float:
    """Three digits are enough beside a sparkline."""
    return float(f"{value:.3g}")


def _solver(first: PassStarted) -> list[str]:
    words = [clean(name) for name in (first.solver, first.adjoint, first.controller)]
    if not isinstance(first.rtol, UnsetType):
        words.append(f"rtol {number(first.rtol)}")
    if not isinstance(first.atol, UnsetType):
        words.append(f"atol {number(first.atol)}")
    return words


def _over(first: PassStarted) -> list[str]:
    words: list[str] = []
    if not isinstance(first.t0, UnsetType) and not isinstance(first.t1, UnsetType):
        words.append(f"t {number(first.t0)} -> {number(first.t1)}")
    if first.batch_shape:
        words.append(f"lanes {index(first.batch_shape).replace(',', 'x')}")
    if first.max_steps is not None:
        words.append(f"at most {plural(first.max_steps, 'step')}")
    return words


def _lives(resource: Mapping[str, Attribute]) -> str:
    return clean(attributes({name: resource[name] for name in _RESOURCES if name in resource}), LONGEST_LINE)
