"""One pass in detail: what it is, where it is, and how step size, rejections and rate have gone so far. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime, tzinfo
from itertools import chain, repeat
from textwrap import wrap
from typing import Final

from msgspec import UNSET, UnsetType
from rich.text import Text

from soltrace.reading.live.columns import PHASES, Glyphs, bar
from soltrace.reading.live.curves import LABEL, WIDE, curves, labelled
from soltrace.reading.live.rows import RowRenderer
from soltrace.reading.live.state import OpenPass, Runs
from soltrace.reading.live.watched_course import watched_text
from soltrace.reading.phrases import (
    attributes_text,
    lane_name,
    lanes_text,
    nonfinite_text,
    pass_ended_text,
    pass_name,
    solve_name,
    usage_text,
)
from soltrace.reading.plain import LONGEST_LINE
from soltrace.reading.text import clean, clock, duration, local, number, percent, plural, steady
from soltrace.wire.records import Attribute, LaneNonfinite, PassEnded, PassStarted

_FIGURES: Final = 36
"""Columns of what stands beside the bar."""
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
"""What is shown of a run's resource, in this order."""
_SLOWEST: Final = 8
_LONGEST_VERDICT: Final = 600


class DetailRenderer:
    """Draws one pass in detail.

    Args:
        rows: Writes what the list says too.
        runs: Knows where a run lives.
        zone: The zone in which times are shown; None for this machine's.
        glyphs: The signs to draw with.
    """

    def __init__(self, rows: RowRenderer, runs: Runs, zone: tzinfo | None, glyphs: Glyphs) -> None:
        self._rows = rows
        self._runs = runs
        self._zone = zone
        self._glyphs = glyphs

    def lines(self, shown: OpenPass, now: datetime, width: int) -> list[Text]:
        """Draw a pass for a terminal of that width, the most important lines first."""
        above = [self._title(shown), *self._where(shown, now, width), *curves(shown, width, self._glyphs.levels)]
        return [*above, *self._about(shown), *self._lanes(shown, width)]

    def _title(self, shown: OpenPass) -> Text:
        first = shown.first
        name = "-" if first.experiment is None else clean(first.experiment)
        title = Text.assemble(
            (f"{solve_name(first)} ", "bold"), (pass_name(first), f"bold {PHASES.get(first.phase, '')}")
        )
        title.append(f"  {name}", "bold")
        run = self._runs.column(first)
        return title.append(f"{self._glyphs.dot}{run}", "dim") if run else title

    def _where(self, shown: OpenPass, now: datetime, width: int) -> Iterator[Text]:
        if shown.end is not None:
            yield labelled(
                "", Text(clean(pass_ended_text(shown.end), LONGEST_LINE), "red" if shown.failing else "green")
            )
            yield from _why(shown.end, width)
        else:
            yield from self._gauge(shown, now, width)
        if shown.nonfinite is not None:
            yield labelled("not finite", Text(clean(_nonfinite(shown.nonfinite), LONGEST_LINE), "red"))
        rejected = "" if shown.rejected is None else f", {shown.rejected:,} rejected"
        yield labelled("steps", Text(plural(shown.step, "step") + rejected))
        if shown.lanes is not None:
            yield labelled("lanes", Text(lanes_text(shown.lanes), "red" if shown.lanes.failed else ""))

    def _lanes(self, shown: OpenPass, width: int) -> Iterator[Text]:
        """Draw the slowest lanes of a batch that is under way, each with a bar of its own."""
        if shown.end is not None:
            return
        size = min(30, max(4, width - LABEL - _FIGURES // 2))
        style = PHASES.get(shown.first.phase, "")
        for lane in shown.slowest[:_SLOWEST]:
            gauge = bar(lane.progress, size, style, self._glyphs)
            gauge.append(f"  {percent(lane.progress):>7}")
            if watched := watched_text(lane.watched):
                gauge.append(f"  {watched}", "dim")
            yield labelled(f"lane {lane_name(lane.batch_index)}", gauge)

    def _gauge(self, shown: OpenPass, now: datetime, width: int) -> Iterator[Text]:
        beside = _FIGURES if width >= WIDE else _FIGURES // 2
        size = min(30, max(4, width - LABEL - beside))
        line = Text.assemble(bar(shown.progress, size, PHASES.get(shown.first.phase, ""), self._glyphs))
        line.append(f"  {percent(shown.progress)}").append("" if shown.t is None else f"  t {steady(shown.t)}")
        left = Text.assemble((self._rows.left(shown, now), "yellow" if shown.stalled else "dim"))
        if width >= WIDE:
            yield labelled("progress", line.append("  ").append_text(left))
        else:
            yield labelled("progress", line)
            yield labelled("", left)

    def _about(self, shown: OpenPass) -> Iterator[Text]:
        first = shown.first
        if isinstance(first, PassStarted):
            yield labelled("solver", Text("  ".join(_solver(first))))
            yield labelled("over", Text("  ".join(_over(first))))
        if first.attributes:
            yield labelled("attributes", Text(clean(attributes_text(first.attributes), LONGEST_LINE)))
        since = clock(local(first.timestamp, self._zone))[:8]
        length = shown.end.duration_s if shown.end is not None else (shown.latest - first.timestamp).total_seconds()
        yield labelled("since", Text(f"{since}, for {duration(length)}"))
        if shown.usage is not None and (used := usage_text(shown.usage)):
            yield labelled("process", Text(used))
        if lives := _lives(self._runs.resource(first.run_id)):
            yield labelled("run", Text(lives))
        yield labelled("id", Text(clean(first.pass_id, LONGEST_LINE)))


def _nonfinite(found: LaneNonfinite) -> str:
    lane = "" if found.batch_index is UNSET else f"lane {lane_name(found.batch_index)}: "
    return f"{lane}{nonfinite_text(found.nonfinite)}"


def _why(end: PassEnded, width: int) -> Iterator[Text]:
    """Write the verdict, broken into lines: it is what is looked for."""
    if end.verdict is UNSET:
        return
    told = (("why", end.verdict.text), ("try", end.verdict.advice))
    for label, text in told:
        lines = wrap(clean(text, _LONGEST_VERDICT), max(20, width - LABEL))
        for first, line in zip(chain([label], repeat("")), lines, strict=False):
            yield labelled(first, Text(line, "yellow" if label == "why" else ""))


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
        words.append(f"lanes {lane_name(first.batch_shape).replace(',', 'x')}")
    if first.max_steps is not None:
        words.append(f"at most {plural(first.max_steps, 'step')}")
    return words


def _lives(resource: Mapping[str, Attribute]) -> str:
    return clean(attributes_text({name: resource[name] for name in _RESOURCES if name in resource}), LONGEST_LINE)
