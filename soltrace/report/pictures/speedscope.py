"""Writes logs as a flame graph for speedscope: by experiment, what went into which stage; in seconds and in steps.

The form is that of https://www.speedscope.app/file-format-schema.json: one list of frames, and profiles of weighted
stacks.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from soltrace import __version__
from soltrace.report.ask import QueryRow, ask_sql, read_sql

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MOST_PROFILES: Final = 40
"""How many runs have a profile of their own, beside that of all runs."""
_SCHEMA: Final = "https://www.speedscope.app/file-format-schema.json"
_OUTSIDE: Final = "outside any experiment"
_Stack: TypeAlias = tuple[str, ...]
_COMPILING: Final = {"tracing": "trace_s", "lowering": "lower_s", "compiling": "compile_s"}


def flame_graph(connection: "DuckDBPyConnection") -> dict[str, object]:
    """Make the object that is the file.

    Args:
        connection: To a database with the views of `soltrace.report.views`.
    """
    rows = ask_sql(connection, read_sql("picture_stages"))
    frames: dict[str, int] = {}
    runs = {run_id: list(own) for run_id, own in groupby(rows, lambda row: cast("str", row["run_id"]))}
    named = {"all runs": rows} | (runs if 1 < len(runs) <= MOST_PROFILES else {})
    profiles = [
        _profile(f"{unit}, {name}", unit, _merged(weights(own)), frames)
        for name, own in named.items()
        for unit, weights in (("seconds", _seconds), ("steps", _steps))
    ]
    return {
        "$schema": _SCHEMA,
        "name": "soltrace",
        "exporter": f"soltrace {__version__}",
        "activeProfileIndex": 0,
        "shared": {"frames": [{"name": name} for name in frames]},
        "profiles": profiles,
    }


def _seconds(rows: Sequence[QueryRow]) -> Iterator[tuple[_Stack, float]]:
    for row in rows:
        stack = _stack(row)
        if row["stage"] == "compile":
            yield from (((*stack, name), row[column]) for name, column in _COMPILING.items())
            continue
        parts = {"rejected": row["rejected_s"] or 0.0, "recomputed": row["recomputed_s"] or 0.0}
        yield stack, max(0.0, row["seconds"] - sum(parts.values()))
        yield from (((*stack, f"{name} (share of steps)"), seconds) for name, seconds in parts.items())


def _steps(rows: Sequence[QueryRow]) -> Iterator[tuple[_Stack, float]]:
    for row in rows:
        if row["stage"] == "compile":
            continue
        stack = _stack(row)
        rejected, recomputed = row["rejected"] or 0, row["recomputed"] or 0
        yield stack, max(0, (row["steps"] or 0) - rejected)
        yield (*stack, "rejected"), rejected
        yield (*stack, "recomputed"), recomputed


def _stack(row: QueryRow) -> _Stack:
    experiment = tuple(row["experiment"].split("/")) if row["experiment"] else (_OUTSIDE,)
    return *experiment, row["stage"], *((row["how"],) if row["how"] else ())


def _merged(weights: Iterator[tuple[_Stack, float]]) -> dict[_Stack, float]:
    """Add up what has the same stack, and leave out what weighs nothing."""
    merged: dict[_Stack, float] = {}
    for stack, weight in weights:
        if weight > 0:
            merged[stack] = merged.get(stack, 0) + weight
    return merged


def _profile(name: str, unit: str, weights: dict[_Stack, float], frames: dict[str, int]) -> dict[str, object]:
    return {
        "type": "sampled",
        "name": name,
        "unit": unit if unit == "seconds" else "none",
        "startValue": 0,
        "endValue": sum(weights.values()),
        "samples": [[frames.setdefault(frame, len(frames)) for frame in stack] for stack in weights],
        "weights": list(weights.values()),
    }
