"""Compares passes by whatever tells them apart, and puts the differences into words."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from soltrace.reading.text import clean, duration, natural_key, percent, plural
from soltrace.report.ask import Asks, QueryRow, to_top
from soltrace.report.facts import Comparison, Group
from soltrace.report.sql_columns import quoted
from soltrace.wire.number_text import parse_number

INTRINSIC: Final = ("experiment", "solver", "adjoint", "controller", "rtol", "atol", "run_id")
"""What passes may differ in beside their attributes."""
MOST_GROUPS: Final = 20
MOST_VALUES: Final = 200
"""What has more values, such as the number of an iteration or a time, tells nothing when it is compared by."""
MOST_NAMES: Final = 30
NOTABLE: Final = 1.1
"""A smaller ratio is not worth a sentence."""
NOTABLE_SHARE: Final = 0.02
"""Nor is a smaller difference of shares."""
_GroupValue: TypeAlias = Callable[[Group], float | None]


def _pointer(name: str) -> str:
    """Write a JSON pointer to a key, whatever characters it has (RFC 6901)."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


@dataclass(frozen=True)
class Wording:
    """How what is compared by is said to whoever is asked; as it stands here, to DuckDB."""

    attribute: Callable[[str], str] = lambda name: f"json_extract_string(attributes, {quoted(_pointer(name))})"
    """Writes the expression of an attribute's value, as text."""
    column: Callable[[str], str] = lambda name: f"CAST({name} AS VARCHAR)"
    """Writes that of a column's."""
    attribute_value: Callable[[str, QueryRow], str | None] = lambda name, row: row["value"]  # noqa: ARG005 - as it is called
    """Returns the value of a group, spelled as DuckDB does."""
    column_value: Callable[[str, QueryRow], str | None] = lambda name, row: row["value"]  # noqa: ARG005
    """Likewise."""


def comparisons(asks: Asks, wording: Wording = Wording()) -> tuple[list[Comparison], dict[str, int]]:
    """Compare passes by everything in which they differ.

    Args:
        asks: Asks whoever holds the passes.
        wording: How what is compared by is said there.

    Returns:
        The comparisons, those by attributes first, and of these first what has the fewest values; and the attributes
        that have too many values, with about how many.
    """
    names = [row["name"] for row in asks("names", limit=MOST_NAMES)]
    ways = {name: wording.attribute(name) for name in names}
    ways |= {name: wording.column(name) for name in INTRINSIC if name not in ways}
    found: list[Comparison] = []
    too_many: dict[str, int] = {}
    for by, expression in ways.items():
        (row,) = asks("values", compared_by=expression)
        # A pass without the attribute is of another kind; one whose solver is not known may be of any.
        missing = row["missing"] and by in names
        if row["number"] > MOST_VALUES:
            too_many[by] = row["number"]
        elif row["number"] + missing > 1:
            rows = asks("groups", compared_by=expression, limit=MOST_GROUPS, missing=missing)
            spelled = wording.attribute_value if by in names else wording.column_value
            rows = [row | {"value": spelled(by, row)} for row in rows]
            groups = to_top(sorted(rows, key=_order), Group)
            found.append(Comparison(by, groups, differences(by, groups.rows)))
    found.sort(key=lambda comparison: (comparison.by not in names, comparison.groups.total, comparison.by))
    return found, too_many


def _order(row: QueryRow) -> tuple[bool, bool, float, list[tuple[str, int, str]]]:
    """Sort numbers by their size, then words, and last what has no value."""
    value = row["value"]
    number = None if value is None else parse_number(value)
    return value is None, number is None, number or 0.0, natural_key(value or "")


@dataclass(frozen=True)
class _Measure:
    value: _GroupValue
    sentence: str
    show: Callable[[float], str]


def _steps_per_pass(group: Group) -> float | None:
    return group.steps / group.passes if group.steps else None


_RATIOS: Final = (
    _Measure(lambda group: group.median_forward_s, "takes longest in a forward pass", duration),
    _Measure(lambda group: group.median_backward_s, "takes longest in a backward pass", duration),
    _Measure(_steps_per_pass, "takes most steps in a pass", lambda steps: plural(round(steps), "step")),
)
_SHARES: Final = (
    _Measure(lambda group: group.failed / group.passes, "fails most often", percent),
    _Measure(
        lambda group: group.rejected / group.steps if group.steps else None,
        "rejects most steps",
        percent,
    ),
)


def differences(by: str, groups: list[Group]) -> list[str]:
    """Say in which measures groups differ, the largest ratio first, and then in which shares."""
    ratios: list[tuple[float, str]] = []
    shares: list[str] = []
    for measure in (*_RATIOS, *_SHARES):
        found = _extremes(groups, measure.value)
        if found is None:
            continue
        (low, lowest), (high, highest) = found
        most = f"{_named(by, high)} {measure.sentence}: {measure.show(highest)}"
        least = f"{_named(by, low)} ({measure.show(lowest)})"
        if measure in _SHARES:
            if highest - lowest >= NOTABLE_SHARE:
                shares.append(f"{most}, and {least} least")
        elif lowest > 0 and highest / lowest >= NOTABLE:
            ratios.append((highest / lowest, f"{most}, {_times(highest / lowest)} as much as {least}"))
    return [sentence for _, sentence in sorted(ratios, key=lambda pair: -pair[0])] + shares


def _times(ratio: float) -> str:
    return f"{ratio:.3g} times" if ratio < 1000 else f"{ratio:,.0f} times"  # noqa: PLR2004 - digits of a number


def _named(by: str, group: Group) -> str:
    return f"{clean(by)}={group_name(group)}"


def _extremes(groups: list[Group], measure: _GroupValue) -> tuple[tuple[Group, float], tuple[Group, float]] | None:
    known = [(group, measured) for group in groups if (measured := measure(group)) is not None]
    if len(known) < 2:  # noqa: PLR2004 - one alone differs from nothing
        return None
    return min(known, key=lambda pair: pair[1]), max(known, key=lambda pair: pair[1])


def group_name(group: Group) -> str:
    """Write the value that the passes of a group have in common."""
    return "none" if group.value is None else clean(group.value)
