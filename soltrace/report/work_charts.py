"""The charts of what steps were taken for: forward, in vain, again and backward; and why they were in vain."""

from collections.abc import Sequence
from typing import Final

from soltrace.reading.text import clean, clean_end
from soltrace.report.chart_parts import REASONS, ROW_HEIGHT, Spec, categories, chart, coloured, quantity, reason_word
from soltrace.report.facts import LogReport
from soltrace.report.step_facts import SolveWork, Work

PARTS: Final = {"accepted": "forward", "rejected": "rejected", "recomputed": "recomputed", "backward": "backward"}
"""The parts of the work, as the facts call them, in their order: each is of one of the page's colours."""
WORDS: Final = {
    "accepted": "forward, accepted",
    "rejected": "forward, rejected",
    "recomputed": "recomputed",
    "backward": "backward",
}
"""What the reader sees of them."""
_LONGEST: Final = 40
_LONGEST_OF_A_PAIR: Final = 18
_WHOLE: Final = {"tickMinStep": 1}


def work_chart(report: LogReport) -> Spec:
    """Draw a bar for each experiment."""
    named = [(clean(row.experiment or "-", _LONGEST), row) for row in report.work.rows]
    return _bars(named, [clean(row.experiment or "-") for row in report.work.rows])


def solves_chart(report: LogReport) -> Spec:
    """Draw a bar for each of the solves that took longest."""
    named = [(solve_title(row), row) for row in report.solves]
    return _bars(named, [clean(row.experiment or "-") for row in report.solves])


def solve_title(row: SolveWork) -> str:
    """Write which solve it is: its experiment, and its id, which ends with its number."""
    return f"{clean(row.experiment or '-', _LONGEST_OF_A_PAIR)}  {clean_end(row.solve_id, _LONGEST_OF_A_PAIR)}"


def _bars(named: Sequence[tuple[str, Work | SolveWork]], experiments: Sequence[str]) -> Spec:
    rows = [
        {
            "name": name,
            "experiment": experiment,
            "steps": getattr(row, part),
            "for": WORDS[part],
            "place": place,
        }
        for (name, row), experiment in zip(named, experiments, strict=True)
        for place, part in enumerate(PARTS)
    ]
    encoding = {
        "y": categories("name"),
        "x": quantity("steps", "steps of all lanes", axis=_WHOLE),
        "color": coloured("for", {WORDS[part]: colour for part, colour in PARTS.items()}),
        "order": {"field": "place", "type": "quantitative"},
    }
    return chart(rows, {"step": ROW_HEIGHT}, {"type": "bar"}, encoding, "experiment")


def reasons_chart(report: LogReport) -> Spec:
    """Draw a bar for each experiment and phase: rejected steps, by why they were."""
    rows = [
        {
            "name": f"{clean(row.experiment or '-', _LONGEST)}  {row.phase}",
            "experiment": clean(row.experiment or "-"),
            "steps": row.steps,
            "why": reason_word(row.reason),
        }
        for row in report.rejections.rows
    ]
    there = {row["why"] for row in rows}
    encoding = {
        "y": categories("name"),
        "x": quantity("steps", "rejected steps", axis=_WHOLE),
        "color": coloured("why", {why: colour for why, colour in REASONS.items() if why in there}),
    }
    return chart(rows, {"step": ROW_HEIGHT}, {"type": "bar"}, encoding, "experiment")
