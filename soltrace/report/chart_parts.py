"""What the charts of the page are made of, whatever they show: Vega-Lite specifications, and the parts of them.

Colours are the page's own (CSS variables), so that light, dark and print need no other chart.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

Spec: TypeAlias = dict[str, Any]

VEGA_LITE_SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v6.json"
_AXIS: Final = {
    "labelColor": "var(--ink)",
    "titleColor": "var(--ink)",
    "gridColor": "var(--line)",
    "domainColor": "var(--line)",
    "tickColor": "var(--line)",
    "labelFontSize": 12,
    "titleFontSize": 12,
}
_CONFIG: Final = {
    "font": "system-ui, sans-serif",
    "aria": False,  # the chart as a whole has a description, and a table stands behind it
    "axis": _AXIS | {"labelLimit": 220, "labelSeparation": 6},
    "legend": {
        "labelColor": "var(--ink)",
        "titleColor": "var(--ink)",
        "labelFontSize": 12,
        "orient": "top",
        "title": None,
    },
    "view": {"stroke": None},
    "bar": {"tooltip": {"content": "data"}},
    "line": {"tooltip": {"content": "data"}},
    "point": {"tooltip": {"content": "data"}},
}
REASONS: Final = {
    "error": "rejected",
    "nonfinite": "compile",
    "nonlinear": "recomputed",
    "controller": "quiet",
    "other": "ink",
}
"""Why steps are rejected, each with its colour."""
ROW_HEIGHT: Final = 22
"""The height of a bar in pixels."""


def chart(rows: list[Spec], height: int | Spec, mark: Spec, encoding: Spec, chosen: str = "") -> Spec:
    """Put a chart together.

    Args:
        rows: Its data.
        height: In pixels, or of each row.
        mark: What is drawn.
        encoding: What shows which field.
        chosen: The parameter that filters the rows by the field of the same name.
    """
    return _around(rows, height, chosen) | {"mark": mark, "encoding": encoding}


def layered(rows: list[Spec], height: int, encoding: Spec, layers: list[Spec], chosen: str = "") -> Spec:
    """Put a chart of several layers together, each with colours and a legend of its own."""
    apart = {"scale": {"color": "independent", "shape": "independent"}}
    return _around(rows, height, chosen) | {"encoding": encoding, "layer": layers, "resolve": apart}


def _around(rows: list[Spec], height: int | Spec, chosen: str) -> Spec:
    spec: Spec = {
        "$schema": VEGA_LITE_SCHEMA,
        "width": "container",
        "height": height,
        "background": "transparent",
        "config": _CONFIG,
        "data": {"name": "rows", "values": rows},
    }
    if chosen:
        spec["params"] = [{"name": chosen, "value": ""}]
        spec["transform"] = [{"filter": f"{chosen} === '' || datum.{chosen} === {chosen}"}]
    return spec


def colour(field: str, *words: str) -> Spec:
    """Give each word the page's colour of that name."""
    return coloured(field, {word: word for word in words})


def coloured(field: str, colours: Mapping[str, str]) -> Spec:
    """Give each word one of the page's colours, `{word: colour}`."""
    scale = {"domain": list(colours), "range": [f"var(--{name})" for name in colours.values()]}
    return {"field": field, "type": "nominal", "scale": scale}


def quantity(field: str, title: str, **more: Any) -> Spec:
    """Show a number."""
    return {"field": field, "type": "quantitative", "title": title, **more}


def categories(field: str, **more: Any) -> Spec:
    """Show words, in the order of the rows."""
    return {"field": field, "type": "nominal", "title": None, "sort": None, **more}


def along(order: str) -> Spec:
    """Show a line for each pass, in the colour of its phase."""
    return {
        "color": colour("phase", "forward", "backward"),
        "detail": {"field": "pass"},
        "order": {"field": order, "type": "quantitative"},
    }


def reason_word(reason: str) -> str:
    """Return a reason that has a colour: a log of a later version may hold others."""
    return reason if reason in REASONS else "other"
